import { secondsOfDay } from '@apis-edge/gateway/domain';

export type Sky = 'night' | 'dawn' | 'day' | 'dusk';

const UNTIL_HOUR: readonly (readonly [number, Sky])[] = [
  [5, 'night'],
  [8, 'dawn'],
  [17, 'day'],
  [20, 'dusk'],
  [24, 'night'],
];

/** Tint of the picture's background for the community's time of day; plain day while the time is unknown. */
export function skyOf(clock: string | undefined): Sky {
  const seconds = clock === undefined ? undefined : secondsOfDay(clock);
  if (seconds === undefined) return 'day';
  return UNTIL_HOUR.find(([hour]) => seconds < hour * 3600)?.[1] ?? 'day';
}
