import type { Volts } from '../domain/quantities.ts';
import type { Offer } from '../domain/trade.ts';
import type { DealPolicy } from './deal-terms.ts';
import { type Outcome, refuse } from './outcome.ts';
import type { Wish } from './wish.ts';

/** What the mediator adds to a wish. */
export interface OfferContext {
  readonly unitId: string;
  readonly dealPolicy: DealPolicy;
  /** Time of the unit data that the wish was decided on. */
  readonly dateTime: string;
  readonly efficientGridVoltageV?: Volts | undefined;
}

/**
 * Makes a wish an offer to others (market §3.2 S2, S4). At least the minimum amount is needed, the minimum itself
 * included: the one rule that requests, accepts and deals share (W13).
 */
export function makeOffer(
  wish: Wish,
  { unitId, dealPolicy, dateTime, efficientGridVoltageV }: OfferContext,
): Outcome<Offer> {
  const { amountMinWh, gridCurrentA } = dealPolicy;
  const { amountWh } = wish;
  if (amountWh < amountMinWh) return refuse('amount.below-minimum', { amountWh, amountMinWh });
  const voltage = efficientGridVoltageV === undefined ? {} : { efficientGridVoltageV };
  return { ok: { ...wish, ...voltage, dateTime, dealGridCurrentA: gridCurrentA, unitId } };
}
