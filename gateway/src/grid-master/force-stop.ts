import type { Policy } from '../config/policy.ts';
import type { Deal } from '../domain/deal.ts';
import type { Percent } from '../domain/quantities.ts';

/**
 * The limit of charge that ends a deal early (control.md §4.9 step 5), with the original's text as the reason;
 * undefined while both batteries are within theirs.
 */
export function forceStopReason(
  policy: Policy,
  deal: Deal,
  rsocOf: (unitId: string) => Percent | undefined,
): string | undefined {
  const limits = policy.gridMaster.deal.forceStopCondition;
  const discharging = rsocOf(deal.dischargeUnitId);
  const charging = rsocOf(deal.chargeUnitId);
  if (discharging !== undefined && discharging < limits.dischargeUnitLowerLimitRsoc) {
    return `${deal.dischargeUnitId} : dischargeUnitLowerLimitRsoc`;
  }
  if (charging !== undefined && charging > limits.chargeUnitUpperLimitRsoc) {
    return `${deal.chargeUnitId} : chargeUnitUpperLimitRsoc`;
  }
  return undefined;
}
