import type { CommunityState } from '@apis-edge/gateway/client';

/** What `apis-battery` sends: the battery as its unit sees it. */
export interface BatteryMessage {
  readonly unitId: string;
  /** Relative state of charge, %. */
  readonly rsoc: number;
  /** 0 none, 1 charge only, 2 discharge only, 3 both; absent when the battery does not tell. */
  readonly battery_operation_status?: number;
  readonly remainingWh: number;
  /** Time of the reading, in the community's own time. */
  readonly time: string;
  /** True when the reading is old: device silent, or unit not reachable. */
  readonly stale: boolean;
}

const isPercent = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value <= 100;

/** The battery of a unit out of the community's state; undefined before it was heard, or when its charge is no percentage. */
export function batteryState(state: CommunityState, unitId: string): BatteryMessage | undefined {
  const entry = state.units[unitId];
  const unit = entry?.unit;
  if (entry === undefined || unit === undefined || !isPercent(unit.battery.rsoc)) return undefined;
  const permission = unit.battery.battery_operation_status;
  return {
    unitId,
    rsoc: unit.battery.rsoc,
    ...(typeof permission === 'number' ? { battery_operation_status: permission } : {}),
    remainingWh: unit.apis.remaining_capacity_wh,
    time: unit.time,
    stale: !entry.online || unit.stale === true,
  };
}
