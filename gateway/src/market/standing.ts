import type { Policy } from '../config/policy.ts';
import { type Deal, type DealType, isStopped } from '../domain/deal.ts';
import type { Percent, WattHours } from '../domain/quantities.ts';
import type { Refusal } from '../domain/trade.ts';
import { refuse } from './outcome.ts';

/** What a unit has, has already promised, and has room for; the base of every amount it offers. */
export interface Standing {
  /** Energy in the battery now; the status is read from this. Undefined when unknown. */
  readonly storedWh: WattHours | undefined;
  /** Still to come (+) or to go (−) by the deals it has (W5). */
  readonly committedWh: WattHours;
  /** What may still be charged or discharged without coming near a force-stop limit (W8). */
  readonly roomWh: Readonly<Record<DealType, WattHours>>;
  /** Directions that are closed altogether. */
  readonly closed?: Readonly<Partial<Record<DealType, Refusal>>>;
}

/**
 * Distance that trading keeps from the RSOC at which the grid master stops a deal by force: a deal that was
 * stopped there is not asked for again at once (W8).
 */
export const FORCE_STOP_MARGIN_RSOC: Percent = 1;

const UNLIMITED = { charge: Number.POSITIVE_INFINITY, discharge: Number.POSITIVE_INFINITY } as const;

/** A unit with nothing promised and no limits but its scenario's. */
export const unboundStanding = (storedWh: WattHours | undefined): Standing => ({
  storedWh,
  committedWh: 0,
  roomWh: UNLIMITED,
});

/** The role of a unit in a deal that it is a party of. */
export const roleIn = (deal: Pick<Deal, 'chargeUnitId'>, unitId: string): DealType =>
  deal.chargeUnitId === unitId ? 'charge' : 'discharge';

/** Sum of what the deals of a unit have still to move, + into its battery. */
export function committedWh(unitId: string, deals: readonly Deal[]): WattHours {
  let sumWh = 0;
  for (const deal of deals) {
    if (isStopped(deal)) continue;
    const leftWh = Math.max(0, deal.dealAmountWh - (deal.cumulateAmountWh ?? 0));
    sumWh += roleIn(deal, unitId) === 'charge' ? leftWh : -leftWh;
  }
  return sumWh;
}

/** Room within the force-stop limits of the policy, never negative. */
export function roomWithin(
  forceStop: Policy['gridMaster']['deal']['forceStopCondition'],
  nominalWh: WattHours,
  expectedWh: WattHours,
): Standing['roomWh'] {
  const wh = (rsoc: Percent): WattHours => (nominalWh * rsoc) / 100;
  return {
    charge: Math.max(0, wh(forceStop.chargeUnitUpperLimitRsoc - FORCE_STOP_MARGIN_RSOC) - expectedWh),
    discharge: Math.max(0, expectedWh - wh(forceStop.dischargeUnitLowerLimitRsoc + FORCE_STOP_MARGIN_RSOC)),
  };
}

/** Closes the direction opposite to a deal the unit already has (INV-5). */
export function closedBy(unitId: string, deals: readonly Deal[]): NonNullable<Standing['closed']> {
  const closed: Partial<Record<DealType, Refusal>> = {};
  for (const deal of deals) {
    const role = roleIn(deal, unitId);
    const other = role === 'charge' ? 'discharge' : 'charge';
    closed[other] = refuse('direction.conflict', { dealId: deal.dealId, role }).refusal;
  }
  return closed;
}
