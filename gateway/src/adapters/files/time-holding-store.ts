import type { Store } from '../../ports/store.ts';
import type { PacedClock } from '../system/paced-clock.ts';

/** The store of an emulated unit: while the real disk works, emulated time stands still. */
export const timeHoldingStore = (store: Store, clock: PacedClock): Store => ({
  load: (key) => clock.during(store.load(key)),
  isOutdated: (key) => store.isOutdated(key),
  save: (key, record) => clock.during(store.save(key, record)),
  remove: (key) => clock.during(store.remove(key)),
  list: (prefix) => clock.during(store.list(prefix)),
});
