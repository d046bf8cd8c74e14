import type { GridState, UnitData } from '@apis-edge/gateway/domain';
import { labelOfMode, modeOfCode } from '@apis-edge/gateway/domain';
import type { UnitEntry } from '../../lib/community.ts';
import { CONVERTER_TEXTS } from '../shared/texts.ts';
import type { HouseView, Presence } from './view.ts';

const presenceOf = (entry: UnitEntry): Presence => {
  if (!entry.online) return 'offline';
  return entry.unit === undefined || entry.unit.stale === true ? 'stale' : 'live';
};

/** Drops the keys without a value, as `exactOptionalPropertyTypes` wants it. */
const known = <T extends object>(fields: { [K in keyof T]: T[K] | undefined }): Partial<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;

const readings = (unit: UnitData): Partial<HouseView> =>
  known<Partial<HouseView>>({
    rsocPercent: unit.battery.rsoc,
    remainingWh: unit.apis.remaining_capacity_wh,
    solarW: unit.emu?.pvc_charge_power,
    loadW: unit.emu?.ups_output_power,
    importW: unit.dcdc.powermeter?.p2, // the meter in front of the house's AC input (emulator.md §1)
    gridCurrentA: unit.dcdc.meter.ig,
    gridVoltageV: unit.dcdc.meter.vg,
    mode: modeOfCode(unit.dcdc.status.status),
    ownMode: unit.apis.operation_mode.local === null ? undefined : labelOfMode(unit.apis.operation_mode.local),
  });

const modeText = (unit: UnitData | undefined): string => {
  const mode = modeOfCode(unit?.dcdc.status.status);
  return mode === undefined ? (unit?.dcdc.status.operationMode ?? 'Unknown') : CONVERTER_TEXTS[mode];
};

/** One house as the picture shows it; marks come from the grid master's word, the rest from the unit's own. */
export function houseView(unitId: string, entry: UnitEntry, grid: GridState | undefined): HouseView {
  return {
    unitId,
    name: entry.unit?.oesunit.display || entry.birth?.display || unitId,
    presence: presenceOf(entry),
    modeText: modeText(entry.unit),
    isVoltageReference: entry.online && modeOfCode(entry.unit?.dcdc.status.status) === 'VOLTAGE_REFERENCE',
    isGridMaster: grid?.gridMasterUnitId === unitId,
    ...(entry.unit === undefined ? {} : readings(entry.unit)),
  };
}
