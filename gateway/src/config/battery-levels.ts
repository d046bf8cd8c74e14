import { childSpot, objectAt } from './composite-fields.ts';
import type { Field, Spot } from './field.ts';
import { common, gaps } from './intervals.ts';
import { text } from './scalar-fields.ts';
import type { BatteryLevel } from './scenario.ts';

const EXPECTED = 'a range of whole Wh, lower-upper with lower < upper, either side may be empty';

/** `batteryStatus` of a window: ranges of stored energy in file order, each with its status name (market §2.3). */
export const batteryLevels: Field<readonly BatteryLevel[]> = {
  expected: 'an object',
  optional: false,
  read(spot) {
    const object = objectAt(spot);
    if (object === undefined) return undefined;
    const levels: BatteryLevel[] = [];
    for (const key of object.members.keys()) {
      const level = readLevel(key, childSpot(object, spot, key));
      if (level === undefined) continue;
      warnOfOverlap(level, levels, childSpot(object, spot, key));
      levels.push(level);
    }
    warnOfGaps(levels, spot);
    return levels;
  },
};

function readLevel(key: string, spot: Spot): BatteryLevel | undefined {
  if (!key.includes('-')) {
    spot.report.warn({ line: spot.line, path: spot.path, message: `is ignored, expected ${EXPECTED}` }); // vector BS-08
    return undefined;
  }
  const bounds = levelBounds(key);
  if (bounds === undefined) spot.report.problem({ line: spot.line, path: spot.path, message: `expected ${EXPECTED}` });
  const status = text.read(spot);
  return bounds === undefined || status === undefined ? undefined : { ...bounds, status };
}

/** A bound that does not parse is refused: read as "unbounded" it would turn the table upside down (market W24). */
function levelBounds(key: string): { lowerWh: number; upperWh: number } | undefined {
  const match = /^(\d{0,9})-(\d{0,9})$/.exec(key);
  if (match === null) return undefined;
  const lowerWh = match[1] === '' ? -Infinity : Number(match[1]);
  const upperWh = match[2] === '' ? Infinity : Number(match[2]);
  return lowerWh < upperWh ? { lowerWh, upperWh } : undefined;
}

const interval = ({ lowerWh, upperWh }: BatteryLevel) => ({ from: lowerWh, to: upperWh });

function warnOfOverlap(level: BatteryLevel, earlier: readonly BatteryLevel[], { report, line, path }: Spot): void {
  const other = earlier.find((candidate) => common(interval(candidate), interval(level)) !== undefined);
  if (other === undefined) return;
  const message = `overlaps ${other.lowerWh} to ${other.upperWh} Wh (${JSON.stringify(other.status)}); the first in the file counts`;
  report.warn({ line, path, message });
}

function warnOfGaps(levels: readonly BatteryLevel[], { report, line, path }: Spot): void {
  for (const { from, to } of gaps({ from: 0, to: Infinity }, levels.map(interval))) {
    report.warn({ line, path, message: `gives no status from ${from} to ${to} Wh: no trade there` });
  }
}
