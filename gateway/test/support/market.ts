import { demoHwConfig, demoPolicy, demoScenario } from '../../src/config/defaults.ts';
import type { HwConfig } from '../../src/config/hw-config.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { Policy } from '../../src/config/policy.ts';
import type { Scenario, ScenarioWindow } from '../../src/config/scenario.ts';
import type { Accept, Request } from '../../src/domain/trade.ts';
import type { UnitData } from '../../src/domain/unit-data.ts';
import { type DealPolicy, type Outcome, remainingCapacityWh, type Situation } from '../../src/market/index.ts';
import { aUnit } from './messages.ts';

export const MEMBERS = ['E001', 'E002', 'E003', 'E004'];
export const NINE = '2020/01/01-09:00:00';

export const aRequest = (more: Partial<Request> = {}): Request => ({
  unitId: 'E001',
  type: 'discharge',
  amountWh: 240,
  pointPerWh: 10,
  dateTime: NINE,
  dealGridCurrentA: 1,
  ...more,
});

export const anAccept = (more: Partial<Accept> = {}): Accept => aRequest({ unitId: 'E004', type: 'charge', ...more });

/** The demo policy with other deal figures. */
export const aPolicy = (deal: Partial<DealPolicy> = {}, more: Partial<Policy> = {}): Policy => {
  const policy = demoPolicy(MEMBERS);
  return { ...policy, ...more, mediator: { ...policy.mediator, deal: { ...policy.mediator.deal, ...deal } } };
};

export const aHwConfig = (more: Partial<HwConfig> = {}): HwConfig => ({ ...demoHwConfig(), ...more });

/** Unit data of a unit with this charge, at 52 V battery voltage. */
export function unitDataAt(unitId: string, rsoc: number, time = NINE): UnitData {
  const unit = aUnit(unitId, rsoc);
  return { ...unit, time, apis: { ...unit.apis, remaining_capacity_wh: remainingCapacityWh(4800, rsoc) } };
}

/** Scenario out of the original's JSON form. */
export const scenarioOf = (json: unknown): Scenario => parseConfig('scenario', JSON.stringify(json), 'test').value;

/** The single window of a scenario that has one window, all day. */
export function windowOf(json: unknown): ScenarioWindow {
  const [window] = scenarioOf({ '00:00:00-24:00:00': json }).windows;
  if (window === undefined) throw new Error('no window');
  return window;
}

/** A unit of the demo that may trade: E001, 95 % full. */
export const aSituation = (more: Partial<Situation> = {}): Situation => ({
  unitId: 'E001',
  policy: aPolicy(),
  hwConfig: aHwConfig(),
  scenario: demoScenario(),
  unitData: unitDataAt('E001', 95),
  effectiveMode: 'autonomous',
  hasLocalErrors: false,
  grid: { reachable: true, hasGlobalErrors: false },
  takenDeals: [],
  ...more,
});

/** The good end of an outcome. */
export function okOf<T>(outcome: Outcome<T>): T {
  if ('refusal' in outcome) throw new Error(`refused: ${JSON.stringify(outcome.refusal)}`);
  return outcome.ok;
}

/** Reason of a refusal, undefined for a yes. */
export const reasonIn = (outcome: Outcome<unknown>): string | undefined =>
  'refusal' in outcome ? outcome.refusal.reason : undefined;
