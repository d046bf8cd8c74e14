import type { Deal } from '../domain/deal.ts';
import { DeviceError, messageOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { warmUp } from './activate.ts';
import { reset } from './deal-marks.ts';
import type { Grid } from './grid.ts';
import { modeOf } from './grid-view.ts';
import { masterSide, sidesOf } from './master-side.ts';
import { retryIn, type StepResult } from './step-result.ts';

const masterOf = (grid: Grid, deal: Deal): string => sidesOf(deal, masterSide(grid.view())).masterUnitId;

/** Looks at the voltage soon after the start and less often later: a ramp takes anything from nothing to minutes. */
const pollMsec = (sinceMsec: Milliseconds): Milliseconds => Math.min(500, Math.max(20, sinceMsec / 4));

/** Reads the rising voltage (control.md §4.8). */
export async function watchRampUp(grid: Grid, deal: Deal): Promise<StepResult> {
  const since = grid.deals.progress(deal.dealId).stateSince;
  await grid.read(masterOf(grid, deal), 'status');
  return retryIn(pollMsec(grid.now - since));
}

export function noteRampUp(grid: Grid, deal: Deal): StepResult {
  grid.note(deal.dealId, { rampUpDateTime: grid.timeOf(deal) });
  return 'advanced';
}

/** Nothing else may carry current while the bus is proven: the reference's own current tells (control.md S19, RULE-10). */
async function demandIdleBus(grid: Grid, unitId: string): Promise<void> {
  await grid.read(unitId, 'status');
  if (modeOf(grid.view(), unitId) !== 'VOLTAGE_REFERENCE') {
    throw new DeviceError('device.wrong-mode', `${unitId} does not hold the voltage`);
  }
  const { ig } = grid.units.demandDcdc(unitId).meter;
  const limitA = grid.policy.safety.sumOfDealingUnitGridCurrentAllowancePerUnitA;
  if (Math.abs(ig) <= limitA) return;
  throw new DeviceError('grid.foreign-current', `${ig} A flow on a bus that should be idle, allowed are ${limitA} A`);
}

/** Back to created: the reference goes to WAIT, and the deal tries again until its reset limit. */
async function resetDeal(grid: Grid, deal: Deal, unitId: string, cause: unknown): Promise<StepResult> {
  if (!(await grid.lower(unitId, { command: 'WAIT' }))) throw cause;
  grid.voltageReferenceUnitId = undefined;
  const message = `${unitId} : ${messageOf(cause)}`;
  grid.note(deal.dealId, reset(deal, grid.timeOf(deal), message));
  grid.raiseFault({
    unitId,
    category: 'HARDWARE',
    extent: 'LOCAL',
    level: 'WARN',
    reason: 'grid.authorisation-failed',
    message,
    dealId: deal.dealId,
  });
  return 'advanced';
}

/** Proves that the reference alone controls the voltage, then lets the slave side in. */
export async function authorise(grid: Grid, deal: Deal): Promise<StepResult> {
  const unitId = masterOf(grid, deal);
  try {
    await demandIdleBus(grid, unitId);
    await grid.raise(unitId, { command: 'voltageReferenceAuthorization' });
  } catch (error) {
    if (grid.isStepSuperseded) throw error;
    return resetDeal(grid, deal, unitId, error);
  }
  return warmUp(grid, deal);
}
