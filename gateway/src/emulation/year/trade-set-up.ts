import { demoHwConfig, demoPolicy, demoScenario } from '../../config/defaults.ts';
import type { HwConfig } from '../../config/hw-config.ts';
import type { Policy } from '../../config/policy.ts';
import type { Scenario } from '../../config/scenario.ts';

/** What the houses trade by. */
export interface TradeSetUp {
  readonly policy: Policy;
  readonly hwConfig: HwConfig;
  readonly scenario: Scenario;
}

/** The original's battery (emulator.md §1.5). */
export const CAPACITY_WH = 4800;

/** Deal currents of the energy baseline, with the largest deal of each, and whether the sum on the bus is limited (emulator.md §8). */
export const DEAL_CURRENTS = {
  '2': { currentA: 2, amountMaxWh: 100, isBusLimited: true },
  '6.6': { currentA: 6.6, amountMaxWh: 500, isBusLimited: false },
} as const;
export type DealCurrentName = keyof typeof DEAL_CURRENTS;

/** Room of a converter above the current of one deal, as 2.3 A are to 2 A. */
const CURRENT_HEADROOM = 1.15;
const AMOUNT_WH = 100;

/** The files of the user, where given, above the rules of the baseline; the current named counts in both. */
export function tradeSetUp(
  unitIds: readonly string[],
  current: DealCurrentName | undefined,
  files: Partial<Pick<TradeSetUp, 'policy' | 'scenario'>> = {},
): TradeSetUp {
  const policy =
    files.policy === undefined ? baselinePolicy(unitIds, current ?? '2') : withCurrent(files.policy, current);
  const { gridCurrentA } = policy.mediator.deal;
  const hwConfig = demoHwConfig(CAPACITY_WH);
  return {
    policy,
    hwConfig: {
      ...hwConfig,
      gridCurrentCapacityA: Math.max(hwConfig.gridCurrentCapacityA, CURRENT_HEADROOM * gridCurrentA),
    },
    scenario: files.scenario ?? demoScenario(CAPACITY_WH),
  };
}

function baselinePolicy(unitIds: readonly string[], current: DealCurrentName): Policy {
  const { amountMaxWh, isBusLimited } = DEAL_CURRENTS[current];
  const policy = withCurrent(demoPolicy(unitIds, { amountWh: AMOUNT_WH }), current);
  const { sumOfDealGridCurrentMaxA, ...safety } = policy.safety;
  const limit = isBusLimited && sumOfDealGridCurrentMaxA !== undefined ? { sumOfDealGridCurrentMaxA } : {};
  return {
    ...policy,
    safety: { ...safety, ...limit },
    mediator: { ...policy.mediator, deal: { ...policy.mediator.deal, amountMaxWh } },
  };
}

function withCurrent(policy: Policy, current: DealCurrentName | undefined): Policy {
  if (current === undefined) return policy;
  const deal = { ...policy.mediator.deal, gridCurrentA: DEAL_CURRENTS[current].currentA };
  return { ...policy, mediator: { ...policy.mediator, deal } };
}
