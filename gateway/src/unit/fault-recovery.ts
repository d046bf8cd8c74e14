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

/** Since when the own device has been well: two readings in a row are believed about what was seen before the first. */
export class WellBeing {
  /** When the last reading that found the device well was begun. */
  #wellAt: Milliseconds | undefined;

  /** A reading, begun `at`; those of the `open` faults that it and the one before it show to be over. */
  measured(at: Milliseconds, isWell: boolean, open: () => readonly FaultEntry[]): readonly FaultEntry[] {
    const since = this.#wellAt;
    this.#wellAt = isWell ? at : undefined;
    if (!isWell || since === undefined || since === at) return [];
    return open().filter(({ fault, seenAt, recovery }) => isMeasurable(fault) && seenAt <= since && !recovery);
  }
}
