import type { Policy } from '../config/policy.ts';
import type { Volts } from '../domain/quantities.ts';

export type FirstDealGate = 'go' | 'in-uvlo-mask' | 'bus-is-up';

/**
 * Whether the bus may be energised for a first deal (control.md §4.6a): not while it is still up, and not around
 * the voltage at which converters switch themselves on and off.
 */
export function firstDealGate(policy: Policy, gridVoltageV: Volts): FirstDealGate {
  const { min } = policy.operationGridVoltageVRange;
  if (gridVoltageV > min + 2 * policy.gridVoltageSeparationV) return 'bus-is-up';
  return Math.abs(gridVoltageV - min) <= policy.gridUvloMaskV ? 'in-uvlo-mask' : 'go';
}
