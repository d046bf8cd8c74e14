import type { HousePoints, Sample, SeriesName } from '../../lib/house-history.ts';

/** Beyond this many points, two that lie closer than a screen shows become one. */
const SHOWN_STEPS = 360;

/** Nothing known yet. */
export const noPoints = (unitId: string, spanSeconds: number): HousePoints => ({
  unitId,
  spanSeconds,
  times: [],
  series: { rsocPercent: [], solarW: [], loadW: [], importW: [], converterW: [], busV: [], busA: [] },
  gapSeconds: 180,
});

type Series = HousePoints['series'];
const eachSeries = (change: (name: SeriesName, index: number) => readonly (number | null)[]): Series => ({
  rsocPercent: change('rsocPercent', 0),
  solarW: change('solarW', 1),
  loadW: change('loadW', 2),
  importW: change('importW', 3),
  converterW: change('converterW', 4),
  busV: change('busV', 5),
  busA: change('busA', 6),
});

/**
 * The points with the present added at their end: it replaces the last one while both lie closer than the screen
 * shows. Old points leave at the other end. A time that is not later changes nothing.
 */
export function withPresent(points: HousePoints, t: number, sample: Sample): HousePoints {
  const { times, series, spanSeconds } = points;
  const last = times.at(-1);
  if (last !== undefined && t <= last) return points;
  const beforeLast = times.at(-2);
  const replaces = last !== undefined && beforeLast !== undefined && last - beforeLast < spanSeconds / SHOWN_STEPS;
  const end = replaces ? -1 : times.length;
  const begin = times.findIndex((one) => one >= t - spanSeconds);
  const from = begin === -1 ? times.length : begin;
  return {
    ...points,
    times: [...times.slice(from, end), t],
    series: eachSeries((name, index) => [...series[name].slice(from, end), sample[index] ?? null]),
  };
}

/** True when the clock was set back behind what is drawn: the past must be asked for again. */
export const isSetBack = ({ times }: HousePoints, t: number): boolean => t < (times.at(-1) ?? t) - 60;
