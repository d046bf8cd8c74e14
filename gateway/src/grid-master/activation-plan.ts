import type { Deal, DealSide } from '../domain/deal.ts';
import { isInvolved, otherSide, slaveSideMustBeActive, unitOnSide } from '../domain/deal.ts';
import { DeviceError } from '../domain/errors.ts';
import type { Amperes } from '../domain/quantities.ts';
import { agreedCurrentA, currentModeOf, otherCurrentA, runningCurrentA } from './deal-currents.ts';
import { type GridView, gridCurrentOf, isCarrying, mayHoldVoltage, modeOf, othersOf } from './grid-view.ts';
import type { HandOverPlan, PlanStep } from './hand-over.ts';
import { masterSideFor, mayFlip, type Sides, sidesOf } from './master-side.ts';

/** How a deal's master side comes to life (control.md §4.6), and its slave side after it (§4.7 step 1). */
export interface ActivationPlan extends Sides {
  /** The deal becomes the master deal: it is the first one, or the voltage reference moves to it. */
  readonly becomesMaster: boolean;
  readonly voltageReferenceUnitId: string;
  readonly handOver?: HandOverPlan;
  /** Current that the reference shall carry once the deal is balanced. */
  readonly targetA: Amperes;
  /** The voltage of a first deal, or both constant-current sides by turns; empty when only the slave side has to come in. */
  readonly steps: readonly PlanStep[];
}

function measuredA(view: GridView, unitId: string): Amperes {
  const currentA = gridCurrentOf(view, unitId);
  if (currentA === undefined) throw new DeviceError('device.no-reading', `no grid current known of ${unitId}`);
  return currentA;
}

const isLarge = (view: GridView, unitId: string): boolean =>
  mayHoldVoltage(view, unitId) && (view.policy.largeCapacityUnitIds?.includes(unitId) ?? false);

/** RULE-18: the other side where the one that was chosen could not hold the voltage. */
const ableSide = (view: GridView, deal: Deal, side: DealSide): DealSide =>
  mayHoldVoltage(view, unitOnSide(deal, side)) ? side : otherSide(side);

/** Prefers a unit of large capacity as the reference (control.md §4.6b), exchanging the sides where that is allowed. */
function preferLarge(view: GridView, deal: Deal, side: DealSide): { side: DealSide; moves: boolean } {
  const vr = view.voltageReferenceUnitId;
  if (vr !== undefined && isLarge(view, vr)) return { side, moves: false };
  if (isLarge(view, unitOnSide(deal, side))) return { side, moves: vr !== undefined };
  const flips = isLarge(view, unitOnSide(deal, otherSide(side))) && mayFlip(view, deal);
  return flips ? { side: otherSide(side), moves: vr !== undefined } : { side, moves: false };
}

/**
 * What the old reference does for its other deals once it has handed over; undefined means WAIT. It goes on with what it
 * carries, but not with what it bears for somebody who has been lost: that is the new reference's (INV-4).
 */
function nextOf(view: GridView, deal: Deal, unitId: string): HandOverPlan['next'] {
  const own = othersOf(view, deal).filter((other) => isInvolved(other, unitId) && isCarrying(other));
  const decisive = own.find(slaveSideMustBeActive) ?? own[0];
  if (decisive === undefined) return undefined;
  const dealtA = runningCurrentA(own, unitId);
  const allowanceA = own.length * view.policy.safety.sumOfDealingUnitGridCurrentAllowancePerUnitA;
  const presentA = measuredA(view, unitId);
  const isItsOwn = Math.abs(presentA - dealtA) <= allowanceA;
  return { mode: currentModeOf(decisive, unitId), gridCurrentA: Math.abs(isItsOwn ? presentA : dealtA) };
}

/** The move of the reference from `from` to `to`, with its present voltage when policy wants that. */
export function planHandOver(view: GridView, deal: Deal, from: string, to: string): HandOverPlan {
  const next = nextOf(view, deal, from);
  const plan = { from, to, ...(next === undefined ? {} : { next }) };
  if (view.policy.gridMaster.voltageReferenceTakeOverDvg === 'actual') return plan;
  const gridVoltageV = view.dcdc(from)?.vdis.dvg;
  if (gridVoltageV === undefined) throw new DeviceError('device.no-reading', `no voltage setting known of ${from}`);
  return { ...plan, gridVoltageV };
}

/** Brings a constant-current unit to its share in equal parts: from WAIT by its role, otherwise on top of its other deals. */
export function currentSteps(view: GridView, deal: Deal, unitId: string, parts = 1): readonly PlanStep[] {
  const isIdle = modeOf(view, unitId) === 'WAIT';
  const otherA = isIdle ? 0 : Math.abs(otherCurrentA(view.deals, deal, unitId));
  return Array.from({ length: parts }, (_, index) => ({
    unitId,
    command: {
      command: isIdle && index === 0 ? currentModeOf(deal, unitId) : 'current',
      gridCurrentA: otherA + (deal.dealGridCurrentA * (index + 1)) / parts,
    },
  }));
}

/** Parts in which a deal's current comes in, none larger than `gridCurrentStepA`. */
const partsOf = ({ policy }: GridView, { dealGridCurrentA }: Deal): number =>
  Math.ceil(dealGridCurrentA / policy.gridCurrentStepA - 1e-9);

/** Both sides by turns: between them the reference bears one part, not the whole deal (control.md S16). */
function byTurns(view: GridView, deal: Deal, { masterUnitId, slaveUnitId }: Sides): readonly PlanStep[] {
  const parts = partsOf(view, deal);
  const slaveSteps = currentSteps(view, deal, slaveUnitId, parts);
  return currentSteps(view, deal, masterUnitId, parts).flatMap((step, index) => [
    step,
    ...slaveSteps.slice(index, index + 1),
  ]);
}

/** The first deal: its master-side unit becomes the voltage reference of an idle bus. */
export function planFirst(view: GridView, deal: Deal): ActivationPlan {
  const { side } = preferLarge(view, deal, masterSideFor(view, deal));
  const sides = sidesOf(deal, ableSide(view, deal, side));
  return {
    ...sides,
    becomesMaster: true,
    voltageReferenceUnitId: sides.masterUnitId,
    targetA: agreedCurrentA(deal, sides.masterUnitId),
    steps: [{ unitId: sides.masterUnitId, command: { command: 'VOLTAGE_REFERENCE' } }],
  };
}

function planMove(view: GridView, deal: Deal, sides: Sides, from: string): ActivationPlan {
  const to = sides.masterUnitId;
  const presentA = modeOf(view, to) === 'WAIT' ? 0 : measuredA(view, to);
  return {
    ...sides,
    becomesMaster: true,
    voltageReferenceUnitId: to,
    handOver: planHandOver(view, deal, from, to),
    targetA: presentA + agreedCurrentA(deal, to),
    steps: [],
  };
}

/**
 * A deal that joins a live bus. The reference moves to it for a large unit, or when nothing but a lingering
 * reference is there: then the new deal brings its own.
 */
export function planJoin(view: GridView, deal: Deal, vr: string): ActivationPlan {
  const preferred = preferLarge(view, deal, masterSideFor(view, deal));
  const sides = sidesOf(deal, preferred.side);
  const isReference = sides.masterUnitId === vr;
  const isAlone = !othersOf(view, deal).some(isCarrying);
  if (!isReference && isAlone) {
    return planMove(view, deal, sidesOf(deal, ableSide(view, deal, preferred.side)), vr);
  }
  if (!isReference && preferred.moves) return planMove(view, deal, sides, vr);
  return {
    ...sides,
    becomesMaster: isAlone,
    voltageReferenceUnitId: vr,
    targetA: measuredA(view, vr) + (isReference ? agreedCurrentA(deal, vr) : 0),
    steps: isReference ? [] : byTurns(view, deal, sides),
  };
}

/** Largest current that the reference has to bear while the two sides of a deal come in by turns, master side first (control.md S16). */
export function peakCurrentA(view: GridView, deal: Deal, plan: ActivationPlan): Amperes {
  const isReference = plan.masterUnitId === plan.voltageReferenceUnitId;
  const partA = agreedCurrentA(deal, plan.masterUnitId) / partsOf(view, deal);
  const betweenA = isReference ? plan.targetA : plan.targetA - partA;
  return Math.max(Math.abs(plan.targetA), Math.abs(betweenA));
}
