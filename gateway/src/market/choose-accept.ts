import type { AcceptStrategy } from '../config/scenario.ts';
import type { Accept, Request } from '../domain/trade.ts';
import { type Outcome, refuse } from './outcome.ts';

/** The parts of a request that the choice looks at. */
export type ChoiceRequest = Pick<Request, 'type' | 'pointPerWh' | 'pairUnitId'>;
/** Order of two accepts that are equally good; negative: the first is better. */
export type TieBreak = (a: Accept, b: Accept) => number;

type Order = (a: Accept, b: Accept) => number;

// Prices are 32-bit floats in the original: 10.00000001 is 10 (vector CH-17).
const price = (offer: Pick<Accept, 'pointPerWh'>): number => Math.fround(offer.pointPerWh ?? Number.NaN);
const larger: Order = (a, b) => b.amountWh - a.amountWh;

/** Best accepts first, those out of the question left out; equals keep their order unless `tieBreak` says otherwise (market §2.6). */
export function rankAccepts(
  request: ChoiceRequest,
  accepts: readonly Accept[],
  strategy: AcceptStrategy | undefined,
  tieBreak?: TieBreak,
): Outcome<readonly Accept[]> {
  const { type, pairUnitId } = request;
  if (type !== 'charge' && type !== 'discharge') return refuse('type.unknown', { type });
  // An amount of 0 is never a deal (vector CH-16), a missing one fails the comparison too.
  const usable = accepts.filter((one) => one.amountWh > 0 && (pairUnitId === undefined || one.unitId === pairUnitId));
  if (usable.length === 0) return refuse('choice.no-accept', { accepts: accepts.length });
  // Anything but the known strategies counts as `amount` (CH-13, CH-14).
  if (strategy !== 'pointAndAmount') return { ok: usable.sort(inTurn(larger, tieBreak)) };
  return rankByPrice(request, usable, tieBreak);
}

function rankByPrice(
  request: ChoiceRequest,
  accepts: readonly Accept[],
  tieBreak?: TieBreak,
): Outcome<readonly Accept[]> {
  const own = price(request);
  // Nobody knows what a requester without a price is ready to pay: a clean no (W9).
  if (Number.isNaN(own)) return refuse('choice.request-without-price', { accepts: accepts.length });
  const sign = request.type === 'charge' ? 1 : -1; // buyers like low prices, sellers high ones
  const payable = accepts.filter((one) => sign * price(one) <= sign * own);
  if (payable.length === 0) return refuse('choice.price', { accepts: accepts.length, pointPerWh: own });
  const cheaper: Order = (a, b) => sign * (price(a) - price(b)) || larger(a, b);
  return { ok: payable.sort(inTurn(cheaper, tieBreak)) };
}

const inTurn = (order: Order, tieBreak: TieBreak | undefined): Order =>
  tieBreak === undefined ? order : (a, b) => order(a, b) || tieBreak(a, b);

/** The best accept (market §2.6). */
export function chooseAccept(...choice: Parameters<typeof rankAccepts>): Outcome<Accept> {
  const ranked = rankAccepts(...choice);
  if ('refusal' in ranked) return ranked;
  return { ok: ranked.ok[0] as Accept }; // a ranking is never empty
}
