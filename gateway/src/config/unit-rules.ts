import { type ConsistencyRule, when } from './consistency.ts';
import type { HwConfig } from './hw-config.ts';
import type { Policy } from './policy.ts';
import type { Scenario } from './scenario.ts';
import type { UnitConfig } from './unit-config.ts';

/** A unit's hardware under the policy of its cluster. */
export interface HwUnderPolicy {
  readonly hwConfig: HwConfig;
  readonly policy: Policy;
}

/** What must hold between hwConfig.json (blamed) and policy.json (control §8.4). */
export const hwUnderPolicyRules: readonly ConsistencyRule<HwUnderPolicy>[] = [
  {
    path: 'gridCurrentAllowanceA',
    severity: 'problem',
    broken: ({ hwConfig: { gridCurrentAllowanceA: allowanceA }, policy }) => {
      const dealA = policy.mediator.deal.gridCurrentA;
      return when(
        allowanceA >= dealA,
        `expected less than the policy's mediator.deal.gridCurrentA (${dealA}), else waiting and running look alike, got ${allowanceA}`,
      );
    },
  },
  {
    // Compensation may raise the current above the deal's; the allowance is the head-room the checks already grant.
    path: 'gridCurrentCapacityA',
    severity: 'warning',
    broken: ({ hwConfig: { gridCurrentCapacityA: capacityA, gridCurrentAllowanceA }, policy }) => {
      const neededA = policy.mediator.deal.gridCurrentA + gridCurrentAllowanceA;
      return when(
        capacityA < neededA,
        `expected at least the policy's mediator.deal.gridCurrentA and gridCurrentAllowanceA (${neededA}), got ${capacityA}`,
      );
    },
  },
  {
    path: 'safety.range.dcdc.meter.vg.max',
    severity: 'warning',
    broken: ({
      hwConfig,
      policy: {
        operationGridVoltageVRange: { max },
        gridVoltageAllowanceV,
      },
    }) => {
      const trip = hwConfig.safety.range.dcdc.meter.vg.max;
      const highest = max + gridVoltageAllowanceV;
      return when(
        trip < highest,
        `expected at least the policy's operationGridVoltageVRange.max + gridVoltageAllowanceV (${highest}), else normal work may trip, got ${trip}`,
      );
    },
  },
];

/** One unit in its cluster. */
export interface UnitUnderPolicy {
  readonly unitConfig: UnitConfig;
  readonly policy: Policy;
}

/** What must hold between config.json (blamed) and policy.json. */
export const unitUnderPolicyRules: readonly ConsistencyRule<UnitUnderPolicy>[] = [
  {
    path: 'unitId',
    severity: 'problem',
    broken: ({ unitConfig: { unitId }, policy }) =>
      when(!policy.memberUnitIds.includes(unitId), `expected one of the policy's memberUnitIds, got "${unitId}"`),
  },
  {
    path: 'peers',
    severity: 'warning',
    broken: ({ unitConfig: { peers }, policy }) =>
      peers
        .filter(({ unitId }) => !policy.memberUnitIds.includes(unitId))
        .map(({ unitId }) => `expected ids from the policy's memberUnitIds, got "${unitId}"`),
  },
];

/** A unit's intentions with its battery and its cluster. */
export interface ScenarioOfUnit {
  readonly scenario: Scenario;
  readonly hwConfig: HwConfig;
  readonly policy: Policy;
}

/** What must hold between scenario.json (blamed) and the other files. */
export const scenarioOfUnitRules: readonly ConsistencyRule<ScenarioOfUnit>[] = [
  {
    path: '',
    severity: 'warning',
    broken: ({ scenario, hwConfig: { batteryNominalCapacityWh: capacityWh } }) => {
      const limits = rulesOf(scenario).map(({ limitWh }) => limitWh);
      const over = [...new Set(limits.filter((limitWh) => limitWh > capacityWh))];
      return over.map(
        (limitWh) => `expected limits within batteryNominalCapacityWh (${capacityWh}), got limitWh ${limitWh}`,
      );
    },
  },
  {
    path: '',
    severity: 'warning',
    broken: ({ scenario, policy }) => {
      const pairs = new Set(rulesOf(scenario).flatMap(({ pairUnitId }) => pairUnitId ?? []));
      const strangers = [...pairs].filter((id) => !policy.memberUnitIds.includes(id));
      return strangers.map((id) => `expected ids from the policy's memberUnitIds, got pairUnitId "${id}"`);
    },
  },
];

const rulesOf = (scenario: Scenario) =>
  scenario.windows
    .flatMap(({ request, accept }) => [...request.values(), ...accept.values()])
    .flatMap(({ charge, discharge }) => [charge, discharge])
    .filter((rule) => rule !== undefined);
