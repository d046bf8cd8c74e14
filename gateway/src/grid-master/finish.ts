import {
  type Deal,
  isActivated,
  isDeactivated,
  otherSide,
  partiesOf,
  slaveSideMustBeActive,
  unitOnSide,
} from '../domain/deal.ts';
import { messageOf } from '../domain/errors.ts';
import { accrue, cumulated } from './accrue.ts';
import { canBear, releaseCommand, type Succession, successionOf } from './deactivation-plan.ts';
import { SAME_A } from './deal-currents.ts';
import { aborted, type DealChange, ended } from './deal-marks.ts';
import type { Grid } from './grid.ts';
import { isMute, isUntold, masterDealOf, modeOf, othersOf } from './grid-view.ts';
import { waitForUnheard } from './idle-reference.ts';
import { letGo } from './let-go.ts';
import { masterSide } from './master-side.ts';
import { HandOverLost, performHandOver } from './perform-hand-over.ts';
import { permitsEnd } from './permits.ts';
import { mustBeBalanced } from './silent-party.ts';
import { retryIn, type StepResult } from './step-result.ts';

/** How soon a party that has not acknowledged the last record is told again. */
const RETELL_MSEC = 1_000;

/** How long a converter is waited for that has to tell its current. */
const READ_MSEC = 1_000;

/** Takes a deal's current away from one unit; false when it may still carry that. */
async function release(grid: Grid, deal: Deal, unitId: string): Promise<boolean> {
  const command = releaseCommand(grid.view(), deal, unitId);
  return command === undefined || letGo(grid, unitId, command);
}

/**
 * Both sides, slave side first (control.md §4.10, §4.11); the voltage reference is not touched here. A side that does
 * not tell what it does goes first: while it may still carry its current, the other one balances it (RULE-9). False when
 * the other one has to go on doing so.
 */
async function releaseBoth(grid: Grid, deal: Deal, isDone = (_unitId: string): boolean => false): Promise<boolean> {
  const view = grid.view();
  const side = masterSide(view);
  const units = [otherSide(side), side].map((one) => unitOnSide(deal, one));
  const untold = units.filter((unitId) => isUntold(view, unitId));
  for (const unitId of new Set([...untold, ...units])) {
    if (isDone(unitId)) continue;
    if (!(await release(grid, deal, unitId)) && mustBeBalanced(grid.view(), deal, unitId)) return false;
  }
  return true;
}

/** It was tried a moment ago, and nothing has changed. */
function isWaitingForLoss(grid: Grid, deal: Deal): boolean {
  const { unbalancedSince, notBefore } = grid.deals.progress(deal.dealId);
  const view = grid.view();
  const mute = partiesOf(deal).filter((unitId) => isMute(view, unitId));
  return (
    unbalancedSince !== undefined && grid.now < notBefore && mute.some((unitId) => mustBeBalanced(view, deal, unitId))
  );
}

/**
 * The deal waits as it is until the reference shows that the current is gone. After the time of a permit everything
 * stops, for nobody knows what else that converter does (RULE-10).
 */
function waitForLoss(grid: Grid, deal: Deal): StepResult {
  const { unbalancedSince = grid.now } = grid.deals.progress(deal.dealId);
  grid.deals.note(deal.dealId, { unbalancedSince });
  if (grid.now < permitsEnd(grid.policy, unbalancedSince)) return retryIn(RETELL_MSEC);
  throw new HandOverLost(`nobody can bear what is left of deal ${deal.dealId}`);
}

/** The reference goes down, after the currents of those that nobody hears: after it nobody holds the voltage (RULE-7). */
async function dropReference(grid: Grid, unitId: string): Promise<void> {
  await waitForUnheard(grid, [unitId]);
  const told = grid.lower(unitId, { command: 'WAIT' });
  if (grid.needs.community.isAlive(unitId)) await told;
  grid.voltageReferenceUnitId = undefined;
}

/** The deal that could not take the voltage over is given up; the next one is tried. */
async function giveUpSuccessor(grid: Grid, succession: Succession): Promise<void> {
  const { deal, voltageReferenceUnitId: unitId } = succession;
  grid.note(deal.dealId, { isMaster: undefined });
  await abort(grid, deal, `hand-over.rolled-back : ${unitId}`);
}

/** Marks the successor first (INV-7), then moves the voltage where it has to move; false when that did not work. */
async function passOnTo(grid: Grid, succession: Succession): Promise<boolean> {
  try {
    await grid.intend(succession.deal.dealId, { isMaster: true });
    return succession.handOver === undefined || (await performHandOver(grid, succession.handOver)) === 'completed';
  } catch (error) {
    if (grid.isStepSuperseded || error instanceof HandOverLost) throw error;
    grid.needs.log.warn({ dealId: succession.deal.dealId, message: messageOf(error) }, 'hand-over.not-begun');
    return false;
  }
}

/** Both readings are younger than what was just released. */
async function mayPassOn(grid: Grid, succession: Succession): Promise<boolean> {
  const { handOver } = succession;
  if (handOver === undefined) return true;
  const heard = await Promise.all([handOver.from, handOver.to].map((unitId) => grid.readWithin(unitId, READ_MSEC)));
  return heard.every((one) => one) && canBear(grid.view(), handOver);
}

/** The voltage goes to another deal, or nobody needs it any more (control.md §4.10); false when nobody can take it now. */
async function passReferenceOn(grid: Grid, deal: Deal, vr: string): Promise<boolean> {
  for (;;) {
    const succession = successionOf(grid.view(), deal);
    if (succession === undefined) {
      await dropReference(grid, vr);
      return true;
    }
    if (!(await mayPassOn(grid, succession))) return false;
    if (await passOnTo(grid, succession)) return true;
    await giveUpSuccessor(grid, succession);
  }
}

/** When the voltage is held on behalf of this deal, it goes with it; false when it has to stay for now. */
async function leaveReference(grid: Grid, deal: Deal): Promise<boolean> {
  const vr = grid.voltageReferenceUnitId;
  if (vr === undefined) return true;
  const master = masterDealOf(grid.view());
  const isHeldForAnother = othersOf(grid.view(), deal).some((other) => other.dealId === master?.dealId);
  return isHeldForAnother || passReferenceOn(grid, deal, vr);
}

/**
 * The deal waits, stopped, until the reference can go: a unit that was only cut off leaves the bus when its permit
 * runs out. After that everything stops, for nobody knows what else the lost converter does (RULE-10).
 */
function waitForSuccessor(grid: Grid, deal: Deal): StepResult {
  const { state, stateSince } = grid.deals.progress(deal.dealId);
  if (state !== 'stopped' || grid.now < permitsEnd(grid.policy, stateSince)) {
    grid.deals.note(deal.dealId, { passOnNotBefore: grid.now + RETELL_MSEC });
    return retryIn(RETELL_MSEC);
  }
  throw new HandOverLost(`nobody can take the voltage over from deal ${deal.dealId}`);
}

/** A unit that stands where the end of the deal would bring it needs no command. */
function isReleased(grid: Grid, deal: Deal, unitId: string): boolean {
  const view = grid.view();
  if (modeOf(view, unitId) === 'WAIT') return true;
  const command = releaseCommand(view, deal, unitId);
  if (command?.command !== 'current') return false;
  const presentA = Number(view.dcdc(unitId)?.param.dig);
  return Math.abs(presentA - command.gridCurrentA) < SAME_A;
}

/** A stopped deal leaves the bus: what it still holds is released, and the voltage passed on. */
export async function deactivate(grid: Grid, deal: Deal): Promise<StepResult> {
  const { passOnNotBefore } = grid.deals.progress(deal.dealId);
  if (grid.now < passOnNotBefore) return retryIn(passOnNotBefore - grid.now);
  if (isWaitingForLoss(grid, deal)) return retryIn(RETELL_MSEC);
  if (!(await releaseBoth(grid, deal, (unitId) => isReleased(grid, deal, unitId)))) return waitForLoss(grid, deal);
  if (!(await leaveReference(grid, deal))) return waitForSuccessor(grid, deal);
  end(grid, deal);
  return 'advanced';
}

/** What flowed to the very end belongs into the record, if the reference side tells it soon. */
async function lastWord(grid: Grid, deal: Deal): Promise<void> {
  const unitId = unitOnSide(deal, grid.policy.gridMaster.deal.referenceSide);
  if (!slaveSideMustBeActive(deal) || !grid.needs.community.isAlive(unitId)) return;
  await grid.readWithin(unitId, grid.policy.gridMaster.leaseMsec / 2);
  accrue(grid);
}

/**
 * Ends a deal before its time, from its record only (control.md D9): both converters are told, whatever they last
 * said, and nothing but this deal is touched (D5, D8).
 */
export async function abort(grid: Grid, deal: Deal, reason: string): Promise<StepResult> {
  if (isWaitingForLoss(grid, deal)) return retryIn(RETELL_MSEC);
  grid.needs.log.warn({ dealId: deal.dealId, reason }, 'deal.aborted');
  accrue(grid);
  if (isActivated(deal)) {
    if (!(await releaseBoth(grid, deal))) return waitForLoss(grid, deal);
    if (!(await leaveReference(grid, deal))) {
      const at = grid.timeOf(deal);
      const stopDateTime = deal.stopDateTime ?? at;
      grid.note(deal.dealId, { ...aborted(deal, at, reason), ...cumulated(grid, deal), stopDateTime });
      return waitForSuccessor(grid, deal);
    }
  }
  await lastWord(grid, deal);
  end(grid, deal, reason);
  return 'advanced';
}

/** All marks of the end, with the account of what was still running. */
export function finalRecord(grid: Grid, record: Deal, reason?: string): DealChange {
  const at = grid.timeOf(record);
  const failure = reason === undefined ? {} : aborted(record, at, reason);
  const account = record.stopDateTime === undefined ? cumulated(grid, record) : {};
  return { ...failure, ...account, ...ended(record, at) };
}

function end(grid: Grid, deal: Deal, reason?: string): void {
  const record = grid.deals.record(deal.dealId);
  if (record === undefined || isDeactivated(record)) return;
  grid.note(deal.dealId, finalRecord(grid, record, reason));
}

/** The last record is told until both parties have it or have dropped the deal; no device is asked (control.md D10). */
export async function dispose(grid: Grid, deal: Deal): Promise<StepResult> {
  await grid.tellBehind(deal.dealId);
  const copies = grid.needs.community.deals().find((one) => one.deal.dealId === deal.dealId);
  const waitingFor = grid.deals.partiesBehind(deal.dealId).filter((unitId) => copies?.holders.includes(unitId));
  if (waitingFor.length > 0) return retryIn(RETELL_MSEC);
  const last = grid.deals.remove(deal.dealId);
  if (last !== undefined) grid.needs.finished(last);
  return 'advanced';
}
