import type { Policy } from '../config/policy.ts';
import { type Deal, partiesOf } from '../domain/deal.ts';
import type { Amperes } from '../domain/quantities.ts';
import { branchOverload } from './branch-capacity.ts';
import { type GridView, isCarrying, mayHoldVoltage, othersOf } from './grid-view.ts';
import { worstLoss } from './worst-loss.ts';

/** Why a deal has to wait; it is queued, not destroyed, until its start deadline (control.md S24). */
export interface Obstacle {
  readonly reason: string;
  readonly message: string;
}

const EPSILON_A = 1e-9;

/** INV-5: nobody charges in one deal and discharges in another. A lingering deal moves nothing any more. */
function directionObstacle(deal: Deal, others: readonly Deal[]): Obstacle | undefined {
  const clash = others.find(
    (other) => other.chargeUnitId === deal.dischargeUnitId || other.dischargeUnitId === deal.chargeUnitId,
  );
  if (clash === undefined) return undefined;
  return { reason: 'admission.direction', message: `a party moves the other way in deal ${clash.dealId}` };
}

/** RULE-18: whatever ends first, one party of each deal that is left can take the voltage. */
function referenceObstacle(view: GridView, deal: Deal): Obstacle | undefined {
  if (partiesOf(deal).some((unitId) => mayHoldVoltage(view, unitId))) return undefined;
  return { reason: 'admission.no-reference', message: 'neither party may hold the bus voltage' };
}

function currentObstacle(policy: Policy, deals: readonly Deal[], reservedA: Amperes): Obstacle | undefined {
  const topology = policy.safety.gridTopologyBasedEvaluation;
  if (topology.enabled) return branchOverload(topology, deals);
  const limitA = policy.safety.sumOfDealGridCurrentMaxA ?? 0;
  const sumA = deals.reduce((sum, one) => sum + one.dealGridCurrentA, reservedA);
  if (sumA <= limitA + EPSILON_A) return undefined;
  return { reason: 'admission.current', message: `deals would add up to ${sumA} A, the limit is ${limitA} A` };
}

/** RULE-9, admission `n-1`: after the loss of any one converter the reference still stays within its limit. */
function lossObstacle(view: GridView, deals: readonly Deal[]): Obstacle | undefined {
  const vr = view.voltageReferenceUnitId;
  const limitA = vr === undefined ? undefined : view.dcdc(vr)?.param.dig;
  if (view.policy.gridMaster.admission !== 'n-1' || vr === undefined || limitA === undefined) return undefined;
  const worst = worstLoss(deals, vr);
  if (worst === undefined || worst.currentA <= limitA + EPSILON_A) return undefined;
  return { reason: 'admission.n-1', message: `the reference ${vr} could not bear the loss of ${worst.unitId}` };
}

/**
 * Whether a new deal fits on the bus beside those that are carried (control.md §4.5): direction, total or branch
 * current, and the reference's head-room. `reservedA` is kept for converters that may still be active (RULE-10).
 */
export function admissionObstacle(view: GridView, deal: Deal, reservedA: Amperes = 0): Obstacle | undefined {
  const others = othersOf(view, deal).filter(isCarrying);
  const all = [...others, deal];
  return (
    referenceObstacle(view, deal) ??
    directionObstacle(deal, others) ??
    currentObstacle(view.policy, all, reservedA) ??
    lossObstacle(view, all)
  );
}
