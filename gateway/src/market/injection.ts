import type { DealInjection } from '../domain/messages.ts';
import type { WattHours } from '../domain/quantities.ts';
import type { Request } from '../domain/trade.ts';
import { type Outcome, refuse } from './outcome.ts';

/**
 * A deal that somebody wants now, within what policy and scenario allow now: the own request, made smaller or given
 * to one partner. It is never wider.
 */
export function narrowed(request: Request, wish: DealInjection, amountMinWh: WattHours): Outcome<Request> {
  const { type, amountWh = request.amountWh, pairUnitId = request.pairUnitId } = wish;
  if (type !== request.type) return refuse('injection.type', { wanted: type, allowed: request.type });
  if (amountWh > request.amountWh) return refuse('injection.amount', { amountWh, amountMaxWh: request.amountWh });
  if (amountWh < amountMinWh) return refuse('amount.below-minimum', { amountWh, amountMinWh });
  if (request.pairUnitId !== undefined && pairUnitId !== request.pairUnitId)
    return refuse('injection.pair', { wanted: String(pairUnitId), allowed: request.pairUnitId });
  return { ok: { ...request, amountWh, ...(pairUnitId === undefined ? {} : { pairUnitId }) } };
}
