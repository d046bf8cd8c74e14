import type { Milliseconds } from '../../domain/quantities.ts';

export interface Allowance {
  /** Messages per second that may go on for ever. */
  readonly perSecond: number;
  /** Messages that may come at once. */
  readonly burst: number;
}

/** Lets so many messages through, and no more. */
export class TokenBucket {
  readonly #allowance: Allowance;
  #tokens: number;
  #filledAt: Milliseconds | undefined;

  constructor(allowance: Allowance) {
    this.#allowance = allowance;
    this.#tokens = allowance.burst;
  }

  /** True when one more may pass at the monotonic time `now`. */
  take(now: Milliseconds): boolean {
    const { perSecond, burst } = this.#allowance;
    const gained = ((now - (this.#filledAt ?? now)) / 1000) * perSecond;
    this.#tokens = Math.min(burst, this.#tokens + gained);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
