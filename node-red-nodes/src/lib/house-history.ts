import { parseTimestamp } from '@apis-edge/gateway/domain';
import type { CommunityState, UnitEntry } from './community.ts';

/** What is kept of a house, in the order of a sample. Currents and converter power: + into the battery. */
export const SERIES = ['rsocPercent', 'solarW', 'loadW', 'importW', 'converterW', 'busV', 'busA'] as const;
export type SeriesName = (typeof SERIES)[number];
export type Sample = readonly (number | null)[];

/** One house over time. */
export interface HousePoints {
  readonly unitId: string;
  readonly spanSeconds: number;
  /** Seconds, in the community's own time and zone. */
  readonly times: readonly number[];
  readonly series: Readonly<Record<SeriesName, readonly (number | null)[]>>;
  /** Points further apart than this have nothing between them. */
  readonly gapSeconds: number;
}

/** All houses in one moment, as a line of a history file. */
export interface HistoryRow {
  readonly t: number;
  readonly houses: Readonly<Record<string, Sample>>;
}

const rounded = (value: number | undefined, digits: number): number | null =>
  value !== undefined && Number.isFinite(value) ? Number(value.toFixed(digits)) : null;

/** What a unit says of its house now; undefined while it is silent or its values are old: that is a gap. */
export function sampleOf(entry: UnitEntry): Sample | undefined {
  const { unit } = entry;
  if (!entry.online || unit === undefined || unit.stale === true) return undefined;
  const { meter, powermeter } = unit.dcdc;
  return [
    rounded(unit.battery.rsoc, 1),
    rounded(unit.emu?.pvc_charge_power, 0),
    rounded(unit.emu?.ups_output_power, 0),
    rounded(powermeter?.p2, 0),
    rounded(meter.wg, 0),
    rounded(meter.vg, 1),
    rounded(meter.ig, 2),
  ];
}

/** Time of the youngest reading of a living house, in seconds; undefined while there is none. */
export function communitySeconds(units: CommunityState['units']): number | undefined {
  const times = Object.values(units).flatMap((entry) => {
    const at = entry.online && entry.unit !== undefined ? parseTimestamp(entry.unit.time) : undefined;
    return at === undefined ? [] : [at / 1000];
  });
  return times.length === 0 ? undefined : Math.max(...times);
}

/** A row of all houses that have something to say; undefined when none has. */
export function rowOf(units: CommunityState['units']): HistoryRow | undefined {
  const t = communitySeconds(units);
  if (t === undefined) return undefined;
  const houses = Object.entries(units).flatMap(([unitId, entry]): [string, Sample][] => {
    const sample = sampleOf(entry);
    return sample === undefined ? [] : [[unitId, sample]];
  });
  return houses.length === 0 ? undefined : { t, houses: Object.fromEntries(houses) };
}

const isSample = (value: unknown): value is Sample =>
  Array.isArray(value) && value.length === SERIES.length && value.every((one) => one === null || Number.isFinite(one));

/** A line of a history file; undefined for one that was cut short by a power loss, or is none (INV-11). */
export function parseRow(line: string): HistoryRow | undefined {
  try {
    const { t, ...houses } = JSON.parse(line) as Record<string, unknown>;
    if (typeof t !== 'number' || !Number.isFinite(t)) return undefined;
    return {
      t,
      houses: Object.fromEntries(Object.entries(houses).flatMap(([id, one]) => (isSample(one) ? [[id, one]] : []))),
    };
  } catch {
    return undefined;
  }
}

export const lineOf = ({ t, houses }: HistoryRow): string => JSON.stringify({ t, ...houses });

/** Rows in the order of time: where a clock was set back, what had been written beyond is not the past any more. */
export function inOrder(rows: readonly HistoryRow[]): readonly HistoryRow[] {
  const kept: HistoryRow[] = [];
  for (const row of rows) {
    while ((kept.at(-1)?.t ?? Number.NEGATIVE_INFINITY) >= row.t) kept.pop();
    kept.push(row);
  }
  return kept;
}

interface Point {
  readonly t: number;
  readonly sample: Sample;
}

const MAX_POINTS = 360;
const SMALLEST_GAP_SECONDS = 180;

const mean = (values: readonly (number | null | undefined)[]): number | null => {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length === 0 ? null : Number((known.reduce((sum, one) => sum + one, 0) / known.length).toFixed(2));
};

/** Means over equal stretches of time; stretches without a point stay without one. */
function thinned(points: readonly Point[], spanSeconds: number): readonly Point[] {
  if (points.length <= MAX_POINTS) return points;
  const buckets = new Map<number, Point[]>(); // Map.groupBy is younger than the oldest Node that Node-RED runs on
  for (const point of points) {
    const key = Math.floor(point.t / (spanSeconds / MAX_POINTS));
    const bucket = buckets.get(key);
    if (bucket === undefined) buckets.set(key, [point]);
    else bucket.push(point);
  }
  return [...buckets.values()].map((bucket) => ({
    t: Math.round(bucket.reduce((sum, { t }) => sum + t, 0) / bucket.length),
    sample: SERIES.map((_, index) => mean(bucket.map(({ sample }) => sample[index]))),
  }));
}

/** Four times the usual distance: fast clocks leave wider steps between their points. */
function gapSecondsOf(times: readonly number[]): number {
  const steps = times
    .slice(1)
    .map((t, index) => t - (times[index] ?? t))
    .sort((a, b) => a - b);
  return Math.max(SMALLEST_GAP_SECONDS, 4 * (steps[steps.length >> 1] ?? 0));
}

/** A house's past within the last `spanSeconds` of the rows, thinned to what a screen can show. */
export function housePoints(
  rows: readonly HistoryRow[],
  unitId: string,
  nowSeconds: number,
  spanSeconds: number,
): HousePoints {
  const from = nowSeconds - spanSeconds;
  const points = inOrder(rows)
    .filter(({ t }) => t >= from && t <= nowSeconds)
    .flatMap(({ t, houses }): Point[] => {
      const sample = houses[unitId];
      return sample === undefined ? [] : [{ t, sample }];
    });
  const shown = thinned(points, spanSeconds);
  const times = shown.map(({ t }) => t);
  const column = (name: SeriesName) => shown.map(({ sample }) => sample[SERIES.indexOf(name)] ?? null);
  const series = {
    rsocPercent: column('rsocPercent'),
    solarW: column('solarW'),
    loadW: column('loadW'),
    importW: column('importW'),
    converterW: column('converterW'),
    busV: column('busV'),
    busA: column('busA'),
  };
  return { unitId, spanSeconds, times, series, gapSeconds: gapSecondsOf(times) };
}
