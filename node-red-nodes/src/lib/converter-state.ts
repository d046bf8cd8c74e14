import type { CommunityState } from '@apis-edge/gateway/client';
import { type ConverterMode, type DcdcMeter, modeOfCode } from '@apis-edge/gateway/domain';

/** What `apis-dcdc` sends: the converter as its unit sees it. Currents: + into the battery, − out of it. */
export interface ConverterMessage extends DcdcMeter {
  readonly unitId: string;
  /** One of our four modes; absent when the converter is in another state of its own. */
  readonly mode?: ConverterMode;
  readonly status: string;
  readonly operationMode: string;
  readonly alarmState: string;
  /** Set-points: bus voltage, droop ratio, magnitude of the bus current. */
  readonly dvg: number;
  readonly drg: number;
  readonly dig: number;
  readonly time: string;
  readonly stale: boolean;
}

/** The converter of a unit out of the community's state; undefined before it was heard. */
export function converterState(state: CommunityState, unitId: string): ConverterMessage | undefined {
  const entry = state.units[unitId];
  if (entry?.unit === undefined) return undefined;
  const { dcdc, time, stale } = entry.unit;
  const mode = modeOfCode(dcdc.status.status);
  return {
    unitId,
    ...(mode === undefined ? {} : { mode }),
    status: dcdc.status.status,
    operationMode: dcdc.status.operationMode,
    alarmState: dcdc.status.alarmState,
    ...dcdc.meter,
    dvg: dcdc.vdis.dvg,
    drg: dcdc.vdis.drg,
    dig: dcdc.param.dig,
    time,
    stale: !entry.online || stale === true,
  };
}
