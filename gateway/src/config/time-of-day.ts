import type { Interval } from './intervals.ts';

export const DAY_SECONDS = 24 * 60 * 60;
const TIME = /^([01]\d|2[0-3]):([0-5]\d):([0-5]\d)$/;

/** Seconds of day of a zero-padded HH:MM:SS, or undefined. */
function secondsOfDay(time: string): number | undefined {
  const match = TIME.exec(time);
  return match === null ? undefined : Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);
}

/**
 * Start and end of a window key `HH:MM:SS-HH:MM:SS`, or undefined when it is none. An empty start means midnight
 * (vector TW-09), 24:00:00 may end a window. Equal ends could mean nothing or all day, so they are refused.
 */
export function windowTimes(key: string): Interval | undefined {
  const [start = '', end = '', ...more] = key.split('-');
  const from = start === '' ? 0 : secondsOfDay(start);
  const to = end === '24:00:00' ? DAY_SECONDS : secondsOfDay(end);
  return more.length > 0 || from === undefined || to === undefined || from === to ? undefined : { from, to };
}

/** A window as one interval of the day, or two when it crosses midnight (market W23). */
export const partsOfDay = ({ from, to }: Interval): Interval[] =>
  from < to
    ? [{ from, to }]
    : [
        { from, to: DAY_SECONDS },
        { from: 0, to },
      ];

/** Seconds of day as HH:MM:SS. */
export const clockText = (seconds: number): string =>
  [seconds / 3600, (seconds / 60) % 60, seconds % 60]
    .map((part) => String(Math.trunc(part)).padStart(2, '0'))
    .join(':');
