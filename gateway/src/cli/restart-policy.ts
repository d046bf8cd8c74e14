import type { Milliseconds } from '../domain/quantities.ts';

const MINUTE_MSEC = 60_000;
const FIRST_DELAY_MSEC = 500;
const LAST_DELAY_MSEC = 30_000;
/** So many crashes within a minute and something is wrong with what is being run, not with the moment. */
const SAFE_MODE_CRASHES = 3;

/** When and how a crashed child is started again, by its crashes of the last minute. */
export class RestartPolicy {
  #crashes: Milliseconds[] = [];

  /** Takes note of a crash; gives the pause before the next start: 0.5 s, doubled by each further crash, 30 s at most. */
  crashed(now: Milliseconds): Milliseconds {
    this.#crashes = [...this.#crashes.filter((at) => now - at < MINUTE_MSEC), now];
    return Math.min(LAST_DELAY_MSEC, FIRST_DELAY_MSEC * 2 ** (this.#crashes.length - 1));
  }

  /** True when the child should now be started without what it is given to run. */
  isSafeModeDue(): boolean {
    return this.#crashes.length >= SAFE_MODE_CRASHES;
  }
}
