import { type Deal, partiesOf } from '../domain/deal.ts';
import { DeviceError } from '../domain/errors.ts';
import type { Amperes } from '../domain/quantities.ts';
import { accrue } from './accrue.ts';
import {
  type CompensationRoles,
  type Correction,
  compensationRoles,
  correct,
  nominalCurrentA,
} from './compensation.ts';
import { agreedCurrentA, otherCurrentA } from './deal-currents.ts';
import type { DealChange } from './deal-marks.ts';
import type { Grid } from './grid.ts';
import { masterSide, sidesOf } from './master-side.ts';
import type { StepResult } from './step-result.ts';

/** What the watched unit shows now, and what follows from it for the adjusted one. */
export async function measure(grid: Grid, deal: Deal, roles: CompensationRoles, targetA: Amperes): Promise<Correction> {
  await grid.read(roles.watchedUnitId, 'status');
  return correct({
    targetA,
    measuredA: grid.units.demandDcdc(roles.watchedUnitId).meter.ig,
    commandedA: grid.units.demandDcdc(roles.adjustedUnitId).param.dig,
    adjustedSide: roles.adjustedSide,
    driftAllowanceA: grid.policy.gridMaster.currentCompensation.driftAllowanceA,
    nominalA: nominalCurrentA(grid.deals.all(), deal, roles.adjustedUnitId),
    dealGridCurrentA: deal.dealGridCurrentA,
  });
}

/** The reference's current does not come to its target: the deal cannot run. */
function giveUp(grid: Grid, deal: Deal, roles: CompensationRoles, targetA: Amperes): never {
  const { ig } = grid.units.demandDcdc(roles.watchedUnitId).meter;
  const message = `${roles.watchedUnitId} carries ${ig} A instead of ${targetA} A in spite of corrections at ${roles.adjustedUnitId}`;
  grid.raiseFault({
    category: 'HARDWARE',
    extent: 'GLOBAL',
    level: 'WARN',
    reason: 'deal.compensation-failed',
    message,
    dealId: deal.dealId,
  });
  throw new DeviceError('deal.compensation-failed', message);
}

/** At most `limitOfTrials` corrections, each measured (control.md §4.7). */
async function adjust(grid: Grid, deal: Deal, roles: CompensationRoles, targetA: Amperes): Promise<void> {
  const { limitOfTrials } = grid.policy.gridMaster.currentCompensation;
  let correction = await measure(grid, deal, roles, targetA);
  for (let trial = 0; correction !== 'done'; trial += 1) {
    if (correction === 'saturated' || trial >= limitOfTrials) giveUp(grid, deal, roles, targetA);
    await grid.raise(roles.adjustedUnitId, { command: 'current', gridCurrentA: correction.gridCurrentA });
    correction = await measure(grid, deal, roles, targetA);
  }
}

/** A share that is off by more than this part of what was agreed is not a share of this deal. */
const FOREIGN_SHARE = 0.5;

/**
 * What each side carries for this deal, now that it is balanced. A side of another deal may have let go unseen, or the
 * bus may leak: then the difference would be this deal's for good, and move with it (INV-4).
 * @throws DeviceError `deal.compensation-failed` for a share that cannot be this deal's
 */
export function compensatedCurrents(grid: Grid, deal: Deal): DealChange {
  const ownA = (unitId: string): Amperes => {
    const shareA = grid.units.demandDcdc(unitId).meter.ig - otherCurrentA(grid.deals.all(), deal, unitId);
    const agreedA = agreedCurrentA(deal, unitId);
    if (Math.abs(shareA - agreedA) <= FOREIGN_SHARE * deal.dealGridCurrentA) return shareA;
    const message = `${unitId} carries ${shareA.toFixed(3)} A for this deal instead of ${agreedA} A`;
    throw new DeviceError('deal.compensation-failed', message);
  };
  return {
    dischargeUnitCompensatedGridCurrentA: ownA(deal.dischargeUnitId),
    chargeUnitCompensatedGridCurrentA: ownA(deal.chargeUnitId),
  };
}

/** Balances a warmed-up deal and starts its account. */
export async function compensate(grid: Grid, deal: Deal): Promise<StepResult> {
  const vr = grid.voltageReferenceUnitId;
  const targetA = deal.compensationTargetVoltageReferenceGridCurrentA;
  if (vr === undefined || targetA === undefined) {
    throw new DeviceError('deal.compensation-failed', 'there is no voltage reference or no target current');
  }
  const roles = compensationRoles(grid.policy, deal, sidesOf(deal, masterSide(grid.view())), vr);
  if (roles !== undefined) await adjust(grid, deal, roles, targetA);
  await Promise.all(partiesOf(deal).map((unitId) => grid.read(unitId, 'unit')));
  accrue(grid); // until here the shares of the other deals were those without this one
  start(grid, deal);
  return 'advanced';
}

function start(grid: Grid, deal: Deal): void {
  const at = grid.timeOf(deal);
  const currents = compensatedCurrents(grid, deal);
  grid.note(deal.dealId, { ...currents, startDateTime: at, cumulateDateTime: at, cumulateAmountWh: 0 });
  const { referenceSide } = grid.policy.gridMaster.deal;
  const sample = grid.units.energySample(referenceSide === 'chargeUnit' ? deal.chargeUnitId : deal.dischargeUnitId);
  grid.deals.note(deal.dealId, { amountWh: 0, recordedAt: grid.now, sample });
  grid.needs.log.info({ dealId: deal.dealId, ...currents }, 'deal.started');
}
