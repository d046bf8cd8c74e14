import { type Deal, isInvolved, slaveSideMustBeActive } from '../domain/deal.ts';
import type { Amperes } from '../domain/quantities.ts';

export type CurrentMode = 'CHARGE' | 'DISCHARGE';

/** Commanded currents that differ by less are the same. */
export const SAME_A: Amperes = 0.001;

/** The constant-current mode of a unit's role in a deal. */
export const currentModeOf = (deal: Deal, unitId: string): CurrentMode =>
  deal.chargeUnitId === unitId ? 'CHARGE' : 'DISCHARGE';

/** Signed current agreed for a unit: + for the charging party, − for the discharging one. */
export const agreedCurrentA = (deal: Deal, unitId: string): Amperes =>
  deal.chargeUnitId === unitId ? deal.dealGridCurrentA : -deal.dealGridCurrentA;

/** Signed current that compensation has found for a unit; undefined until then. */
export const compensatedCurrentA = (deal: Deal, unitId: string): Amperes | undefined =>
  deal.chargeUnitId === unitId ? deal.chargeUnitCompensatedGridCurrentA : deal.dischargeUnitCompensatedGridCurrentA;

/** What a deal moves at a unit: what compensation has found, until then what was agreed. */
const currentA = (deal: Deal, unitId: string): Amperes =>
  compensatedCurrentA(deal, unitId) ?? agreedCurrentA(deal, unitId);

const runningDeals = (deals: readonly Deal[], unitId: string): readonly Deal[] =>
  deals.filter((deal) => isInvolved(deal, unitId) && slaveSideMustBeActive(deal));

/** What all running deals of a unit have agreed on: the current that it should carry, + from the bus. */
export const agreedRunningCurrentA = (deals: readonly Deal[], unitId: string): Amperes =>
  runningDeals(deals, unitId).reduce((sum, deal) => sum + agreedCurrentA(deal, unitId), 0);

/** What all running deals of a unit were found to carry when they were last balanced, + from the bus. */
export const runningCurrentA = (deals: readonly Deal[], unitId: string): Amperes =>
  runningDeals(deals, unitId).reduce((sum, deal) => sum + currentA(deal, unitId), 0);

/** Deals other than this one in which the unit's converter must move current. */
export const otherRunningDeals = (deals: readonly Deal[], deal: Deal, unitId: string): readonly Deal[] =>
  runningDeals(deals, unitId).filter(({ dealId }) => dealId !== deal.dealId);

/**
 * `Σother(u)` of control.md §4.4. A deal that is warmed up and not yet compensated counts with its agreed current:
 * counting it as 0, as the original did, would take its current away when a deal that shares the unit ends.
 */
export const otherCurrentA = (deals: readonly Deal[], deal: Deal, unitId: string): Amperes =>
  otherRunningDeals(deals, deal, unitId).reduce((sum, other) => sum + currentA(other, unitId), 0);
