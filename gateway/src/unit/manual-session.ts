import type { HeldPermit } from '../controller/needs.ts';
import { type ConverterMode, modeOfCode } from '../domain/converter-mode.ts';
import { type Deal, isDeactivated } from '../domain/deal.ts';
import type { DeviceCommand } from '../domain/device-command.ts';
import { PeerError } from '../domain/errors.ts';
import type { ManualSetPoint } from '../domain/messages.ts';
import type { OperationMode } from '../domain/operation-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { UnitData } from '../domain/unit-data.ts';
import type { Clock } from '../ports/clock.ts';

/** How long a set-point is held when its operator does not say, and at most: who goes away lets the converter go. */
const HOLD_MSEC: Milliseconds = 10_000;
export const LONGEST_HOLD_MSEC: Milliseconds = 60_000;

export interface ManualSessionNeeds {
  readonly unitId: string;
  readonly clock: Clock;
  effectiveMode(): OperationMode;
  /** Every deal of the cluster that is known here. */
  deals(): readonly Deal[];
  /** What the other members say of themselves. */
  others(): readonly UnitData[];
  /** @throws DeviceError `device.out-of-range` (INV-9) */
  checkRange(setting: { readonly dig?: number; readonly dvg?: number }): void;
  execute(command: DeviceCommand, fence: () => void): Promise<unknown>;
  stopNow(reason: string): Promise<void>;
  /** The leave to be out of WAIT has changed. */
  permitChanged(): void;
}

/**
 * A person holds the own converter (RULE-19): only in mode manual, in which no deal lives, and never beside another
 * voltage reference (INV-1). The session is a permit of its own with its own expiry; without a further set-point it
 * ends in WAIT, with no message needed (INV-2).
 */
export class ManualSession {
  readonly #needs: ManualSessionNeeds;
  #permit: HeldPermit | undefined;

  constructor(needs: ManualSessionNeeds) {
    this.#needs = needs;
  }

  /** The leave that an open session gives; undefined without one. */
  permit(): HeldPermit | undefined {
    const isOpen = this.#permit !== undefined && this.#needs.clock.monotonic() < this.#permit.expiresAt;
    return isOpen && this.#needs.effectiveMode() === 'manual' ? this.#permit : undefined;
  }

  /**
   * Brings the converter to a set-point and holds it there.
   * @throws PeerError `manual.refused` when nobody may hold it now; DeviceError as the controller does, e.g. out of range
   */
  async set({ mode, gridCurrentA, gridVoltageV, holdMsec = HOLD_MSEC }: ManualSetPoint): Promise<void> {
    if (mode === 'WAIT') {
      this.end();
      await this.#needs.stopNow('manual');
      return;
    }
    this.#demandFreeBus(mode);
    this.#needs.checkRange({
      ...(gridCurrentA === undefined ? {} : { dig: gridCurrentA }),
      ...(gridVoltageV === undefined ? {} : { dvg: gridVoltageV }),
    });
    const command = this.#commandTo(mode, gridCurrentA, gridVoltageV);
    const expiresAt = this.#needs.clock.monotonic() + Math.min(holdMsec, LONGEST_HOLD_MSEC);
    this.#permit = { modes: [mode], expiresAt };
    this.#needs.permitChanged();
    await this.#needs.execute(command, () => this.#demandOpen());
  }

  /** Closes the session; the converter goes to WAIT when it has no other permit. */
  end(): void {
    if (this.#permit === undefined) return;
    this.#permit = undefined;
    this.#needs.permitChanged();
  }

  #refuse(message: string): never {
    throw new PeerError('manual.refused', this.#needs.unitId, message);
  }

  #demandOpen(): void {
    if (this.permit() === undefined) this.#refuse('the manual session has ended');
  }

  #demandFreeBus(mode: ConverterMode): void {
    const effective = this.#needs.effectiveMode();
    if (effective !== 'manual') this.#refuse(`expected mode manual, got ${effective}`);
    const running = this.#needs.deals().find((deal) => deal.activateDateTime !== undefined && !isDeactivated(deal));
    if (running !== undefined) this.#refuse(`deal ${running.dealId} has not left the bus yet`);
    if (mode !== 'VOLTAGE_REFERENCE') return;
    const holder = this.#needs.others().find(({ dcdc }) => modeOfCode(dcdc.status.status) === 'VOLTAGE_REFERENCE');
    if (holder !== undefined) this.#refuse(`${holder.oesunit.id} holds the bus voltage already`);
  }

  /** A bus is brought up at the policy's voltage first, and moved from there. */
  #commandTo(
    mode: Exclude<ConverterMode, 'WAIT'>,
    gridCurrentA: number | undefined,
    gridVoltageV: number | undefined,
  ): DeviceCommand {
    if (mode !== 'VOLTAGE_REFERENCE') {
      if (gridCurrentA === undefined) this.#refuse(`${mode}: expected gridCurrentA, got nothing`);
      return { command: mode, gridCurrentA };
    }
    const isHeld = this.permit()?.modes.includes(mode) === true;
    if (gridVoltageV === undefined) return { command: mode };
    if (!isHeld) this.#refuse('expected a bus that this unit holds already, before gridVoltageV can be moved');
    return { command: 'voltage', gridVoltageV };
  }
}
