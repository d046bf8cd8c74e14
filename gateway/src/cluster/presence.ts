import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Members } from './members.ts';

/** Since when each member has been alive in its present session without a break, this unit included. */
export class Presence {
  readonly #members: Members;
  readonly #clock: Clock;
  readonly #alive = new Map<string, { readonly session: string; readonly since: Milliseconds }>();

  constructor(members: Members, clock: Clock) {
    this.#members = members;
    this.#clock = clock;
  }

  /** To be called with every heartbeat. */
  note(): void {
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

  /** Undefined for who is not there. */
  since(unitId: string): Milliseconds | undefined {
    return this.#alive.get(unitId)?.since;
  }
}
