import { type Deal, isNewerCopy, NEVER } from '@apis-edge/gateway/domain';

export type DealEventName = 'created' | 'activated' | 'started' | 'stopped' | 'finished' | 'aborted';

export interface DealLifeEvent {
  readonly event: DealEventName;
  readonly at: string;
  readonly deal: Deal;
  /** True when the deal was already under way as it was heard of for the first time. */
  readonly replayed: boolean;
}

interface Mark {
  readonly event: DealEventName;
  readonly of: (deal: Deal) => string | undefined;
}

/** Marks of a deal record in the order of its life (control.md §4.1). */
const MARKS: readonly Mark[] = [
  { event: 'created', of: (deal) => deal.createDateTime },
  { event: 'activated', of: (deal) => deal.activateDateTime },
  { event: 'started', of: (deal) => deal.startDateTime },
  { event: 'stopped', of: (deal) => deal.stopDateTime },
  { event: 'aborted', of: (deal) => (deal.deactivateDateTime === undefined ? undefined : deal.abortDateTime) },
  { event: 'finished', of: (deal) => (deal.abortDateTime === undefined ? deal.deactivateDateTime : undefined) },
];
const REMEMBERED_DEALS = 500;

const isReached = (mark: string | undefined): mark is string => mark !== undefined && mark !== NEVER;

/** Turns copies of deals, as both parties publish them, into each step of their life exactly once. */
export class DealEvents {
  readonly #known = new Map<string, { readonly deal: Deal; readonly told: ReadonlySet<DealEventName> }>();

  /** Steps that this copy shows for the first time. A deal that was over when first heard of tells nothing. */
  hear(deal: Deal): readonly DealLifeEvent[] {
    const known = this.#known.get(deal.dealId);
    if (known !== undefined && !isNewerCopy(deal, known.deal)) return [];
    const reached = MARKS.flatMap(({ event, of }) => {
      const at = of(deal);
      return isReached(at) ? [{ event, at }] : [];
    });
    this.#remember(deal, new Set(reached.map(({ event }) => event)));
    if (known === undefined && deal.deactivateDateTime !== undefined) return [];
    const replayed = known === undefined && reached.length > 1;
    return reached.filter(({ event }) => !known?.told.has(event)).map((step) => ({ ...step, deal, replayed }));
  }

  #remember(deal: Deal, told: ReadonlySet<DealEventName>): void {
    // A deal that begins anew after a reset loses marks; it tells them again.
    this.#known.delete(deal.dealId);
    this.#known.set(deal.dealId, { deal, told });
    for (const dealId of this.#known.keys()) {
      if (this.#known.size <= REMEMBERED_DEALS) return;
      this.#known.delete(dealId);
    }
  }
}
