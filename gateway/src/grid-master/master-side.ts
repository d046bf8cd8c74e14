import { type Deal, type DealSide, isTransitional, otherSide, sideOf, unitOnSide } from '../domain/deal.ts';
import { type GridView, isCarrying, masterDealOf, oncePerView, othersOf } from './grid-view.ts';

export type MasterSideView = Pick<GridView, 'policy' | 'deals' | 'voltageReferenceUnitId'>;

/** The side of all running deals on which the voltage reference sits (control.md §4.4). */
export const masterSide = oncePerView((view: MasterSideView): DealSide => {
  const master = masterDealOf(view);
  const vr = view.voltageReferenceUnitId;
  const side = master === undefined || vr === undefined ? undefined : sideOf(master, vr);
  return side ?? view.policy.gridMaster.voltageReferenceSide;
});

/**
 * The master side as one deal sees it. While nothing but a lingering reference is on the bus, a new deal may take
 * either side: that of the reference when it is a party, so that nothing has to move.
 */
export function masterSideFor(view: MasterSideView, deal: Deal): DealSide {
  if (isCarrying(deal) || othersOf(view, deal).some(isCarrying)) return masterSide(view);
  const vr = view.voltageReferenceUnitId;
  return (vr === undefined ? undefined : sideOf(deal, vr)) ?? view.policy.gridMaster.voltageReferenceSide;
}

/** Exchanging the sides is allowed only while no other deal is half way up or down. */
export const mayFlip = (view: Pick<GridView, 'deals'>, deal: Deal): boolean =>
  !othersOf(view, deal).some((other) => isCarrying(other) && isTransitional(other));

export interface Sides {
  readonly side: DealSide;
  readonly masterUnitId: string;
  readonly slaveUnitId: string;
}

/** `M` and `S` of a deal for the given master side. */
export const sidesOf = (deal: Deal, side: DealSide): Sides => ({
  side,
  masterUnitId: unitOnSide(deal, side),
  slaveUnitId: unitOnSide(deal, otherSide(side)),
});
