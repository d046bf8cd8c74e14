import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Presence } from './presence.ts';

/** A party that is alive for so long without a copy of a deal has none: it has said everything it retains long ago. */
export const NO_COPY_MSEC: Milliseconds = 30_000;
/** A settled record stays published for so long, that everybody sees how the deal ended. */
export const FINISHED_STAYS_MSEC: Milliseconds = 60_000;
/** Nobody publishes the record of a finished deal any more when the other party has been silent for so long. */
export const RETIRED_MSEC: Milliseconds = NO_COPY_MSEC + FINISHED_STAYS_MSEC;

/** How long somebody who could speak of a deal has not: only while it is alive, in one session, and this unit looks. */
export class Silences {
  readonly #presence: Presence;
  readonly #clock: Clock;
  /** Since when each deal has been looked at without a word of it. */
  readonly #silentSince = new Map<string, Milliseconds>();

  constructor(presence: Presence, clock: Clock) {
    this.#presence = presence;
    this.#clock = clock;
  }

  /** Has this unit said nothing of the deal for so long? Counts from the first time that it is asked. */
  hasLasted(dealId: string, unitId: string, msec: Milliseconds): boolean {
    const aliveSince = this.#presence.since(unitId);
    if (aliveSince === undefined) {
      this.end(dealId);
      return false;
    }
    const now = this.#clock.monotonic();
    const since = this.#silentSince.get(dealId) ?? now;
    this.#silentSince.set(dealId, since);
    return now - Math.max(since, aliveSince) >= msec;
  }

  /** It has spoken, or nobody asks any more. */
  end(dealId: string): void {
    this.#silentSince.delete(dealId);
  }
}
