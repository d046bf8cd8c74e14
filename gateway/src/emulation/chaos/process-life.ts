import type { Milliseconds } from '../../domain/quantities.ts';
import type { Bus } from '../../ports/bus.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Device } from '../../ports/device.ts';
import type { Store } from '../../ports/store.ts';

/**
 * One process start of a unit. Everything that comes to a unit from outside comes through `enter`, so that a killed
 * process is gone in the middle of whatever it did, and a frozen one gets it all at once when it thaws.
 */
export class ProcessLife {
  #isAlive = true;
  #isFrozen = false;
  #waiting: (() => void)[] = [];

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Alive, and not frozen: it can act. */
  get isAwake(): boolean {
    return this.#isAlive && !this.#isFrozen;
  }

  /** As kill -9: nothing runs any more, nothing is said any more. */
  kill(): void {
    this.#isAlive = false;
    this.#waiting = [];
  }

  /** As SIGSTOP: time goes on without it. */
  freeze(): void {
    this.#isFrozen = true;
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const run of this.#waiting.splice(0)) this.enter(run);
  }

  enter(run: () => void): void {
    if (!this.#isAlive) return;
    if (this.#isFrozen) this.#waiting.push(run);
    else run();
  }

  /** Settles as `work` does while the process lives, and never afterwards. */
  follow<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      work.then(
        (value) => this.enter(() => resolve(value)),
        (error: unknown) => this.enter(() => reject(error)),
      );
    });
  }
}

/** The clock of one process; its wall time is off by `skewMsec()`, which may change at any moment. */
export const clockOf = (clock: Clock, life: ProcessLife, skewMsec: () => Milliseconds): Clock => ({
  now: () => clock.now() + skewMsec(),
  monotonic: () => clock.monotonic(),
  zoneOffsetMinutes: () => clock.zoneOffsetMinutes(),
  after: (delay, fire) => clock.after(delay, () => life.enter(fire)),
});

/** The bus as one process sees it. */
export const busOf = (bus: Bus, life: ProcessLife): Bus => ({
  unitId: bus.unitId,
  session: bus.session,
  publish: (channel, key, body, options) => {
    if (life.isAlive) bus.publish(channel, key, body, options);
  },
  retract: (channel, key) => {
    if (life.isAlive) bus.retract(channel, key);
  },
  listen: (channel, handle) => bus.listen(channel, (delivery) => life.enter(() => handle(delivery))),
  onVanished: (handle) =>
    bus.onVanished?.((unitId, session) => life.enter(() => handle(unitId, session))) ?? (() => {}),
});

/** The device as one process reaches it: a request that is on its way when the process dies is carried out all the same. */
export function deviceOf(device: Device, life: ProcessLife): Device {
  const call = <T>(work: () => Promise<T>): Promise<T> =>
    life.isAlive ? life.follow(work()) : new Promise<T>(() => {});
  return {
    read: (signal) => call(() => device.read(signal)),
    readStatus: (signal) => call(() => device.readStatus(signal)),
    setMode: (setting, signal) => call(() => device.setMode(setting, signal)),
    setVoltage: (setting, signal) => call(() => device.setVoltage(setting, signal)),
    setCurrent: (setting, signal) => call(() => device.setCurrent(setting, signal)),
  };
}

/** The store as one process reaches it. */
export const storeOf = (store: Store, life: ProcessLife): Store => ({
  load: (key) => life.follow(store.load(key)),
  isOutdated: (key) => store.isOutdated(key),
  save: (key, record) => life.follow(store.save(key, record)),
  remove: (key) => life.follow(store.remove(key)),
  list: (prefix) => life.follow(store.list(prefix)),
});
