import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';

/** So often within `WINDOW_MSEC` something is tried that has not helped before. */
export const MOST_REPEATS = 3;
export const WINDOW_MSEC: Milliseconds = 600_000;

/** Circuit breaker: what did not help three times is not tried for ever (market.md W34). */
export class RepeatBreaker {
  readonly #clock: Clock;
  readonly #runs = new Map<string, readonly Milliseconds[]>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** True when it may be tried once more, which then counts; it closes again when the window has passed. */
  allows(key: string): boolean {
    const now = this.#clock.monotonic();
    for (const [one, times] of this.#runs) if (times.every((at) => now - at >= WINDOW_MSEC)) this.#runs.delete(one);
    const recent = (this.#runs.get(key) ?? []).filter((at) => now - at < WINDOW_MSEC);
    if (recent.length >= MOST_REPEATS) return false;
    this.#runs.set(key, [...recent, now]);
    return true;
  }
}
