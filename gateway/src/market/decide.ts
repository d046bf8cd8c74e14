import type { Accept, Offer, Request } from '../domain/trade.ts';
import { evaluateAccept } from './evaluate-accept.ts';
import { evaluateRequest } from './evaluate-request.ts';
import { type Opening, openingOf, type Situation } from './gates.ts';
import { makeOffer } from './make-offer.ts';
import type { Outcome } from './outcome.ts';
import { efficientGridVoltageV } from './unit-figures.ts';
import type { Wish } from './wish.ts';

/** The request this unit should issue now, or why none (market §3.2 S1, S2). */
export const decideRequest = (situation: Situation): Outcome<Request> =>
  decide(situation, ({ window, standing }) => evaluateRequest(window, standing));

/** The accept this unit should give to a request now, or why none (market §3.2 S4, S5). */
export const decideAccept = (situation: Situation, request: Request): Outcome<Accept> =>
  decide(situation, ({ window, standing }) => evaluateAccept(window, standing, request, situation.unitId));

function decide(situation: Situation, evaluate: (opening: Opening) => Outcome<Wish>): Outcome<Offer> {
  const opening = openingOf(situation);
  if ('refusal' in opening) return opening;
  const wish = evaluate(opening.ok);
  if ('refusal' in wish) return wish;
  const { unitData } = opening.ok;
  const { unitId, policy, hwConfig } = situation;
  return makeOffer(wish.ok, {
    unitId,
    dealPolicy: policy.mediator.deal,
    dateTime: unitData.time,
    // A converter that does not measure its battery leaves the whole block out (vector HK-13).
    efficientGridVoltageV: efficientGridVoltageV(hwConfig, unitData.dcdc.meter?.vb),
  });
}
