import type { Milliseconds } from '../domain/quantities.ts';
import type { Accept, Request } from '../domain/trade.ts';
import type { Clock } from '../ports/clock.ts';

/** An accept that was given, with the request it answered. */
export interface Promised {
  readonly negotiationId: string;
  readonly request: Request;
  readonly accept: Accept;
}

/**
 * Reservations: the accepts this unit has given and may be held to, for a short time (W3). One per requester, because a
 * unit has one negotiation at a time (W22); so the table never grows past the number of members.
 *
 * A promise keeps neither slot nor energy from a second requester: each requester takes one of many accepts, and
 * reserving at all of them would leave the others empty-handed. The first proposal takes the slot, for good and
 * before the next one is looked at; whoever comes late is refused and goes to its second choice.
 */
export class Promises {
  readonly #clock: Clock;
  readonly #byRequester = new Map<string, Promised & { readonly until: Milliseconds }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  give(promised: Promised, forMsec: Milliseconds): void {
    this.#byRequester.set(promised.request.unitId, { ...promised, until: this.#clock.monotonic() + forMsec });
  }

  /** Takes a promise back. */
  take(promised: Promised): void {
    this.#byRequester.delete(promised.request.unitId);
  }

  /** The live promise to a requester in a negotiation; undefined when there is none, or it has run out. */
  find(requestUnitId: string, negotiationId: string): Promised | undefined {
    const promised = this.#byRequester.get(requestUnitId);
    if (promised?.negotiationId !== negotiationId || promised.until <= this.#clock.monotonic()) return undefined;
    return promised;
  }
}
