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
  'device.no-heartbeat',
  'device.stop-failed',
  'deal.stop-failed',
]);

const isMeasurable = ({ extent, level, reason }: Fault): boolean =>
  extent === 'LOCAL' && level === 'ERROR' && MEASURABLE.has(reason);

/**
 * Each return of a fault makes its end so many times dearer to believe: a device that comes and goes starts fewer and
 * fewer deals, until only the sustaining time frees it, and one that is silent twice in an hour trades again within seconds.
 */
const DOUBT_FACTOR = 3;

/** Since when the own device has been well, by its readings. */
export class WellBeing {
  /** When the first of the present row of readings that found it well was begun. */
  #since: Milliseconds = Number.POSITIVE_INFINITY;

  /**
   * A reading, begun `at`; those of the `open` faults that are over: well for `forMsec`, longer with every return,
   * since it began to be and since their last sight.
   */
  measured(
    at: Milliseconds,
    isWell: boolean,
    forMsec: Milliseconds,
    open: () => readonly FaultEntry[],
  ): readonly FaultEntry[] {
    this.#since = isWell ? Math.min(this.#since, at) : Number.POSITIVE_INFINITY;
    const wellMsec = at - this.#since;
    if (wellMsec < forMsec) return [];
    return open().filter(({ fault, seenAt, isOver, returns = 0 }) => {
      const neededMsec = forMsec * DOUBT_FACTOR ** returns;
      return isMeasurable(fault) && !isOver && Math.min(wellMsec, at - seenAt) >= neededMsec;
    });
  }
}
