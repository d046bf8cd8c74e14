import type { EpochMsec } from './quantities.ts';

/** Text that stands for "this phase never happened, but counts as set" in deal records (market.md §3.3). */
export const NEVER = '--';

const pad = (value: number): string => String(value).padStart(2, '0');

/** The last second that was formatted: in a second many stamps are written. */
let last = { second: Number.NaN, text: '' };

/**
 * Wall-clock text of the original, `yyyy/MM/dd-HH:mm:ss` (market.md §0), in the zone that lies
 * `zoneOffsetMinutes` east of UTC.
 */
export function formatTimestamp(at: EpochMsec, zoneOffsetMinutes = 0): string {
  const second = Math.floor(at / 1000) + zoneOffsetMinutes * 60;
  if (second !== last.second) last = { second, text: textOf(second) };
  return last.text;
}

function textOf(second: number): string {
  const local = new Date(second * 1000);
  const day = `${local.getUTCFullYear()}/${pad(local.getUTCMonth() + 1)}/${pad(local.getUTCDate())}`;
  return `${day}-${pad(local.getUTCHours())}:${pad(local.getUTCMinutes())}:${pad(local.getUTCSeconds())}`;
}

const PATTERN = /^(\d{4})\/(\d{2})\/(\d{2})-(\d{2}):(\d{2}):(\d{2})(?:\..*)?$/;

/** Reads what `formatTimestamp` writes; anything after a `.` is ignored. Returns undefined for other text. */
export function parseTimestamp(text: string, zoneOffsetMinutes = 0): EpochMsec | undefined {
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  // Date.UTC rolls 02/30 over to 03/01: such text is refused, not reinterpreted.
  return formatTimestamp(at) === text.slice(0, 19) ? at - zoneOffsetMinutes * 60_000 : undefined;
}

const TIME_OF_DAY = /-([01]\d|2[0-3]):([0-5]\d):([0-5]\d)/;

/** The last text that was read: in a second many stamps say the same. */
let lastRead: { readonly timestamp: string; readonly seconds: number | undefined } = {
  timestamp: '',
  seconds: undefined,
};

/** Seconds since local midnight (0 … 86 399) of a time stamp; undefined when the text is none. */
export function secondsOfDay(timestamp: string): number | undefined {
  if (timestamp !== lastRead.timestamp) lastRead = { timestamp, seconds: readSeconds(timestamp) };
  return lastRead.seconds;
}

function readSeconds(timestamp: string): number | undefined {
  const match = TIME_OF_DAY.exec(timestamp);
  return match === null ? undefined : Number(match[1]) * 3_600 + Number(match[2]) * 60 + Number(match[3]);
}
