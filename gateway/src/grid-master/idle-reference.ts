import { isActivated, isDeactivated, partiesOf } from '../domain/deal.ts';
import { sleep } from '../ports/clock.ts';
import { currentModeOf } from './deal-currents.ts';
import type { Grid } from './grid.ts';
import { modeOf } from './grid-view.ts';
import { isUnheard } from './unheard.ts';

const POLL_MSEC = 100;

/**
 * May currents flow past the references that balance each other, so that no meter of theirs shows them? They do where
 * both a charging and a discharging side have not been seen in WAIT yet.
 */
function mayFlowUnseen(grid: Grid, references: readonly string[]): boolean {
  const view = grid.view();
  const isDown = (unitId: string): boolean => modeOf(view, unitId) === 'WAIT' && !isUnheard(grid, unitId);
  const sides = view.deals
    .filter((deal) => isActivated(deal) && !isDeactivated(deal))
    .flatMap((deal) => partiesOf(deal).map((unitId) => ({ unitId, mode: currentModeOf(deal, unitId) })))
    .filter(({ unitId }) => !references.includes(unitId) && !isDown(unitId));
  return new Set(sides.map(({ mode }) => mode)).size > 1;
}

/** Until these references carry next to nothing and nothing flows past them, or the policy's delay is over (RULE-7). */
export async function waitForIdleReference(grid: Grid, references: readonly string[]): Promise<void> {
  const end = grid.now + grid.policy.controller.scramVoltageReferenceDelayMsec;
  const limitA = grid.policy.safety.sumOfDealingUnitGridCurrentAllowancePerUnitA;
  while (references.length > 0 && grid.now < end) {
    await sleep(grid.needs.clock, Math.min(POLL_MSEC, end - grid.now));
    const left = end - grid.now;
    // One that has died meanwhile is forgotten: nobody knows that it is idle.
    const isIdle = (unitId: string): boolean => Math.abs(grid.units.dcdc(unitId)?.meter.ig ?? Infinity) <= limitA;
    const readings = references.map((unitId) => grid.readWithin(unitId, left));
    if (
      (await Promise.all(readings)).every((hasAnswered) => hasAnswered) &&
      references.every(isIdle) &&
      !mayFlowUnseen(grid, references)
    )
      return;
  }
}
