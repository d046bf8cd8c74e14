import type { Deal } from '../domain/deal.ts';
import { DeviceError, messageOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { accrueFresh, cumulated, dealPowerW, sampleAgeMsec } from './accrue.ts';
import { timeToAmountMsec } from './cumulation.ts';
import { releaseCommand } from './deactivation-plan.ts';
import { aborted } from './deal-marks.ts';
import type { Grid } from './grid.ts';
import { letGo } from './let-go.ts';
import { masterSide, sidesOf } from './master-side.ts';
import { retryIn, type StepResult } from './step-result.ts';

/** Time from which on the end of a deal is read rather than predicted, and shortest time between two readings. */
const CLOSE_MSEC = 50;

/** Time until the amount will be reached at the present power, from the last sample on. */
function predictedMsec(grid: Grid, deal: Deal): Milliseconds | undefined {
  const progress = grid.deals.progress(deal.dealId);
  const powerW = dealPowerW(grid, deal);
  if (powerW === undefined) return undefined;
  const atSample = timeToAmountMsec(deal.dealAmountWh - progress.amountWh, powerW);
  return atSample === undefined ? undefined : atSample - sampleAgeMsec(grid, deal);
}

/** A unit that is alive and whose device says nothing for so long does not run a deal any more. */
const silenceLimitMsec = (grid: Grid): Milliseconds =>
  grid.policy.gridMaster.permitMsec + grid.policy.gridMaster.mainLoopPeriodMsec;

async function readReference(grid: Grid, deal: Deal): Promise<void> {
  try {
    await accrueFresh(grid, deal);
  } catch (error) {
    const ageMsec = sampleAgeMsec(grid, deal);
    if (ageMsec <= silenceLimitMsec(grid)) return;
    throw new DeviceError('device.silent', `the reference side says nothing any more: ${messageOf(error)}`);
  }
}

const isOld = (grid: Grid, deal: Deal): boolean =>
  sampleAgeMsec(grid, deal) >= grid.policy.gridMaster.mainLoopPeriodMsec;

/** Writes the energy into the record once in a period: every write is a journal entry at both parties. */
function recordNowAndThen(grid: Grid, deal: Deal): void {
  const progress = grid.deals.progress(deal.dealId);
  if (grid.now - progress.recordedAt < grid.policy.gridMaster.mainLoopPeriodMsec) return;
  grid.deals.note(deal.dealId, { recordedAt: grid.now });
  grid.note(deal.dealId, cumulated(grid, deal));
}

/**
 * Keeps the account of a running deal from what its reference unit pushes, reads it when the predicted end is near
 * or the data are old, and comes back at the predicted end (control.md §4.9).
 */
export function cumulate(grid: Grid, deal: Deal): StepResult | Promise<StepResult> {
  const leftMsec = predictedMsec(grid, deal);
  if ((leftMsec ?? CLOSE_MSEC) >= CLOSE_MSEC && !isOld(grid, deal)) return account(grid, deal, leftMsec);
  return readReference(grid, deal).then(() => account(grid, deal, predictedMsec(grid, deal)));
}

/** How the deal stands, and when to look again: `leftMsec` before its predicted end. */
function account(grid: Grid, deal: Deal, leftMsec: Milliseconds | undefined): StepResult {
  recordNowAndThen(grid, deal);
  if (grid.deals.progress(deal.dealId).amountWh > deal.dealAmountWh) return 'advanced';
  const { mainLoopPeriodMsec } = grid.policy.gridMaster;
  return retryIn(Math.min(Math.max(leftMsec ?? mainLoopPeriodMsec, CLOSE_MSEC), mainLoopPeriodMsec));
}

/** What flowed until the slave side stood still belongs to the deal; without an answer the last word counts. */
async function closeAccount(grid: Grid, deal: Deal, deals: readonly Deal[]): Promise<void> {
  try {
    await accrueFresh(grid, deal, deals);
  } catch (error) {
    grid.needs.log.warn({ dealId: deal.dealId, message: messageOf(error) }, 'deal.last-reading-failed');
  }
  grid.note(deal.dealId, cumulated(grid, deal));
}

/**
 * The amount is reached: slave side off, then the account is closed (control.md §4.9 step 4). The mark goes out
 * before the last reading, so that the unit does not wonder why it is in WAIT.
 */
export async function halt(grid: Grid, deal: Deal): Promise<StepResult> {
  const before = grid.deals.all();
  const { slaveUnitId } = sidesOf(deal, masterSide(grid.view()));
  const command = releaseCommand(grid.view(), deal, slaveUnitId);
  const hasStopped = command === undefined || (await letGo(grid, slaveUnitId, command));
  const at = grid.timeOf(deal);
  const failure = hasStopped ? {} : aborted(deal, at, `deal.stop-failed : ${slaveUnitId}`);
  grid.note(deal.dealId, { ...cumulated(grid, deal), stopDateTime: at, ...failure });
  await closeAccount(grid, deal, before);
  grid.needs.log.info({ dealId: deal.dealId, amountWh: grid.deals.progress(deal.dealId).amountWh }, 'deal.stopped');
  return 'advanced';
}
