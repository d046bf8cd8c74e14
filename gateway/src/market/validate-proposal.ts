import type { Deal } from '../domain/deal.ts';
import type { Refusal } from '../domain/trade.ts';
import { decideAccept } from './decide.ts';
import { draftDeal } from './draft-deal.ts';
import type { Situation } from './gates.ts';
import { refuse } from './outcome.ts';
import type { Promised } from './promises.ts';
import { isId, isTimestamp } from './read-message.ts';
import { textOf } from './text-of.ts';

/** Stamp of a deal that no grid master has touched yet. */
export const NEW_DEAL_STAMP = { term: 0, revision: 0 } as const;

/** What a requester adds to a draft; anything beyond means that the deal is not new, or not one of ours. */
const ADDED: readonly string[] = ['dealId', 'createDateTime'];

/**
 * The acceptor's check of a proposed deal: it must be exactly what the request and the accept come to by the policy,
 * and this unit must still be able to keep it. Undefined when it may be journalled (market §3.5, W17, INV-5, INV-9, INV-11).
 */
export function validateProposal(
  deal: Deal,
  promised: Promised | undefined,
  situation: Situation,
): Refusal | undefined {
  if (promised === undefined)
    return refuse('proposal.no-promise', { negotiationId: textOf(deal.negotiationId) }).refusal;
  const { request, accept, negotiationId } = promised;
  const draft = draftDeal(request, accept, negotiationId, situation.policy.mediator.deal);
  if ('refusal' in draft) return draft.refusal;
  return firstDifference(deal, { ...draft.ok, ...NEW_DEAL_STAMP }) ?? whetherStillPossible(deal, promised, situation);
}

function firstDifference(deal: Deal, draft: object): Refusal | undefined {
  if (!isId(deal.dealId)) return refuse('proposal.terms', { field: 'dealId', expected: 'an id' }).refusal;
  if (!isTimestamp(deal.createDateTime)) {
    return refuse('proposal.terms', { field: 'createDateTime', expected: 'yyyy/MM/dd-HH:mm:ss' }).refusal;
  }
  const expected = new Map<string, unknown>(Object.entries(draft));
  const proposed = new Map<string, unknown>(Object.entries(deal));
  for (const field of new Set([...expected.keys(), ...proposed.keys()])) {
    if (ADDED.includes(field) || proposed.get(field) === expected.get(field)) continue;
    const numbers = { field, expected: textOf(expected.get(field)), got: textOf(proposed.get(field)) };
    return refuse('proposal.terms', numbers).refusal;
  }
  return undefined;
}

/** The moment has passed since the accept: gates, direction, limits and what is left are looked at again. */
function whetherStillPossible(deal: Deal, { request }: Promised, situation: Situation): Refusal | undefined {
  const now = decideAccept(situation, request);
  if ('refusal' in now) return now.refusal;
  const { amountWh } = now.ok;
  if (amountWh >= deal.dealAmountWh) return undefined;
  return refuse('amount.no-longer', { dealAmountWh: deal.dealAmountWh, amountWh }).refusal;
}
