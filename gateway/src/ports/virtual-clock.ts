import type { EpochMsec, Milliseconds } from '../domain/quantities.ts';
import type { Cancel, Clock } from './clock.ts';

interface Entry {
  readonly at: Milliseconds;
  readonly sequence: number;
  /** Undefined once it was cancelled or has fired. */
  fire: (() => void) | undefined;
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.sequence < b.sequence);

/** So few cancelled timers are not worth the trouble. */
const FEW_CANCELLED = 16;

/** Binary min-heap of timers by (due time, order of arrival): the same program always fires in the same order. */
class TimerHeap {
  #entries: Entry[] = [];
  #cancelled = 0;

  /** The first that was not cancelled. */
  next(): Entry | undefined {
    for (let first = this.#entries[0]; first !== undefined; first = this.#entries[0]) {
      if (first.fire !== undefined) return first;
      this.pop();
    }
    return undefined;
  }

  /**
   * Cancelled entries leave once they are the half: the deadline of a minute for what takes a moment would stay for
   * the minute, and each push and pop would go through hundreds of them.
   */
  cancel(entry: Entry): void {
    if (entry.fire === undefined) return;
    entry.fire = undefined;
    this.#cancelled += 1;
    if (this.#cancelled < FEW_CANCELLED || 2 * this.#cancelled < this.#entries.length) return;
    this.#entries = this.#entries.filter(({ fire }) => fire !== undefined);
    this.#cancelled = 0;
    for (let index = (this.#entries.length >> 1) - 1; index >= 0; index -= 1) this.#sink(index);
  }

  push(entry: Entry): void {
    const entries = this.#entries;
    let index = entries.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = entries[parent] as Entry; // parent < index < length
      if (!before(entry, above)) break;
      entries[index] = above;
      index = parent;
    }
    entries[index] = entry;
  }

  pop(): void {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (top === undefined || last === undefined) return;
    if (top.fire === undefined) this.#cancelled -= 1;
    if (entries.length === 0) return;
    entries[0] = last;
    this.#sink(0);
  }

  /** Moves an entry down until nothing below it comes before it. */
  #sink(from: number): void {
    const entries = this.#entries;
    const moved = entries[from] as Entry; // from < length
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= entries.length) break;
      const right = child + 1;
      if (right < entries.length && before(entries[right] as Entry, entries[child] as Entry)) child = right; // both < length
      const below = entries[child] as Entry; // child < length
      if (!before(below, moved)) break;
      entries[index] = below;
      index = child;
    }
    entries[index] = moved;
  }
}

/**
 * Runs every microtask that is due, those they queue included, and then resolves. A `nextTick` queued from a
 * microtask runs only when the microtask queue is empty, so no turn of the event loop is needed. Called from a timer
 * or a message it would run before them, and the run would depend on who began it: hence the microtask around it.
 */
const settle = (): Promise<void> => new Promise((resolve) => queueMicrotask(() => process.nextTick(resolve)));

/** After this many events the event loop gets a turn, so that signals and sockets are not starved. */
const EVENTS_PER_TURN = 5_000;

const RESOLVED = Promise.resolve();

/**
 * Calls `event` until it says false, each time when all has settled that followed from the time before. As `settle`,
 * for who runs in a microtask already, as after any `await`; with callbacks in place of promises, because a day of
 * four units has millions of events. Rejects with what `event` throws.
 */
const untilDone = (event: () => boolean): Promise<void> =>
  new Promise((resolve, reject) => {
    let leftInTurn = EVENTS_PER_TURN;
    const once = (): void => {
      try {
        if (event()) process.nextTick(next);
        else resolve();
      } catch (error) {
        reject(error);
      }
    };
    const next = (): void => {
      leftInTurn -= 1;
      if (leftInTurn > 0) {
        inMicrotask();
      } else {
        leftInTurn = EVENTS_PER_TURN;
        setImmediate(inMicrotask);
      }
    };
    const inMicrotask = (): void => void RESOLVED.then(once);
    once();
  });

/** Time that passes only when it is told to: for tests, simulations and the paced demo. */
export class VirtualClock implements Clock {
  readonly #timers = new TimerHeap();
  readonly #start: EpochMsec;
  #elapsed: Milliseconds = 0;
  #sequence = 0;

  constructor(start: EpochMsec = 0) {
    this.#start = start;
  }

  now(): EpochMsec {
    return this.#start + this.#elapsed;
  }

  monotonic(): Milliseconds {
    return this.#elapsed;
  }

  /** Virtual time is UTC, so that a run does not depend on the machine's zone. */
  zoneOffsetMinutes(): number {
    return 0;
  }

  after(delay: Milliseconds, fire: () => void): Cancel {
    const at = this.#elapsed + Math.max(0, delay);
    const entry: Entry = { at, sequence: this.#sequence++, fire };
    this.#timers.push(entry);
    return () => this.#timers.cancel(entry);
  }

  /** Monotonic time of the next timer that will fire; undefined when there is none. */
  nextAt(): Milliseconds | undefined {
    return this.#timers.next()?.at;
  }

  /** Fires the next timer that is due by `end`; false when there is none. */
  #fireNext(end: Milliseconds): boolean {
    const next = this.#timers.next();
    if (next === undefined || next.at > end) return false;
    const { at, fire } = next;
    this.#elapsed = at;
    this.#timers.pop();
    next.fire = undefined;
    fire?.();
    return true;
  }

  /** Fires the next timer and lets everything that follows from it settle; false when there is none. */
  async step(): Promise<boolean> {
    if (!this.#fireNext(Number.POSITIVE_INFINITY)) return false;
    await settle();
    return true;
  }

  /** Fires, in order, all that is due within the next `duration` ms, and leaves the clock there. */
  async advance(duration: Milliseconds): Promise<void> {
    const end = this.#elapsed + duration;
    await settle();
    await untilDone(() => this.#fireNext(end));
    this.#elapsed = Math.max(this.#elapsed, end);
  }

  /** Steps until `condition` holds; returns false when `limit` ms have passed without it. */
  async runUntil(condition: () => boolean, limit: Milliseconds): Promise<boolean> {
    const end = this.#elapsed + limit;
    await settle();
    let isMet = false;
    await untilDone(() => {
      isMet = condition();
      return !isMet && this.#fireNext(end);
    });
    if (isMet) return true;
    this.#elapsed = end;
    return condition();
  }
}
