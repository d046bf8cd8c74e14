import type { Policy } from '../config/policy.ts';
import { type Deal, masterSideMustBeActive } from '../domain/deal.ts';
import type { Volts } from '../domain/quantities.ts';

/** The voltage that suits the active deals best, within what the policy leaves (control.md §4.14). */
export function optimalGridVoltageV(policy: Policy, deals: readonly Deal[]): Volts | undefined {
  const wishes = deals
    .filter(masterSideMustBeActive)
    .flatMap((deal) => [deal.dischargeUnitEfficientGridVoltageV, deal.chargeUnitEfficientGridVoltageV])
    .filter((wish) => wish !== null);
  if (wishes.length === 0) return undefined;
  const { min, max } = policy.operationGridVoltageVRange;
  const { gridVoltageDropAllowanceV: dropV, gridVoltageSeparationV: separationV } = policy;
  const lowest = Math.max(min + dropV, min + 3 * separationV);
  const highest = Math.min(max - dropV, max - separationV);
  const average = wishes.reduce((sum, wish) => sum + wish, 0) / wishes.length;
  return Math.min(Math.max(average, lowest), highest);
}
