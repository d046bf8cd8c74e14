import type { Policy } from '../config/policy.ts';
import type { ConverterMode } from '../domain/converter-mode.ts';
import {
  type Deal,
  type DealSide,
  isInvolved,
  masterSideMustBeActive,
  partiesOf,
  partiesOfAll,
  slaveSideMustBeActive,
  unitOnSide,
} from '../domain/deal.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { currentModeOf } from './deal-currents.ts';
import type { PermitDraft } from './needs.ts';

/** From when on every permit that was granted before `sinceMsec` has run out, and its reference has left (RULE-4). */
export function permitsEnd({ gridMaster, controller }: Policy, sinceMsec: Milliseconds): Milliseconds {
  return sinceMsec + gridMaster.permitMsec * 1.1 + 500 + controller.scramVoltageReferenceDelayMsec;
}

export interface HandOver {
  readonly from: string;
  readonly to: string;
}

export interface PermitView {
  readonly deals: readonly Deal[];
  readonly masterSide: DealSide;
  readonly voltageReferenceUnitId: string | undefined;
  readonly handOver: HandOver | undefined;
  isAlive(unitId: string): boolean;
  /** Has this unit answered this grid master? Before that nothing of one that is there is renewed (RULE-4). */
  isFresh(unitId: string): boolean;
  /** Has this unit shown that it heard a late `grid` of ours? */
  hearsUs(unitId: string): boolean;
}

const isInHandOver = (view: PermitView, unitId: string): boolean =>
  unitId === view.handOver?.from || unitId === view.handOver?.to;

/** Deals that give a unit's converter something to do now: its side must be active, or it holds the voltage for them. */
function dealsFor(view: PermitView, unitId: string, deals: readonly Deal[]): readonly Deal[] {
  const holdsVoltage = unitId === view.voltageReferenceUnitId || isInHandOver(view, unitId);
  return deals.filter(
    (deal) =>
      isInvolved(deal, unitId) &&
      (holdsVoltage || unitOnSide(deal, view.masterSide) === unitId || slaveSideMustBeActive(deal)),
  );
}

/** Constant current by its role, constant voltage as reference, both while the reference is handed over. */
function modesOf(view: PermitView, unitId: string, deals: readonly Deal[]): readonly ConverterMode[] {
  const isHandedOver = isInHandOver(view, unitId);
  if (unitId === view.voltageReferenceUnitId && !isHandedOver) return ['VOLTAGE_REFERENCE'];
  const modes: ConverterMode[] = isHandedOver ? ['VOLTAGE_REFERENCE'] : [];
  for (const deal of deals) {
    const role = currentModeOf(deal, unitId);
    if (!modes.includes(role)) modes.push(role);
  }
  return modes;
}

/**
 * Leave to be out of WAIT, for the units of deals whose master side must be active (INV-2). Without a reference
 * that is alive nobody gets any (RULE-7), and a deal counts only once those of its parties that are there have answered
 * (RULE-4). One that is gone is left to the deal, whether it was heard in this term or not: its converter may go on, and
 * then its partner has to balance it (RULE-9). The reference itself holds the voltage for all: it keeps its leave when a
 * partner of its own is lost. When it is heard but does not hear us, its leave is about to end, and that of the currents
 * has to end first (RULE-7).
 */
export function permitsOf(view: PermitView): readonly PermitDraft[] {
  const vr = view.voltageReferenceUnitId;
  if (vr === undefined || !view.isAlive(vr) || !view.isFresh(vr)) return [];
  const isKnown = (unitId: string): boolean => view.isFresh(unitId) || !view.isAlive(unitId);
  const active = view.deals.filter(masterSideMustBeActive);
  if (active.length === 0) return [];
  const known = view.hearsUs(vr) ? active.filter((deal) => partiesOf(deal).every(isKnown)) : [];
  const parties = partiesOfAll(known);
  const named = parties.includes(vr) ? parties : [vr, ...parties];
  const unitIds = named.filter((unitId) => view.isAlive(unitId)).sort();
  const permits: PermitDraft[] = [];
  for (const unitId of unitIds) {
    const own = dealsFor(view, unitId, unitId === vr ? active : known);
    if (own.length === 0) continue;
    permits.push({ unitId, modes: modesOf(view, unitId, own), dealIds: own.map((deal) => deal.dealId) });
  }
  return permits;
}
