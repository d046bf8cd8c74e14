import type { HwConfig } from '../config/hw-config.ts';
import type { Policy } from '../config/policy.ts';
import type { Scenario, ScenarioWindow } from '../config/scenario.ts';
import type { Deal, DealType } from '../domain/deal.ts';
import type { OperationMode } from '../domain/operation-mode.ts';
import { secondsOfDay } from '../domain/timestamp.ts';
import type { Refusal } from '../domain/trade.ts';
import type { UnitData } from '../domain/unit-data.ts';
import { type Outcome, refuse } from './outcome.ts';
import { closedBy, committedWh, roomWithin, type Standing } from './standing.ts';
import { slots } from './unit-figures.ts';
import { windowAt } from './window.ts';

/** Everything that a decision of one unit depends on, in one moment. */
export interface Situation {
  readonly unitId: string;
  readonly policy: Pick<Policy, 'mediator' | 'gridMaster'>;
  readonly hwConfig: HwConfig;
  readonly scenario: Scenario | undefined;
  readonly unitData: UnitData | undefined;
  readonly effectiveMode: OperationMode;
  readonly hasLocalErrors: boolean;
  readonly grid: { readonly reachable: boolean; readonly hasGlobalErrors: boolean };
  /** The deals that hold a slot now, agreed ones whose record is still being written included (W6). */
  readonly takenDeals: readonly Deal[];
  /** False when another process on the same battery has that direction (market §2.8). */
  readonly mayUseBattery?: (type: DealType) => boolean;
}

/** What the scenario evaluation needs, once all gates are open. */
export interface Opening {
  readonly unitData: UnitData;
  readonly scenario: Scenario;
  readonly window: ScenarioWindow;
  readonly standing: Standing;
}

type Gate = readonly [reason: string, shuts: (s: Situation) => Refusal['numbers'] | undefined];

const when = (shut: boolean, numbers: Refusal['numbers'] = {}): Refusal['numbers'] | undefined =>
  shut ? numbers : undefined;

/** What suppresses requests, accepts and choices, in the order in which it is looked at (market §2.7). */
const GATES: readonly Gate[] = [
  ['errors.local', (s) => when(s.hasLocalErrors)],
  ['grid-master.unreachable', (s) => when(!s.grid.reachable)],
  ['errors.global', (s) => when(s.grid.hasGlobalErrors)],
  ['mode.not-autonomous', (s) => when(s.effectiveMode !== 'autonomous', { mode: s.effectiveMode })],
  ['slots.busy', slotsShut],
];

function slotsShut({ hwConfig, policy, takenDeals }: Situation): Refusal['numbers'] | undefined {
  const capacity = slots(hwConfig.gridCurrentCapacityA, policy.mediator.deal.gridCurrentA);
  return when(takenDeals.length >= capacity, { taken: takenDeals.length, slots: capacity });
}

/** The first condition that suppresses trading; undefined when all gates are open (market §2.7 rows 4–8). */
export function gates(situation: Situation): Refusal | undefined {
  for (const [reason, shuts] of GATES) {
    const numbers = shuts(situation);
    if (numbers !== undefined) return { reason, numbers };
  }
  return undefined;
}

/** All gates, unit data and scenario window together: what a decision may start from. */
export function openingOf(situation: Situation): Outcome<Opening> {
  const refusal = gates(situation);
  if (refusal !== undefined) return { refusal };
  const { unitData, scenario } = situation;
  if (unitData === undefined) return refuse('unit-data.missing');
  if (scenario === undefined) return refuse('scenario.missing');
  const { time } = unitData;
  const second = secondsOfDay(time);
  if (second === undefined) return refuse('time.unreadable', { time });
  const window = windowAt(scenario, second);
  if (window === undefined) return refuse('scenario.no-window', { time });
  return { ok: { unitData, scenario, window, standing: standingOf(situation, unitData) } };
}

/** What this unit has, has promised and may still move. */
export function standingOf(situation: Situation, unitData: UnitData): Standing {
  const { unitId, policy, hwConfig, takenDeals } = situation;
  const storedWh = unitData.apis.remaining_capacity_wh;
  const promisedWh = committedWh(unitId, takenDeals);
  const expectedWh = storedWh + promisedWh;
  return {
    storedWh,
    committedWh: promisedWh,
    roomWh: roomWithin(policy.gridMaster.deal.forceStopCondition, hwConfig.batteryNominalCapacityWh, expectedWh),
    closed: { ...batteryElsewhere(situation), ...closedBy(unitId, takenDeals) },
  };
}

function batteryElsewhere({ mayUseBattery }: Situation): NonNullable<Standing['closed']> {
  const closed: Partial<Record<DealType, Refusal>> = {};
  for (const type of ['charge', 'discharge'] as const) {
    if (mayUseBattery?.(type) === false) closed[type] = refuse('battery.in-use', { type }).refusal;
  }
  return closed;
}
