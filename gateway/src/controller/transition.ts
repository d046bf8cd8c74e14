import type { Policy } from '../config/policy.ts';
import type { DeviceCommandName } from '../domain/device-command.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';

/**
 * Which values the dynamic check (control.md §5.3) expects: `steady` those that were commanded; the others a
 * wider band while a command is carried out. It is never off, and each band has a deadline (control.md S2).
 */
export type Band = 'steady' | 'ramp-up' | 'excursion' | 'hand-over' | 'current';

interface Row {
  readonly band: Band;
  /** How long the band may last, the command itself included. */
  limitMsec(policy: Policy): Milliseconds;
  /** The band ends when the command has succeeded; otherwise a later command ends it. */
  readonly endsWithCommand: boolean;
}

/** How long a command may be under way, from the intent in the deal's record to the reading that shows its effect. */
export const commandMsec = ({ controller }: Policy): Milliseconds =>
  controller.dataAcquisitionPeriodMsec + controller.requestTimeoutMsec;
/** Outlasts a change of the grid master (RULE-8). */
const handOverMsec = ({ gridMaster }: Policy): Milliseconds => 2 * gridMaster.permitMsec;
const rampUpMsec = ({ controller }: Policy): Milliseconds => controller.dcdc.voltageReference.rampUp.first.timeoutMsec;

const current: Row = { band: 'current', limitMsec: commandMsec, endsWithCommand: true };
const handOver: Row = { band: 'hand-over', limitMsec: handOverMsec, endsWithCommand: false };

const ROWS: Readonly<Record<Exclude<DeviceCommandName, 'WAIT' | 'scram'>, Row>> = {
  CHARGE: current,
  DISCHARGE: current,
  current,
  VOLTAGE_REFERENCE: { band: 'ramp-up', limitMsec: rampUpMsec, endsWithCommand: false },
  voltage: { band: 'excursion', limitMsec: commandMsec, endsWithCommand: true },
  voltageReferenceAuthorization: { band: 'excursion', limitMsec: commandMsec, endsWithCommand: true },
  voltageReferenceWillHandOver: handOver,
  voltageReferenceWillTakeOver: handOver,
  voltageReferenceDidHandOver: { band: 'hand-over', limitMsec: commandMsec, endsWithCommand: true },
  voltageReferenceDidTakeOver: { band: 'hand-over', limitMsec: commandMsec, endsWithCommand: true },
};

/** The band of the moment. */
export class Transition {
  readonly #clock: Clock;
  #band: Band = 'steady';
  #until: Milliseconds = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get band(): Band {
    return this.#clock.monotonic() < this.#until ? this.#band : 'steady';
  }

  begin(command: keyof typeof ROWS, policy: Policy): void {
    this.#band = ROWS[command].band;
    this.#until = this.#clock.monotonic() + ROWS[command].limitMsec(policy);
  }

  succeeded(command: keyof typeof ROWS): void {
    if (ROWS[command].endsWithCommand) this.clear();
  }

  clear(): void {
    this.#until = 0;
  }
}
