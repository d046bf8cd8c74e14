import type { Rules, Scenario } from '../config/scenario.ts';
import { secondsOfDay } from '../domain/timestamp.ts';
import type { ScenarioNow, ScenarioRules, UnitData } from '../domain/unit-data.ts';
import { statusOf } from './battery-status.ts';
import { windowAt } from './window.ts';

const pad = (value: number): string => String(value).padStart(2, '0');
const clock = (second: number): string => `${pad(Math.floor(second / 3600))}:${pad(Math.floor((second % 3600) / 60))}`;

const rulesOf = (rules: Rules | undefined): ScenarioRules | undefined =>
  rules?.charge === undefined && rules?.discharge === undefined ? undefined : rules;

/** What the scenario says at the time and charge of these unit data; undefined in a gap of it (market §2.2, §2.3). */
export function scenarioNow(
  scenario: Scenario | undefined,
  { time, apis }: Pick<UnitData, 'time' | 'apis'>,
): ScenarioNow | undefined {
  const second = secondsOfDay(time);
  const window = scenario === undefined || second === undefined ? undefined : windowAt(scenario, second);
  if (window === undefined) return undefined;
  const status = statusOf(window, apis.remaining_capacity_wh);
  const request = status === undefined ? undefined : rulesOf(window.request.get(status));
  const accept = status === undefined ? undefined : rulesOf(window.accept.get(status));
  return {
    from: clock(window.from),
    to: clock(window.to),
    ...(status === undefined ? {} : { status }),
    ...(request === undefined ? {} : { request }),
    ...(accept === undefined ? {} : { accept }),
  };
}
