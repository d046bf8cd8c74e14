import type { Milliseconds } from '../../domain/quantities.ts';

/** Two quartz clocks drift apart by less than this part of the time that passes. */
const DRIFT = 0.000_2;

/**
 * Tells how old the messages of one sender are, by its monotonic clock and ours: the fastest one is taken for fresh,
 * and every other one is as old as it came later than that. No wall clock is needed, which may be wrong or jump.
 */
export class MessageAge {
  #fastest: { readonly lag: Milliseconds; readonly at: Milliseconds } | undefined;

  /** Age of a message that was said at `uptime` of the sender and heard at `now` of ours. */
  of(uptime: Milliseconds, now: Milliseconds): Milliseconds {
    const lag = now - uptime;
    if (this.#fastest === undefined) return 0;
    return Math.max(0, lag - this.#expected(this.#fastest, now));
  }

  /** Takes note of a message that was not kept for us anywhere, and gives its age. */
  note(uptime: Milliseconds, now: Milliseconds): Milliseconds {
    const lag = now - uptime;
    if (this.#fastest === undefined || lag <= this.#expected(this.#fastest, now)) this.#fastest = { lag, at: now };
    return this.of(uptime, now);
  }

  #expected({ lag, at }: { readonly lag: Milliseconds; readonly at: Milliseconds }, now: Milliseconds): Milliseconds {
    return lag + (now - at) * DRIFT;
  }
}
