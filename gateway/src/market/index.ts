/** The market of one unit: what it wants, what it answers, whom it chooses. */
export * from './battery-status.ts';
export * from './choose-accept.ts';
export * from './deal-terms.ts';
export * from './decide.ts';
export type { Decision, DecisionStep } from './decision.ts';
export * from './draft-deal.ts';
export * from './evaluate-accept.ts';
export * from './evaluate-request.ts';
export * from './gates.ts';
export * from './make-offer.ts';
export { Market } from './market.ts';
export type { MarketNeeds } from './needs.ts';
export * from './outcome.ts';
export * from './standing.ts';
export * from './tie-break.ts';
export * from './unit-figures.ts';
export * from './window.ts';
export type { Wish } from './wish.ts';
