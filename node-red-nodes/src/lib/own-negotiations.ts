import type { NegotiationEvent } from './negotiation.ts';

const REMEMBERED = 200;

/** Picks the negotiations that one unit takes part in: it asks, it answers, or it is answered. */
export class OwnNegotiations {
  readonly #asked = new Set<string>();

  concerns(event: NegotiationEvent, unitId: string): boolean {
    const isOwn = event.unitId === unitId;
    if (isOwn && event.kind === 'request') this.#remember(event.negotiationId);
    const isChosen = event.kind === 'choice' && event.deal.acceptUnitId === unitId;
    return isOwn || isChosen || this.#asked.has(event.negotiationId);
  }

  #remember(negotiationId: string): void {
    this.#asked.add(negotiationId);
    for (const oldest of this.#asked) {
      if (this.#asked.size <= REMEMBERED) return;
      this.#asked.delete(oldest);
    }
  }
}
