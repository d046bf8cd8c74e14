import { withMinus } from '../shared/format.ts';

/** What a plot is drawn of; all pure. Times in seconds. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

const STEPS = [1, 2, 2.5, 5, 10];

/** Round values that cover the range with about `count` steps. */
export function niceTicks({ from, to }: Range, count: number): readonly number[] {
  const rough = Math.max(to - from, 1e-9) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = (STEPS.find((one) => one * power >= rough) ?? 10) * power;
  const first = Math.floor(from / step + 1e-9);
  const last = Math.ceil(to / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** Ticks as texts, all with the digits of the finest: numbers of one scale stand below each other. */
export function tickTexts(ticks: readonly number[]): readonly string[] {
  const digits = Math.max(0, ...ticks.map((tick) => String(tick).split('.')[1]?.length ?? 0));
  return ticks.map((tick) => withMinus(tick.toFixed(digits)));
}

/** What is drawn around a line that is level. */
const FLAT_SPAN = 2;

/** Covers the values and `least`, with air around what spreads less than `leastSpan`, or not at all. */
export function extentOf(values: readonly (number | null)[], least?: Range, leastSpan = 0): Range {
  const known = values.filter((value) => value !== null);
  const from = Math.min(...known, least?.from ?? Number.POSITIVE_INFINITY);
  const to = Math.max(...known, least?.to ?? Number.NEGATIVE_INFINITY);
  if (!Number.isFinite(from) || !Number.isFinite(to)) return { from: 0, to: 1 };
  const span = to > from ? leastSpan : Math.max(leastSpan, FLAT_SPAN);
  const air = Math.max(0, span - (to - from)) / 2;
  return { from: from - air, to: to + air };
}

const MINUTE = 60;
const HOUR = 3600;
const TIME_STEPS = [5, 10, 15, 30].map((n) => n * MINUTE).concat([1, 2, 3, 6, 12, 24, 48].map((n) => n * HOUR));

/** Round times within the range, at most `count`. */
export function timeTicks({ from, to }: Range, count: number): readonly number[] {
  const step = TIME_STEPS.find((one) => (to - from) / one <= count) ?? (to - from) / count;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, index) => (first + index) * step);
}

const pad = (value: number): string => String(value).padStart(2, '0');

/** `12:40`, and the day where it begins or the range is long. */
export function timeText(seconds: number, isLong = false): string {
  const at = new Date(seconds * 1000);
  const clock = `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}`;
  return isLong
    ? `${at.getUTCDate()} ${at.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' })} ${clock}`
    : clock;
}

export interface PlotPoint {
  readonly t: number;
  readonly value: number;
}

/** The stretches of a line without anything missing in them. */
export function stretches(
  times: readonly number[],
  values: readonly (number | null)[],
  gapSeconds: number,
): readonly (readonly PlotPoint[])[] {
  const all: PlotPoint[][] = [];
  let last: number | undefined;
  for (const [index, t] of times.entries()) {
    const value = values[index] ?? null;
    if (value === null) {
      last = undefined;
      continue;
    }
    if (last === undefined || t - last > gapSeconds) all.push([]);
    all.at(-1)?.push({ t, value });
    last = t;
  }
  return all;
}

/** Where nothing is known within the range. */
export function gapsOf(times: readonly number[], gapSeconds: number, { from, to }: Range): readonly Range[] {
  const edges = [from, ...times.filter((t) => t >= from), to];
  return edges.slice(1).flatMap((t, index) => {
    const before = edges[index] ?? t;
    return t - before > gapSeconds ? [{ from: before, to: t }] : [];
  });
}

/** Index of the point nearest to a time; undefined when there is none. */
export function nearestIndex(times: readonly number[], t: number): number | undefined {
  let best: number | undefined;
  for (const [index, one] of times.entries()) {
    if (best === undefined || Math.abs(one - t) < Math.abs((times[best] ?? one) - t)) best = index;
  }
  return best;
}

/** SVG path of a stretch; a single point becomes a dot. */
export const pathOf = (points: readonly PlotPoint[], x: (t: number) => number, y: (value: number) => number): string =>
  points.length === 1
    ? points.map(({ t, value }) => `M${x(t).toFixed(1)} ${y(value).toFixed(1)}h0.1`).join('')
    : points
        .map(({ t, value }, index) => `${index === 0 ? 'M' : 'L'}${x(t).toFixed(1)} ${y(value).toFixed(1)}`)
        .join('');

/** A twelfth of the span is drawn at least. */
const LEAST_SHARE = 12;

/**
 * The last `spanSeconds`, or only from the first point on while less than that is known. What has just begun fills its
 * plot from the left: the range then reaches into the future.
 */
export function rangeOf(times: readonly number[], nowSeconds: number, spanSeconds: number): Range {
  const longest = nowSeconds - spanSeconds;
  const from = Math.max(longest, times[0] ?? longest);
  return { from, to: Math.max(nowSeconds, from + spanSeconds / LEAST_SHARE) };
}
