import type { Fault } from '../domain/fault.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { FaultEntry } from './fault-ledger.ts';

/**
 * Faults that say only that a device was not heard or did not confirm WAIT. Whether that is still so can be measured:
 * unlike all others they need not stay away for a time before the unit trades again (INV-10).
 */
const MEASURABLE: ReadonlySet<string> = new Set([
  'device.stale',
  'device.no-reply',
  'device.stop-failed',
  'deal.stop-failed',
]);

const isMeasurable = ({ extent, level, reason }: Fault): boolean =>
  extent === 'LOCAL' && level === 'ERROR' && MEASURABLE.has(reason);

/** Since when the own device has been well, by its readings. */
export class WellBeing {
  /** When the first of the present row of readings that found it well was begun. */
  #since: Milliseconds = Number.POSITIVE_INFINITY;

  /** A reading, begun `at`; those of the `open` faults that are over: well for `forMsec` since it began to be, and since their last sight. */
  measured(
    at: Milliseconds,
    isWell: boolean,
    forMsec: Milliseconds,
    open: () => readonly FaultEntry[],
  ): readonly FaultEntry[] {
    this.#since = isWell ? Math.min(this.#since, at) : Number.POSITIVE_INFINITY;
    if (at - this.#since < forMsec) return [];
    return open().filter(({ fault, seenAt, recovery }) => isMeasurable(fault) && at - seenAt >= forMsec && !recovery);
  }
}
