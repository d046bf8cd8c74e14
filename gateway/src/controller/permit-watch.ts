import type { Policy } from '../config/policy.ts';
import type { ConverterMode } from '../domain/converter-mode.ts';
import { DeviceError } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import { Deadline } from '../ports/deadline.ts';
import type { DeviceState } from './device-state.ts';
import type { HeldPermit } from './needs.ts';

export interface PermitWatchNeeds {
  readonly clock: Clock;
  readonly state: Pick<DeviceState, 'activeMode' | 'dcdc'>;
  policy(): Policy;
  permit(): HeldPermit | undefined;
  /** WAIT, now. */
  stop(reason: string): unknown;
}

/** No timer is longer: platforms fire one of more than 24 days at once. */
const LONGEST_MSEC = 60_000;

/** Keeps INV-2: no converter is out of WAIT, and none is raised, without a live permit that names its mode. */
export class PermitWatch {
  readonly #needs: PermitWatchNeeds;
  /** The latest permit that was seen, and since when there is none: it ran out or was taken back. */
  #lastSeen: HeldPermit | undefined;
  #missingSince: Milliseconds | undefined;
  /** When it is looked at next without being asked. */
  readonly #end: Deadline;
  #hasEnded = false;

  constructor(needs: PermitWatchNeeds) {
    this.#needs = needs;
    this.#end = new Deadline(needs.clock, () => this.check());
  }

  /**
   * Asked directly before a driver write that raises.
   * @throws DeviceError `device.no-permit`
   */
  mustHold(mode: ConverterMode | undefined): void {
    const leftMsec = this.#leftMsec(mode);
    if (leftMsec <= 0) throw new DeviceError('device.no-permit', `no live permit to be in ${mode}`);
    this.#arm(leftMsec);
  }

  /** Compares mode and permit; without one the converter goes to WAIT, with no message needed. */
  check(): void {
    const mode = this.#needs.state.activeMode;
    if (mode === undefined) {
      this.#end.cancel();
      return;
    }
    const leftMsec = Math.max(this.#leftMsec(mode), this.#graceMsec(mode));
    if (leftMsec > 0) this.#arm(leftMsec);
    else {
      this.#end.cancel();
      this.#needs.stop(`no live permit to be in ${mode}`);
    }
  }

  end(): void {
    this.#hasEnded = true;
    this.#end.cancel();
  }

  #leftMsec(mode: ConverterMode | undefined): Milliseconds {
    const permit = this.#needs.permit();
    if (permit === undefined) {
      this.#missingSince ??= this.#needs.clock.monotonic();
      return 0;
    }
    this.#lastSeen = permit;
    this.#missingSince = undefined;
    return mode !== undefined && permit.modes.includes(mode) ? permit.expiresAt - this.#needs.clock.monotonic() : 0;
  }

  /** When permits end, the reference stays a while longer, until the others have left the bus (RULE-7). */
  #graceMsec(mode: ConverterMode): Milliseconds {
    const last = this.#lastSeen;
    if (mode !== 'VOLTAGE_REFERENCE' || last === undefined || this.#missingSince === undefined) return 0;
    if (!last.modes.includes(mode) || this.#isNotNeeded(last)) return 0;
    const endedAt = Math.min(last.expiresAt, this.#missingSince);
    return endedAt + this.#needs.policy().controller.scramVoltageReferenceDelayMsec - this.#needs.clock.monotonic();
  }

  /** Nobody was granted a current beside it, and it carries next to none. */
  #isNotNeeded(last: HeldPermit): boolean {
    const { sumOfDealingUnitGridCurrentAllowancePerUnitA: nearlyNoneA } = this.#needs.policy().safety;
    return last.isAlone === true && Math.abs(this.#needs.state.dcdc.meter.ig) <= nearlyNoneA;
  }

  #arm(delayMsec: Milliseconds): void {
    if (!this.#hasEnded) this.#end.in(Math.min(delayMsec, LONGEST_MSEC));
  }
}
