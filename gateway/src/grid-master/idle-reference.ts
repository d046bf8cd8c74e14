import { type Deal, isActivated, isDeactivated, partiesOf } from '../domain/deal.ts';
import { sleep } from '../ports/clock.ts';
import { currentModeOf } from './deal-currents.ts';
import type { Grid } from './grid.ts';
import { modeOf } from './grid-view.ts';
import { isUnheard } from './unheard.ts';

const POLL_MSEC = 100;

/**
 * May currents flow past the references that balance each other, so that no meter of theirs shows them? They do where
 * both a charging and a discharging side have not been seen in WAIT yet; of a deal that has ended, a side that nobody
 * hears.
 */
function mayFlowUnseen(grid: Grid, references: readonly string[]): boolean {
  const view = grid.view();
  const mayFlow = (deal: Deal, unitId: string): boolean =>
    isUnheard(grid, unitId) || (!isDeactivated(deal) && modeOf(view, unitId) !== 'WAIT');
  const modes = view.deals.filter(isActivated).flatMap((deal) =>
    partiesOf(deal)
      .filter((unitId) => !references.includes(unitId) && mayFlow(deal, unitId))
      .map((unitId) => currentModeOf(deal, unitId)),
  );
  return new Set(modes).size > 1;
}

/**
 * Until these references carry next to nothing and nothing flows past them, or the policy's delay is over (RULE-7); no
 * longer than until somebody else holds the voltage as well (INV-1).
 */
export async function waitForIdleReference(grid: Grid, references: readonly string[]): Promise<void> {
  const end = grid.now + grid.policy.controller.scramVoltageReferenceDelayMsec;
  const limitA = grid.policy.safety.sumOfDealingUnitGridCurrentAllowancePerUnitA;
  while (references.length > 0 && grid.now < end && grid.rivals.length === 0) {
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

/** As above, where somebody is not heard who may carry a current: of all others it is known that they have left. */
export async function waitForUnheard(grid: Grid, references: readonly string[]): Promise<void> {
  const others = grid.policy.memberUnitIds.filter((unitId) => !references.includes(unitId));
  if (others.some((unitId) => isUnheard(grid, unitId))) await waitForIdleReference(grid, references);
}
