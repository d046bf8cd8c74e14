import type { Policy } from '../config/policy.ts';
import { type Deal, masterSideMustBeActive } from '../domain/deal.ts';
import type { Volts } from '../domain/quantities.ts';

/** The voltage that a unit's battery wants now; undefined when it does not say. */
export type PresentWish = (unitId: string) => Volts | undefined;

/** What both parties want: as their batteries are now, else as they were when the deal was made (control.md S25). */
const wishesOf = (deal: Deal, presentWish: PresentWish): readonly (Volts | null)[] => [
  presentWish(deal.dischargeUnitId) ?? deal.dischargeUnitEfficientGridVoltageV,
  presentWish(deal.chargeUnitId) ?? deal.chargeUnitEfficientGridVoltageV,
];

/** The voltage that suits the active deals best, within what the policy leaves (control.md §4.14). */
export function optimalGridVoltageV(
  policy: Policy,
  deals: readonly Deal[],
  presentWish: PresentWish = () => undefined,
): Volts | undefined {
  const wishes = deals
    .filter(masterSideMustBeActive)
    .flatMap((deal) => wishesOf(deal, presentWish))
    .filter((wish) => wish !== null);
  if (wishes.length === 0) return undefined;
  const { min, max } = policy.operationGridVoltageVRange;
  const { gridVoltageDropAllowanceV: dropV, gridVoltageSeparationV: separationV } = policy;
  const lowest = Math.max(min + dropV, min + 3 * separationV);
  const highest = Math.min(max - dropV, max - separationV);
  const average = wishes.reduce((sum, wish) => sum + wish, 0) / wishes.length;
  return Math.min(Math.max(average, lowest), highest);
}

/**
 * The next voltage on the way to the one that is wished: in equal steps, none larger than `gridVoltageSeparationV`
 * (control.md S25). Undefined when the meters cannot tell the two apart: batteries wander, the bus need not follow each move.
 */
export function nextGridVoltageV(policy: Policy, presentV: Volts, wishedV: Volts): Volts | undefined {
  const wayV = wishedV - presentV;
  if (Math.abs(wayV) <= policy.gridVoltageAllowanceV) return undefined;
  return presentV + wayV / Math.ceil(Math.abs(wayV) / policy.gridVoltageSeparationV);
}
