/** Numbers as people read them: always with their unit, never a bare or broken one. */

/** Shown where a value is not known. */
export const UNKNOWN = '–';

const isKnown = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value);

/** With a minus sign: a hyphen is too short to be seen beside a number. */
export const withMinus = (number: number | string): string => String(number).replace('-', '−');

/** Rounds and turns a negative zero into zero, so that no "-0" is ever shown. */
const fixed = (value: number, digits: number): string => {
  const text = value.toFixed(digits);
  return Number(text) === 0 ? (0).toFixed(digits) : withMinus(text);
};

const withUnit = (value: number | undefined, digits: number, unit: string): string =>
  isKnown(value) ? `${fixed(value, digits)} ${unit}` : `${UNKNOWN} ${unit}`;

/** `812 W`, from 10 kW on `12.3 kW`. */
export const watts = (value: number | undefined): string =>
  isKnown(value) && Math.abs(value) >= 10_000 ? withUnit(value / 1000, 1, 'kW') : withUnit(value, 0, 'W');
/** `350.2 V` */
export const volts = (value: number | undefined): string => withUnit(value, 1, 'V');
/** `63 %` */
export const percent = (value: number | undefined): string => withUnit(value, 0, '%');
/** `2.0 A` */
export const amperes = (value: number | undefined): string => withUnit(value, 1, 'A');
/** `+2.0 A` into the battery, `−2.0 A` out of it. */
export const signedAmperes = (value: number | undefined): string =>
  isKnown(value) && Number(value.toFixed(1)) > 0 ? `+${amperes(value)}` : amperes(value);
/** `264 Wh`; small amounts keep one digit. */
export const wattHours = (value: number | undefined): string =>
  withUnit(value, isKnown(value) && Math.abs(value) < 10 && value !== 0 ? 1 : 0, 'Wh');

/** `264 of 500 Wh`: one unit for both. */
export const wattHoursOf = (done: number, whole: number): string =>
  `${wattHours(done).slice(0, -3)} of ${wattHours(whole)}`;

/** `less than 1 min`, `12 min`, `2 h 05 min`. */
export function duration(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return 'less than 1 min';
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** `1000 points`, `12.5 points`. */
export const points = (value: number | undefined): string =>
  withUnit(value, isKnown(value) && Math.abs(value) < 100 && !Number.isInteger(value) ? 1 : 0, 'points');
/** `10 points/Wh` */
export const price = (value: number | undefined): string =>
  isKnown(value) ? `${Number(value.toFixed(2))} points/Wh` : 'no price';
/** `less than 1 ms`, `3 ms`, `1.2 s` */
export const milliseconds = (value: number): string => {
  if (Math.round(value) < 1) return 'less than 1 ms';
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
};

/** `0.4 s` of milliseconds. */
export const seconds = (msec: number): string => `${(msec / 1000).toFixed(1)} s`;

/** `2020/05/15-09:37:05` as `15 May 09:37`; text that is no time stays as it is. */
export function shortTime(text: string): string {
  const match = /^\d{4}\/(\d{2})\/(\d{2})-(\d{2}:\d{2})/.exec(text);
  if (match === null) return text;
  const month = MONTH_NAMES[Number(match[1]) - 1] ?? match[1];
  return `${Number(match[2])} ${month} ${match[3]}`;
}
const MONTH_NAMES = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
