import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';

/** A disk that stays full is told again so often. */
const AGAIN_MSEC: Milliseconds = 10_000;

/**
 * Tells when the store takes no more (full, read-only, broken): a unit that can make nothing durable must not go on
 * with deals (INV-7). Whoever wanted to save hears of it as well.
 */
export function watchedStore(store: Store, clock: Clock, failed: (key: string, error: unknown) => void): Store {
  let toldAt: Milliseconds = Number.NEGATIVE_INFINITY;
  const watched = async (key: string, work: Promise<void>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      if (clock.monotonic() - toldAt >= AGAIN_MSEC) {
        toldAt = clock.monotonic();
        failed(key, error);
      }
      throw error;
    }
  };
  return {
    load: (key) => store.load(key),
    isOutdated: (key) => store.isOutdated(key),
    list: (prefix) => store.list(prefix),
    save: (key, record) => watched(key, store.save(key, record)),
    remove: (key) => watched(key, store.remove(key)),
  };
}
