import { sleep } from '../ports/clock.ts';
import type { Grid } from './grid.ts';

const POLL_MSEC = 100;

/** Until these references carry next to nothing, or the policy's delay is over (RULE-7). */
export async function waitForIdleReference(grid: Grid, references: readonly string[]): Promise<void> {
  const end = grid.now + grid.policy.controller.scramVoltageReferenceDelayMsec;
  const limitA = grid.policy.safety.sumOfDealingUnitGridCurrentAllowancePerUnitA;
  while (references.length > 0 && grid.now < end) {
    await sleep(grid.needs.clock, Math.min(POLL_MSEC, end - grid.now));
    const left = end - grid.now;
    // One that has died meanwhile is forgotten: nobody knows that it is idle.
    const isIdle = (unitId: string): boolean => Math.abs(grid.units.dcdc(unitId)?.meter.ig ?? Infinity) <= limitA;
    const readings = references.map((unitId) => grid.readWithin(unitId, left));
    if ((await Promise.all(readings)).every((hasAnswered) => hasAnswered) && references.every(isIdle)) return;
  }
}
