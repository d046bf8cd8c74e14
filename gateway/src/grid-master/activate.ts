import { type Deal, partiesOf } from '../domain/deal.ts';
import { DeviceError, PeerError } from '../domain/errors.ts';
import type { Volts } from '../domain/quantities.ts';
import { accrue } from './accrue.ts';
import { type ActivationPlan, currentSteps, peakCurrentA, planFirst, planJoin } from './activation-plan.ts';
import type { BusWatch } from './bus-watch.ts';
import { SAME_A } from './deal-currents.ts';
import type { DealChange } from './deal-marks.ts';
import { firstDealGate } from './first-deal-gate.ts';
import type { Grid } from './grid.ts';
import { type GridView, isMute, masterDealOf, modeOf } from './grid-view.ts';
import type { PlanStep } from './hand-over.ts';
import { masterSide, sidesOf } from './master-side.ts';
import { performHandOver } from './perform-hand-over.ts';
import { retryIn, type StepResult } from './step-result.ts';
import { isUnheard } from './unheard.ts';

/** How soon an obstacle on the bus is looked at again. */
const OBSTACLE_RETRY_MSEC = 500;

const readParties = async (grid: Grid, deal: Deal): Promise<void> => {
  await Promise.all(partiesOf(deal).map((unitId) => grid.read(unitId, 'unit')));
};

const activation = (grid: Grid, deal: Deal, plan: ActivationPlan): DealChange => ({
  activateDateTime: grid.timeOf(deal),
  compensationTargetVoltageReferenceGridCurrentA: plan.targetA,
  ...(plan.becomesMaster ? { isMaster: true } : {}),
});

async function raiseAll(grid: Grid, steps: readonly PlanStep[]): Promise<void> {
  for (const { unitId, command } of steps) await grid.raise(unitId, command);
}

/**
 * What the bus is judged by before a first deal: the meter of who shall energise it. While nobody knows what some
 * converter does, a line may be open between them, and the highest voltage that any meter shows counts (INV-1, RULE-10).
 */
function idleVoltageV(view: GridView, ownV: Volts): Volts {
  const { memberUnitIds } = view.policy;
  if (!memberUnitIds.some((unitId) => isMute(view, unitId))) return ownV;
  return Math.max(ownV, ...memberUnitIds.flatMap((unitId) => view.dcdc(unitId)?.meter.vg ?? []));
}

/**
 * The first deal: its master-side unit energises the bus (control.md §4.6). Waits while the bus is not idle, or a
 * converter on it is active without an owner (INV-2).
 */
export async function energise(grid: Grid, deal: Deal, watch: BusWatch): Promise<StepResult> {
  await readParties(grid, deal);
  const plan = planFirst(grid.view(), deal);
  const vg = idleVoltageV(grid.view(), grid.units.demandDcdc(plan.masterUnitId).meter.vg);
  const gate = firstDealGate(
    grid.policy,
    vg,
    grid.policy.memberUnitIds.some((unitId) => isUnheard(grid, unitId)),
  );
  if (!watch.mayEnergise(grid, gate, vg)) return retryIn(OBSTACLE_RETRY_MSEC);
  await grid.intend(deal.dealId, activation(grid, deal, plan));
  grid.voltageReferenceUnitId = plan.voltageReferenceUnitId;
  await raiseAll(grid, plan.steps);
  return 'advanced';
}

/** Is the reference able to bear the deal while its sides come in one after the other (INV-4)? */
function hasHeadRoom(grid: Grid, deal: Deal, plan: ActivationPlan, vr: string): boolean {
  const limitA = grid.units.demandDcdc(vr).param.dig;
  return peakCurrentA(grid.view(), deal, plan) <= limitA + 1e-9;
}

async function moveReference(grid: Grid, deal: Deal, plan: ActivationPlan): Promise<void> {
  if (plan.handOver === undefined) return;
  if ((await performHandOver(grid, plan.handOver)) === 'rolled-back') {
    throw new PeerError(
      'hand-over.rolled-back',
      plan.handOver.to,
      `${plan.handOver.to} could not take the voltage over`,
    );
  }
  grid.needs.log.info({ dealId: deal.dealId, ...plan.handOver }, 'grid.voltage-reference-moved');
}

/** A deal that joins a live bus: both sides by turns, or the slave side where the reference is the master side. */
export async function join(grid: Grid, deal: Deal, vr: string): Promise<StepResult> {
  await Promise.all([readParties(grid, deal), grid.read(vr, 'status')]);
  accrue(grid);
  const plan = planJoin(grid.view(), deal, vr);
  if (!hasHeadRoom(grid, deal, plan, vr)) return retryIn(OBSTACLE_RETRY_MSEC);
  const former = masterDealOf(grid.view());
  await grid.intend(deal.dealId, activation(grid, deal, plan));
  await moveReference(grid, deal, plan);
  if (plan.becomesMaster && former !== undefined) grid.note(former.dealId, { isMaster: undefined });
  const [first, ...others] = plan.steps;
  if (first === undefined) return warmUp(grid, deal);
  await raiseAll(grid, [first]);
  return bringIn(grid, deal, others);
}

/** Marked directly before the slave side's first command: until then its unit has to be in WAIT (control.md §5.2, L8). */
async function bringIn(grid: Grid, deal: Deal, steps: readonly PlanStep[]): Promise<StepResult> {
  await grid.intend(deal.dealId, { warmUpDateTime: grid.timeOf(deal) });
  await raiseAll(grid, steps);
  return 'advanced';
}

/** The slave side comes in: the first current flows (control.md §4.7 step 1). */
export async function warmUp(grid: Grid, deal: Deal): Promise<StepResult> {
  const { masterUnitId, slaveUnitId } = sidesOf(deal, masterSide(grid.view()));
  if (modeOf(grid.view(), masterUnitId) === 'WAIT') {
    throw new DeviceError('device.wrong-mode', `${masterUnitId} is in WAIT, it should hold the master side`);
  }
  return bringIn(grid, deal, [
    ...restOfMaster(grid, deal, masterUnitId),
    ...currentSteps(grid.view(), deal, slaveUnitId),
  ]);
}

/** What a former grid master has left out of the master side's current, which it brought in by parts. */
function restOfMaster(grid: Grid, deal: Deal, masterUnitId: string): readonly PlanStep[] {
  const view = grid.view();
  if (modeOf(view, masterUnitId) === 'VOLTAGE_REFERENCE') return [];
  const presentA = Number(view.dcdc(masterUnitId)?.param.dig);
  return currentSteps(view, deal, masterUnitId).filter(
    ({ command }) => 'gridCurrentA' in command && Number(command.gridCurrentA) > presentA + SAME_A,
  );
}
