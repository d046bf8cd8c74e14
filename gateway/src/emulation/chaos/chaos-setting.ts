import { demoHwConfig, demoPolicy, demoScenario } from '../../config/defaults.ts';
import type { HwConfig } from '../../config/hw-config.ts';
import type { Policy } from '../../config/policy.ts';
import type { Scenario } from '../../config/scenario.ts';
import { SeededEntropy } from '../../ports/entropy.ts';
import { houseIds } from '../world-options.ts';

/** The rules by which a run plays; the seed decides among them, so that many seeds try all of them. */
export interface ChaosSetting {
  readonly unitIds: readonly string[];
  readonly policy: Policy;
  readonly hwConfig: HwConfig;
  /** The scenario of the beginning, and the one that a change of scenario brings. */
  readonly scenarios: readonly [Scenario, Scenario];
}

/** A scenario for a smaller battery offers from 75 % on and asks only below 50 %. */
const OTHER_CAPACITY_WH = 4000;

const pick = <const T>(entropy: SeededEntropy, choices: readonly [T, ...T[]]): T =>
  choices[Math.floor(entropy.next() * choices.length)] ?? choices[0];

type Selection = Policy['gridMaster']['gridMasterSelection'];

/** Half of the runs move the office to the voltage reference, as the default does; the rest keep it or fix it (RULE-6). */
function drawSelection(entropy: SeededEntropy, unitIds: readonly string[]): Selection {
  const strategy = pick(entropy, ['voltageReferenceUnit', 'voltageReferenceUnit', 'fixed', 'anywhere']);
  const fixedUnitId = unitIds.at(-1);
  return strategy !== 'fixed' || fixedUnitId === undefined ? { strategy } : { strategy, fixedUnitId };
}

/** Admission alternates with the seed; current and amount of the deals and the choice of the grid master are drawn. */
export function chaosSetting(seed: number, units: number): ChaosSetting {
  const entropy = new SeededEntropy(seed).fork('setting');
  const unitIds = houseIds(units);
  const base = demoPolicy(unitIds, {
    gridCurrentA: pick(entropy, [2, 1]),
    amountWh: pick(entropy, [100, 50]),
  });
  const gridMaster = {
    ...base.gridMaster,
    admission: seed % 2 === 0 ? ('n-1' as const) : ('capacity' as const),
    gridMasterSelection: drawSelection(entropy, unitIds),
  };
  return {
    unitIds,
    policy: { ...base, gridMaster },
    hwConfig: demoHwConfig(),
    scenarios: [demoScenario(), demoScenario(OTHER_CAPACITY_WH)],
  };
}
