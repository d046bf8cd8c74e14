import type { Policy } from '../config/policy.ts';
import type { Amperes, WattHours } from '../domain/quantities.ts';
import type { Accept, Offer, Request } from '../domain/trade.ts';

export type DealPolicy = Policy['mediator']['deal'];

/**
 * What two offers come to: the smaller, at most the maximum, floored to whole units; 0 when that is below the
 * minimum (market §3.2 S8). A unit of 0 Wh makes no deal instead of a division by zero (W12).
 */
export function dealAmountWh(requestWh: WattHours, acceptWh: WattHours, policy: DealPolicy): WattHours {
  const { amountMinWh, amountMaxWh, amountUnitWh } = policy;
  if (!(amountUnitWh > 0)) return 0;
  const amountWh = Math.trunc(Math.min(requestWh, acceptWh, amountMaxWh) / amountUnitWh) * amountUnitWh;
  return amountWh > 0 && amountWh >= amountMinWh ? amountWh : 0;
}

/** The buyer's price counts, also when the seller asked less (market §3.3, W15); null when the buyer named none. */
export const dealPrice = (request: Request, accept: Accept): number | null =>
  (request.type === 'charge' ? request : accept).pointPerWh ?? null;

/** The smaller of two offers; 0 when either cannot give any current. */
export const dealCurrentA = (requestA: Amperes, acceptA: Amperes): Amperes => Math.max(0, Math.min(requestA, acceptA));

/** The role that the other side must have. */
export const oppositeType = (type: Offer['type']): Offer['type'] => (type === 'charge' ? 'discharge' : 'charge');
