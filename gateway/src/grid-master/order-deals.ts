import {
  type Deal,
  type DealSide,
  isActivated,
  isStarted,
  needsToStop,
  otherSide,
  unitOnSide,
} from '../domain/deal.ts';

/** Moves deals to the front one by one, in the order in which they came; so the later ones end up further in front. */
const toFront = (deals: readonly Deal[], original: readonly Deal[], wanted: (deal: Deal) => boolean): readonly Deal[] =>
  original.filter(wanted).reduce((list, deal) => [deal, ...list.filter((other) => other !== deal)], deals);

/** A master deal on its way up goes first, so that others can follow; otherwise last, as it may move the reference. */
function placeMaster(deals: readonly Deal[]): readonly Deal[] {
  const master = deals.find((deal) => deal.isMaster === true);
  if (master === undefined) return deals;
  const rest = deals.filter((deal) => deal !== master);
  return isActivated(master) && !isStarted(master) ? [master, ...rest] : [...rest, master];
}

/** The order in which deals are carried on within a pass (control.md §4.3). */
export function orderDeals(
  deals: readonly Deal[],
  masterSide: DealSide,
  largeCapacityUnitIds: readonly string[] = [],
): readonly Deal[] {
  if (deals.length < 2) return deals;
  const isLarge = (side: DealSide) => (deal: Deal) =>
    deal.isMaster !== true && largeCapacityUnitIds.includes(unitOnSide(deal, side));
  const bySlave = toFront(deals, deals, isLarge(otherSide(masterSide)));
  const byCapacity = toFront(bySlave, deals, isLarge(masterSide));
  return toFront(placeMaster(byCapacity), deals, needsToStop);
}
