import type { NegotiationEvent } from './negotiation.ts';
import { RecentKeys } from './recent-keys.ts';

/** Picks the negotiations that one unit takes part in: it asks, it answers, or it is answered. */
export class OwnNegotiations {
  readonly #asked = new RecentKeys(200);

  concerns(event: NegotiationEvent, unitId: string): boolean {
    const isOwn = event.unitId === unitId;
    if (isOwn && event.kind === 'request') this.#asked.add(event.negotiationId);
    const isChosen = event.kind === 'choice' && event.deal.acceptUnitId === unitId;
    return isOwn || isChosen || this.#asked.has(event.negotiationId);
  }
}
