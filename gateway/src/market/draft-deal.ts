import type { DealDraft } from '../domain/deal.ts';
import type { Accept, Offer, Request } from '../domain/trade.ts';
import { type DealPolicy, dealAmountWh, dealCurrentA, dealPrice, oppositeType } from './deal-terms.ts';
import { type Outcome, refuse } from './outcome.ts';

const voltageOf = (offer: Offer): number | null => offer.efficientGridVoltageV ?? null;

/** Builds the deal out of a request and the accept chosen for it (market §3.2 S8, §3.3). */
export function draftDeal(
  request: Request,
  accept: Accept,
  negotiationId: string,
  policy: DealPolicy,
): Outcome<DealDraft> {
  // Two units of the same role make no deal (W16, vector DL-13).
  if (accept.type !== oppositeType(request.type)) {
    return refuse('type.mismatch', { requestType: request.type, acceptType: accept.type });
  }
  const amountWh = dealAmountWh(request.amountWh, accept.amountWh, policy);
  if (!(amountWh > 0)) return refuse('amount.no-deal', numbersOf(request, accept, policy));
  const currentA = dealCurrentA(request.dealGridCurrentA, accept.dealGridCurrentA);
  if (!(currentA > 0))
    return refuse('current.no-deal', { requestA: request.dealGridCurrentA, acceptA: accept.dealGridCurrentA });
  const [charger, discharger] = request.type === 'charge' ? [request, accept] : [accept, request];
  return {
    ok: {
      unitId: request.unitId,
      negotiationId,
      requestUnitId: request.unitId,
      acceptUnitId: accept.unitId,
      requestDateTime: request.dateTime,
      acceptDateTime: accept.dateTime,
      requestPointPerWh: request.pointPerWh ?? null,
      acceptPointPerWh: accept.pointPerWh ?? null,
      requestDealGridCurrentA: request.dealGridCurrentA,
      acceptDealGridCurrentA: accept.dealGridCurrentA,
      type: request.type,
      chargeUnitId: charger.unitId,
      dischargeUnitId: discharger.unitId,
      pointPerWh: dealPrice(request, accept),
      chargeUnitEfficientGridVoltageV: voltageOf(charger),
      dischargeUnitEfficientGridVoltageV: voltageOf(discharger),
      dealGridCurrentA: currentA,
      requestAmountWh: request.amountWh,
      acceptAmountWh: accept.amountWh,
      dealAmountWh: amountWh,
      ...(request.pairUnitId === undefined ? {} : { requestPairUnitId: request.pairUnitId }),
      ...(accept.pairUnitId === undefined ? {} : { acceptPairUnitId: accept.pairUnitId }),
    },
  };
}

const numbersOf = (request: Request, accept: Accept, policy: DealPolicy): Record<string, number> => ({
  requestWh: request.amountWh,
  acceptWh: accept.amountWh,
  minWh: policy.amountMinWh,
  maxWh: policy.amountMaxWh,
  unitWh: policy.amountUnitWh,
});
