import type { ScenarioWindow } from '../config/scenario.ts';
import type { Request } from '../domain/trade.ts';
import { statusOf } from './battery-status.ts';
import { oppositeType } from './deal-terms.ts';
import { type Outcome, refuse } from './outcome.ts';
import type { Standing } from './standing.ts';
import { isKnown, noStatus, type Wish, wishOf } from './wish.ts';

/**
 * Can this unit answer a request, and with how much (market §2.5)? Says what it could do at its own price; amount
 * and price of the request are the requester's business.
 */
export function evaluateAccept(
  window: ScenarioWindow,
  standing: Standing,
  request: Pick<Request, 'unitId' | 'type' | 'pairUnitId'>,
  selfUnitId: string,
): Outcome<Wish> {
  const { pairUnitId, unitId: requestUnitId } = request;
  if (pairUnitId !== undefined && pairUnitId !== selfUnitId) return refuse('pair.not-addressed', { pairUnitId });
  if (request.type !== 'charge' && request.type !== 'discharge') return refuse('type.unknown', { type: request.type });
  const status = statusOf(window, standing.storedWh);
  if (status === undefined || !isKnown(standing)) return noStatus(standing);
  const type = oppositeType(request.type);
  const rule = window.accept.get(status)?.[type];
  if (rule === undefined) return refuse('scenario.no-rule', { status, type, storedWh: standing.storedWh });
  if (rule.pairUnitId !== undefined && rule.pairUnitId !== requestUnitId) {
    return refuse('pair.bound-to-other', { pairUnitId: rule.pairUnitId, requestUnitId });
  }
  return wishOf(type, rule, standing);
}
