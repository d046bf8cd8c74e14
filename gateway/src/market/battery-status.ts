import type { ScenarioWindow } from '../config/scenario.ts';
import type { WattHours } from '../domain/quantities.ts';

/** Name of the first level in file order that holds the stored energy; undefined in a gap or when unknown (market §2.3). */
export function statusOf(
  window: Pick<ScenarioWindow, 'batteryStatus'>,
  storedWh: WattHours | undefined,
): string | undefined {
  if (storedWh === undefined) return undefined;
  for (const level of window.batteryStatus)
    if (level.lowerWh <= storedWh && storedWh < level.upperWh) return level.status;
  return undefined;
}
