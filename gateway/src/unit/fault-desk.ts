import type { Fault, FaultInput } from '../domain/fault.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { formatTimestamp } from '../domain/timestamp.ts';
import type { Bus } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

const REMEMBERED_FAULTS = 100;

export interface FaultDeskNeeds {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** `user.errorSustainingMsec`: for so long after an error the unit does not trade (market.md §4.4). */
  sustainingMsec(): Milliseconds;
}

/** The unit's faults: said to everybody, remembered, and a reason not to trade for a while. */
export class FaultDesk {
  readonly #needs: FaultDeskNeeds;
  readonly #recent: Fault[] = [];
  #lastLocalErrorAt: Milliseconds = Number.NEGATIVE_INFINITY;
  #lastGlobalErrorAt: Milliseconds = Number.NEGATIVE_INFINITY;
  #next = 0;

  constructor(needs: FaultDeskNeeds) {
    this.#needs = needs;
  }

  raise(input: FaultInput): void {
    const { bus, clock, log } = this.#needs;
    const fault: Fault = { unitId: bus.unitId, at: formatTimestamp(clock.now(), clock.zoneOffsetMinutes()), ...input };
    this.#recent.push(fault);
    if (this.#recent.length > REMEMBERED_FAULTS) this.#recent.shift();
    if (fault.level === 'WARN') log.warn(fault, `fault.${fault.reason}`);
    else {
      log.error(fault, `fault.${fault.reason}`);
      if (fault.extent === 'LOCAL' && fault.unitId === bus.unitId) this.#lastLocalErrorAt = clock.monotonic();
      if (fault.extent !== 'LOCAL') this.#lastGlobalErrorAt = clock.monotonic();
    }
    bus.publish('fault', String(this.#next++), fault);
  }

  recent(): readonly Fault[] {
    return this.#recent;
  }

  hasLocalErrors(): boolean {
    return this.#isSustaining(this.#lastLocalErrorAt);
  }

  hasGlobalErrors(): boolean {
    return this.#isSustaining(this.#lastGlobalErrorAt);
  }

  #isSustaining(since: Milliseconds): boolean {
    return this.#needs.clock.monotonic() - since < this.#needs.sustainingMsec();
  }
}
