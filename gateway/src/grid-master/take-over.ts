import { type Deal, isInvolved, slaveSideMustBeActive } from '../domain/deal.ts';
import type { DeviceCommand } from '../domain/device-command.ts';
import { currentModeOf, otherCurrentA } from './deal-currents.ts';
import type { Grid } from './grid.ts';
import { activeDealsOf, modeOf } from './grid-view.ts';
import { HandOverLost } from './perform-hand-over.ts';

/** Members that are alive and have not answered in this term. */
export const unheardMembers = (grid: Grid): readonly string[] =>
  grid.policy.memberUnitIds.filter((unitId) => !grid.units.isFresh(unitId));

/**
 * Asks those that are alive; an answer proves that they obey this term, and brings their copies of deals (RULE-3).
 * Gives those that did not answer.
 */
export async function hearMembers(grid: Grid): Promise<readonly string[]> {
  const asked = unheardMembers(grid).filter((unitId) => grid.needs.community.isAlive(unitId));
  const answers = await Promise.all(
    asked.map((unitId) => grid.readWithin(unitId, grid.policy.gridMaster.leaseMsec / 2, { withDeals: true })),
  );
  return asked.filter((_, index) => answers[index] !== true);
}

const activeDeals = (grid: Grid): readonly Deal[] => activeDealsOf(grid.view());

/** What a second reference of a hand-over that was cut in half does from now on. */
function afterHandOver(grid: Grid, unitId: string): DeviceCommand {
  const deal = activeDeals(grid).find((one) => isInvolved(one, unitId) && slaveSideMustBeActive(one));
  if (deal === undefined) return { command: 'voltageReferenceDidHandOver', mode: 'WAIT' };
  const gridCurrentA = Math.abs(otherCurrentA(grid.deals.all(), { ...deal, dealId: '' }, unitId));
  return { command: 'voltageReferenceDidHandOver', mode: currentModeOf(deal, unitId), gridCurrentA };
}

/** Exactly one master deal, one that the reference is a party of. */
function settleMaster(grid: Grid, unitId: string): void {
  const own = activeDeals(grid).filter((deal) => isInvolved(deal, unitId));
  const master = own.find((deal) => deal.isMaster === true) ?? own[0];
  for (const deal of activeDeals(grid)) {
    const shouldBe = deal.dealId === master?.dealId ? true : undefined;
    if (deal.isMaster !== shouldBe) grid.note(deal.dealId, { isMaster: shouldBe });
  }
}

/** A party of an active deal that has not been heard in this term may hold the voltage yet, with nobody who tells. */
const mayHoldUnheard = (grid: Grid): boolean =>
  unheardMembers(grid).some((unitId) => activeDeals(grid).some((deal) => isInvolved(deal, unitId)));

/** Droop goes only from the one that remains, once all others have left (INV-1, RULE-8). */
async function stiffen(grid: Grid, keeper: string, left: readonly boolean[]): Promise<boolean> {
  const isAlone = left.every((hasLeft) => hasLeft) && !mayHoldUnheard(grid);
  return isAlone && (await grid.lower(keeper, { command: 'voltageReferenceDidTakeOver' }));
}

async function leaveOneReference(grid: Grid, keeper: string, others: readonly string[]): Promise<void> {
  grid.voltageReferenceUnitId = keeper;
  const [other] = others;
  grid.handOver = other === undefined ? undefined : { from: other, to: keeper };
  grid.publish();
  const left = await Promise.all(others.map((unitId) => grid.lower(unitId, afterHandOver(grid, unitId))));
  const hasDroop = grid.units.demandDcdc(keeper).vdis.drg > 0;
  const isStiff = !hasDroop || (await stiffen(grid, keeper, left));
  if (!isStiff)
    throw new HandOverLost(`the hand-over between ${[keeper, ...others].join(' and ')} could not be completed`);
  grid.handOver = undefined;
  settleMaster(grid, keeper);
}

/**
 * Finds the voltage reference of the deals that a former grid master has left, and completes a hand-over that was
 * cut in half, before anything else (RULE-8). A reference that belongs to no deal goes to WAIT. Throws
 * `HandOverLost` when two references are left.
 */
export async function settleReference(grid: Grid): Promise<void> {
  const view = grid.view();
  const holders = grid.policy.memberUnitIds.filter(
    (unitId) => grid.units.isFresh(unitId) && modeOf(view, unitId) === 'VOLTAGE_REFERENCE', // RULE-3
  );
  const deals = activeDeals(grid);
  const belongs = (unitId: string): boolean => deals.some((deal) => isInvolved(deal, unitId));
  const isMarked = (unitId: string): boolean =>
    deals.some((deal) => deal.isMaster === true && isInvolved(deal, unitId));
  const keeper = holders.find(isMarked) ?? holders.find(belongs);
  if (keeper !== undefined) {
    await leaveOneReference(
      grid,
      keeper,
      holders.filter((unitId) => unitId !== keeper),
    );
  } else if (grid.needs.mode() !== 'manual') {
    await Promise.all(holders.map((unitId) => grid.lower(unitId, { command: 'WAIT' })));
  }
  grid.needs.log.info({ holders, keeper, deals: deals.map((deal) => deal.dealId) }, 'grid-master.settled');
}
