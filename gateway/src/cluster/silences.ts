import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Members } from './members.ts';

/** A party that is alive for so long without a copy of a deal has none: it has said everything it retains long ago. */
export const NO_COPY_MSEC: Milliseconds = 30_000;
/** A settled record stays published for so long, that everybody sees how the deal ended. */
export const FINISHED_STAYS_MSEC: Milliseconds = 60_000;
/** Nobody publishes the record of a finished deal any more when the other party has been silent for so long. */
export const RETIRED_MSEC: Milliseconds = NO_COPY_MSEC + FINISHED_STAYS_MSEC;

/** How long somebody who could speak of a deal has not: only while it is alive, in one session, and this unit looks. */
export class Silences {
  readonly #members: Members;
  readonly #clock: Clock;
  /** Since when each member has been alive in its present session without a break. */
  readonly #alive = new Map<string, { readonly session: string; readonly since: Milliseconds }>();
  /** Since when each deal has been looked at without a word of it. */
  readonly #silentSince = new Map<string, Milliseconds>();

  constructor(members: Members, clock: Clock) {
    this.#members = members;
    this.#clock = clock;
  }

  /** To be called with every heartbeat. */
  noteAlive(): void {
    const here = this.#members.alive();
    let heard = 0;
    for (const unitId of here) {
      const session = this.#members.get(unitId)?.state.session;
      if (session === undefined) continue;
      heard += 1;
      if (this.#alive.get(unitId)?.session === session) continue;
      this.#alive.set(unitId, { session, since: this.#clock.monotonic() });
    }
    if (this.#alive.size === heard) return; // nobody has gone
    for (const unitId of this.#alive.keys()) if (!here.includes(unitId)) this.#alive.delete(unitId);
  }

  /** Has this unit said nothing of the deal for so long? Counts from the first time that it is asked. */
  hasLasted(dealId: string, unitId: string, msec: Milliseconds): boolean {
    const alive = this.#alive.get(unitId);
    if (alive === undefined) {
      this.end(dealId);
      return false;
    }
    const now = this.#clock.monotonic();
    const since = this.#silentSince.get(dealId) ?? now;
    this.#silentSince.set(dealId, since);
    return now - Math.max(since, alive.since) >= msec;
  }

  /** It has spoken, or nobody asks any more. */
  end(dealId: string): void {
    this.#silentSince.delete(dealId);
  }
}
