import type { Policy } from '../config/policy.ts';
import type { Volts } from '../domain/quantities.ts';

export type FirstDealGate = 'go' | 'in-uvlo-mask' | 'bus-is-up';

/** Below this part of the lowest voltage of the bus no converter holds it, not even one that died on its way down. */
const HELD_SHARE = 0.5;

/**
 * Whether the bus may be energised for a first deal (control.md §4.6a): not while it is still up, and not around
 * the voltage at which converters switch themselves on and off. While a converter is unheard that may hold the voltage
 * (`mayBeHeld`), not before the bus has fallen (INV-1, RULE-10).
 */
export function firstDealGate(policy: Policy, gridVoltageV: Volts, mayBeHeld = false): FirstDealGate {
  const { min } = policy.operationGridVoltageVRange;
  if (mayBeHeld && gridVoltageV > HELD_SHARE * min) return 'bus-is-up';
  if (gridVoltageV > min + 2 * policy.gridVoltageSeparationV) return 'bus-is-up';
  return Math.abs(gridVoltageV - min) <= policy.gridUvloMaskV ? 'in-uvlo-mask' : 'go';
}
