import type { Policy } from '../config/policy.ts';
import { type ConverterMode, modeOfCode } from '../domain/converter-mode.ts';
import {
  type Deal,
  isActivated,
  isInvolved,
  isStopped,
  isWarmedUp,
  masterSideMustBeActive,
  slaveSideMustBeActive,
} from '../domain/deal.ts';
import type { Amperes } from '../domain/quantities.ts';
import type { Dcdc, UnitData } from '../domain/unit-data.ts';

/** What the pure decisions of this room look at: one moment of the bus. */
export interface GridView {
  readonly policy: Policy;
  /** Every open deal, newest record, stop requests included. */
  readonly deals: readonly Deal[];
  readonly voltageReferenceUnitId: string | undefined;
  unit(unitId: string): UnitData | undefined;
  dcdc(unitId: string): Dcdc | undefined;
  isAlive(unitId: string): boolean;
}

/** The mode in which a unit's converter was last seen; undefined when nothing or something unknown was seen. */
export const modeOf = (view: Pick<GridView, 'dcdc'>, unitId: string): ConverterMode | undefined =>
  modeOfCode(view.dcdc(unitId)?.status.status);

/** The grid current last measured by a unit. */
export const gridCurrentOf = (view: Pick<GridView, 'dcdc'>, unitId: string): Amperes | undefined =>
  view.dcdc(unitId)?.meter.ig;

/** Living members that were last seen holding the voltage. */
export const holdersOf = (view: Pick<GridView, 'dcdc' | 'isAlive' | 'policy'>): readonly string[] =>
  view.policy.memberUnitIds.filter((unitId) => modeOf(view, unitId) === 'VOLTAGE_REFERENCE' && view.isAlive(unitId));

export const othersOf = (view: Pick<GridView, 'deals'>, deal: Deal): readonly Deal[] =>
  view.deals.filter((other) => other.dealId !== deal.dealId);

/** Activated and not yet stopped: its converters move energy, or are about to. A lingering deal does not. */
export const isCarrying = (deal: Deal): boolean => isActivated(deal) && !isStopped(deal);

/**
 * What follows from deals, policy and reference alone, worked out once for each view: a grid master keeps its view as long
 * as these are the same, and asks in every pass.
 */
export function oncePerView<V extends object, T>(work: (view: V) => T): (view: V) => T {
  const known = new WeakMap<V, { readonly result: T }>();
  return (view) => {
    const before = known.get(view);
    if (before !== undefined) return before.result;
    const result = work(view);
    known.set(view, { result });
    return result;
  };
}

/** Deals that have the bus under voltage. */
export const activeDealsOf = oncePerView(({ deals }: Pick<GridView, 'deals'>) => deals.filter(masterSideMustBeActive));

/** The deal that the voltage reference belongs to; while it moves two are marked, and that of the present one counts. */
export const masterDealOf = oncePerView(
  (view: Pick<GridView, 'deals' | 'voltageReferenceUnitId'>): Deal | undefined => {
    const masters = activeDealsOf(view).filter((deal) => deal.isMaster === true);
    const vr = view.voltageReferenceUnitId;
    return masters.find((deal) => vr !== undefined && isInvolved(deal, vr)) ?? masters[0];
  },
);

/** Both sides must be active (control.md §4.1). */
export const isRunning = slaveSideMustBeActive;

/** Exactly the master side is meant to be active while the deal is on its way up. */
export const isGoingUp = (deal: Deal): boolean => isCarrying(deal) && !isWarmedUp(deal);

/** Is the unit a party of a deal that gives its converter something to do? */
export const hasActiveDeal = (view: Pick<GridView, 'deals'>, unitId: string): boolean =>
  view.deals.some((deal) => isInvolved(deal, unitId) && masterSideMustBeActive(deal));

/** RULE-18: a unit whose devices stand behind a flow never holds the bus voltage. */
export const mayHoldVoltage = (view: Pick<GridView, 'unit'>, unitId: string): boolean =>
  view.unit(unitId)?.apis.wired_device !== true;

/** Nothing is known of what the unit's converter does now: the unit is dead, or its device is silent. */
export const isMute = (view: Pick<GridView, 'unit'>, unitId: string): boolean => {
  const unit = view.unit(unitId);
  return unit === undefined || unit.stale === true;
};

/** Nothing is heard of the unit, or nothing of its device: nobody waits for what it would answer. */
export const isSilent = (view: Pick<GridView, 'unit' | 'isAlive'>, unitId: string): boolean =>
  !view.isAlive(unitId) || isMute(view, unitId);

/** The unit's word about its converter cannot be relied upon: there is none, or the converter may be doing something that no reading has shown yet (RULE-3). */
export const isUntold = (view: Pick<GridView, 'unit'>, unitId: string): boolean =>
  isMute(view, unitId) || view.unit(unitId)?.possiblyActive === true;
