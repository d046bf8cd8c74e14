import type { Milliseconds } from '../domain/quantities.ts';
import type { Refusal } from '../domain/trade.ts';
import type { Clock } from '../ports/clock.ts';
import { refuse } from './outcome.ts';

const FIRST_PAUSE_MSEC: Milliseconds = 2_000;
const LONGEST_PAUSE_MSEC: Milliseconds = 300_000;
const FAILURES_TO_LONGEST = Math.ceil(Math.log2(LONGEST_PAUSE_MSEC / FIRST_PAUSE_MSEC));

/** Reasons that are gone in a moment and say nothing about the pair: no pause. */
const PASSING = /^(slots|crossing)\./;

interface Pause {
  readonly failures: number;
  readonly until: Milliseconds;
}

/** Keeps a unit from proposing the same impossible deal to the same peer every period (W7): pauses that double. */
export class Backoff {
  readonly #clock: Clock;
  readonly #paused: (pauseMsec: Milliseconds) => void;
  readonly #pauses = new Map<string, Pause>();

  /** @param paused told of every pause, so that somebody asks again when it is over */
  constructor(clock: Clock, paused: (pauseMsec: Milliseconds) => void) {
    this.#clock = clock;
    this.#paused = paused;
  }

  /** A deal with this peer came to nothing. */
  failed(peerUnitId: string, reason: string): void {
    if (PASSING.test(reason)) return;
    const failures = Math.min((this.#pauses.get(peerUnitId)?.failures ?? 0) + 1, FAILURES_TO_LONGEST + 1);
    const pauseMsec = Math.min(FIRST_PAUSE_MSEC * 2 ** (failures - 1), LONGEST_PAUSE_MSEC);
    this.#pauses.set(peerUnitId, { failures, until: this.#clock.monotonic() + pauseMsec });
    this.#paused(pauseMsec);
  }

  /** A deal with this peer works. */
  succeeded(peerUnitId: string): void {
    this.#pauses.delete(peerUnitId);
  }

  /** Why there is nothing to be had with this peer just now; undefined when there may be. */
  refusal(peerUnitId: string): Refusal | undefined {
    const pause = this.#pauses.get(peerUnitId);
    if (pause === undefined) return undefined;
    const remainingMsec = pause.until - this.#clock.monotonic();
    if (remainingMsec <= 0) return undefined;
    return refuse('backoff.waiting', { peerUnitId, remainingMsec, failures: pause.failures }).refusal;
  }
}
