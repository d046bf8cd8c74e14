import { batteryLevels } from './battery-levels.ts';
import { childSpot, objectAt, optional, record, refuseUnknownKey, withDefault } from './composite-fields.ts';
import type { Field, Spot } from './field.ts';
import type { JsonObject } from './json-tree.ts';
import { choice, msec } from './scalar-fields.ts';
import type { AcceptSelection, Scenario, ScenarioWindow } from './scenario.ts';
import { type PlacedWindow, warnAboutWindows } from './scenario-warnings.ts';
import { windowTimes } from './time-of-day.ts';
import { ruleTable } from './trade-rules.ts';

const WINDOW_TEXT = 'a time window HH:MM:SS-HH:MM:SS with different ends, at most until 24:00:00';

const acceptSelection: Field<AcceptSelection> = record({
  strategy: withDefault(choice('amount', 'pointAndAmount'), 'amount'),
});

const fixedShape = { refreshingPeriodMsec: withDefault(msec, 5000), acceptSelection: optional(acceptSelection) };
const fixedKeys = record(fixedShape);

const windowContent = record({
  batteryStatus: batteryLevels,
  acceptSelection: optional(acceptSelection),
  request: ruleTable,
  accept: ruleTable,
});

/** scenario.json (market §2.1): two fixed keys, and any number of time windows in file order. */
export const scenarioFields: Field<Scenario> = {
  expected: 'an object',
  optional: false,
  read(spot) {
    const object = objectAt(spot);
    if (object === undefined) return undefined;
    const placed = [...object.members.keys()].flatMap((key) => readMember(key, childSpot(object, spot, key)) ?? []);
    const fixed = fixedKeys.read({ ...spot, node: fixedPart(object) });
    if (fixed === undefined) return undefined;
    const scenario = { ...fixed, windows: placed.map(({ window }) => window) };
    warnAboutWindows(placed, scenario, spot);
    return scenario;
  },
};

const isFixed = (key: string): boolean => Object.hasOwn(fixedShape, key);

const fixedPart = (object: JsonObject): JsonObject => ({
  ...object,
  members: new Map([...object.members].filter(([key]) => isFixed(key))),
});

function readMember(key: string, spot: Spot): PlacedWindow | undefined {
  if (isFixed(key)) return undefined;
  if (!key.includes('-')) {
    refuseUnknownKey(spot, [...Object.keys(fixedShape), WINDOW_TEXT]);
    return undefined;
  }
  const window = readWindow(key, spot);
  return window === undefined ? undefined : { key, spot, window };
}

function readWindow(key: string, spot: Spot): ScenarioWindow | undefined {
  const times = windowTimes(key);
  if (times === undefined)
    spot.report.problem({ line: spot.line, path: spot.path, message: `expected ${WINDOW_TEXT}` });
  const content = windowContent.read(spot);
  return times === undefined || content === undefined ? undefined : { ...times, ...content };
}
