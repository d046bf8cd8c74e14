import {
  type Deal,
  type DealSide,
  isActivated,
  isStarted,
  needsToStop,
  otherSide,
  unitOnSide,
} from '../domain/deal.ts';

const toFront = (deals: readonly Deal[], wanted: (deal: Deal) => boolean): readonly Deal[] => [
  ...deals.filter(wanted),
  ...deals.filter((deal) => !wanted(deal)),
];

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
  const isLarge = (side: DealSide) => (deal: Deal) =>
    deal.isMaster !== true && largeCapacityUnitIds.includes(unitOnSide(deal, side));
  const byCapacity = toFront(toFront(deals, isLarge(otherSide(masterSide))), isLarge(masterSide));
  return toFront(placeMaster(byCapacity), needsToStop);
}
