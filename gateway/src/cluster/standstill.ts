import type { Milliseconds } from '../domain/quantities.ts';

/** A process whose heartbeat is so late has stood still meanwhile, and has heard nobody. */
const LATE_MSEC: Milliseconds = 100;
/** What has arrived while it stood still has been heard so long afterwards. */
export const CATCH_UP_MSEC: Milliseconds = 100;

/**
 * Whether the own process stands still, as on a busy processor: it cannot take others for silent for that time. All
 * times are monotonic, and those of one process.
 */
export class Standstill {
  #awakeAt: Milliseconds = Number.NEGATIVE_INFINITY;
  /** By when the next heartbeat shows that it does not stand still. */
  #beatsBy: Milliseconds = Number.POSITIVE_INFINITY;
  #periodMsec: Milliseconds = 0;
  /** When it was last awake before it stood still, and by when it has heard what has arrived since. */
  #before: Milliseconds = 0;
  #caughtUpAt: Milliseconds = Number.NEGATIVE_INFINITY;

  /** A heartbeat, of which the next one is due after `nextMsec`; true when it ends a standstill. */
  beat(now: Milliseconds, nextMsec: Milliseconds): boolean {
    const hasEnded = this.noteAwake(now);
    this.#beatsBy = now + nextMsec + LATE_MSEC;
    this.#periodMsec = nextMsec;
    return hasEnded;
  }

  /** The process does something; true when that ends a standstill. */
  noteAwake(now: Milliseconds): boolean {
    const hasEnded = now > this.#beatsBy;
    if (hasEnded) {
      this.#before = this.#awakeAt;
      this.#caughtUpAt = now + CATCH_UP_MSEC;
      this.#beatsBy = now + LATE_MSEC; // the heartbeat is on its way, behind whatever came first
    }
    this.#awakeAt = now;
    return hasEnded;
  }

  /** Up to when the silence of others counts. */
  silenceCountsTo(now: Milliseconds): Milliseconds {
    if (now > this.#beatsBy) return this.#awakeAt;
    return now < this.#caughtUpAt ? this.#before : now;
  }

  /** By when each of the others has had a heartbeat since the last standstill, to show that he heard what was said after it. */
  get echoesBy(): Milliseconds {
    return this.#caughtUpAt + this.#periodMsec;
  }
}
