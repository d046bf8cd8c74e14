import { type ConverterMode, modeOfCode } from '../domain/converter-mode.ts';
import { formatTimestamp } from '../domain/timestamp.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import type { World } from '../emulation/world.ts';

/** JSON of the original emulator, byte order of its fields included (emulator.md §4). */
type Json = { readonly [key: string]: unknown };

/** What clients may set although the physics has no use for it. */
export interface ShownValues {
  readonly emu: Readonly<Record<string, number>>;
  readonly powermeter: Readonly<Record<string, number>>;
}
export const NOTHING_SHOWN: ShownValues = { emu: {}, powermeter: {} };

const STATUS_NAMES: Readonly<Record<ConverterMode, string>> = {
  WAIT: 'Waiting',
  VOLTAGE_REFERENCE: 'Grid Autonomy Mode',
  CHARGE: 'Heteronomy CV Charging - grid current limited',
  DISCHARGE: 'Heteronomy CV Discharging',
};

/** Fields that the original never changes: its clients read them, so they are served. */
const FIXED_EMU = {
  system_time: { month: 12, minute: 5, day: 20, hour: 23, year: 2014 },
  pvc_charge_current: 0,
  ups_input_voltage: 102.8,
  battery_voltage: 52.1,
  pvc_charge_voltage: 0.28,
  ups_operation_schedule: 1,
  battery_rsoc: 34,
  ups_output_frequency: 60,
  ups_output_current: 11.7,
  dischargeable_time: { minute: 0, hour: 0 },
  ups_output_voltage: 102.8,
};

export const round2 = (value: number): number => Math.round(value * 100) / 100;

/** The `emu` object of a house. */
export function emuJson(world: World, houseId: string, shown = NOTHING_SHOWN): Json {
  const house = world.house(houseId);
  return {
    charge_discharge_power: round2(Math.abs(house.batteryW)),
    system_time: FIXED_EMU.system_time,
    pvc_charge_current: FIXED_EMU.pvc_charge_current,
    ups_input_voltage: FIXED_EMU.ups_input_voltage,
    rsoc: round2(house.rsoc),
    battery_current: round2(house.batteryW / house.vb),
    battery_voltage: FIXED_EMU.battery_voltage,
    pvc_charge_voltage: FIXED_EMU.pvc_charge_voltage,
    ups_operation_mode: { parameter: 80, mode: house.bypass ? 5 : 2, stop_mode: 2 },
    ups_operation_schedule: FIXED_EMU.ups_operation_schedule,
    ups_output_power: round2(house.loadW),
    battery_rsoc: FIXED_EMU.battery_rsoc,
    ups_output_frequency: FIXED_EMU.ups_output_frequency,
    pvc_charge_power: round2(house.pvW),
    ups_output_current: FIXED_EMU.ups_output_current,
    dischargeable_time: FIXED_EMU.dischargeable_time,
    ups_output_voltage: FIXED_EMU.ups_output_voltage,
    ...shown.emu,
  };
}

/** `Light alarm` is what the original always shows; readers must not take it for a fault. */
const alarmState = ({ status }: Dcdc): string => (status.alarmState === 'No alarm' ? 'Light alarm' : status.alarmState);

function meterJson({ meter }: Dcdc): Json {
  const { wg, tmp, vb, wb, vg, ib, ig } = meter;
  return {
    wg: round2(wg),
    tmp: round2(tmp),
    vb: round2(vb),
    wb: round2(wb),
    vg: round2(vg),
    ib: round2(ib),
    ig: round2(ig),
  };
}

/** The whole `dcdc` object. */
export function dcdcJson(world: World, houseId: string, shown = NOTHING_SHOWN): Json {
  const dcdc = world.dcdc(houseId);
  const { status, operationMode, runningState } = dcdc.status;
  return {
    status: {
      status,
      alarm: '4010 0080 0000',
      alarmState: alarmState(dcdc),
      statusName: STATUS_NAMES[modeOfCode(status) ?? 'WAIT'],
      runningState,
      operationMode,
    },
    powermeter: {
      p2: Math.trunc(dcdc.powermeter?.p2 ?? 0),
      p1: 0,
      i1: 0,
      kwh1: 0,
      kwh2: 0,
      v1: 206.1,
      ...shown.powermeter,
    },
    param: {
      cib: dcdc.param.cib ?? 25,
      ubv: 40,
      ogv: dcdc.param.ogv ?? 400,
      dig: dcdc.param.dig,
      obv: 59,
      ugv: dcdc.param.ugv ?? 300,
    },
    vdis: { ...dcdc.vdis },
    meter: meterJson(dcdc),
  };
}

/** The short forms of `dcdc`, by the parts that a reply carries. */
export const REDUCED = {
  status: (dcdc: Dcdc): Json => ({ status: statusJson(dcdc), meter: meterJson(dcdc) }),
  mode: (dcdc: Dcdc): Json => ({
    status: statusJson(dcdc),
    meter: meterJson(dcdc),
    vdis: { ...dcdc.vdis },
    param: { dig: dcdc.param.dig },
  }),
  voltage: (dcdc: Dcdc): Json => ({ meter: meterJson(dcdc), vdis: { ...dcdc.vdis } }),
  current: (dcdc: Dcdc): Json => ({ meter: meterJson(dcdc), param: { dig: dcdc.param.dig } }),
} as const;

const statusJson = (dcdc: Dcdc): Json => ({
  status: dcdc.status.status,
  alarmState: alarmState(dcdc),
  operationMode: dcdc.status.operationMode,
});

/** A whole unit; `reduced` as `/get/unit` serves it, without the parts that `/get/log` has besides. */
export function unitJson(world: World, houseId: string, port: number, shown = NOTHING_SHOWN, reduced = false): Json {
  const index = world.houseIds().indexOf(houseId);
  return {
    emu: emuJson(world, houseId, shown),
    dcdc: reduced ? REDUCED.mode(world.dcdc(houseId)) : dcdcJson(world, houseId, shown),
    oesunit: {
      on: true,
      ip: `localhost:${port}/E${String(index).padStart(3, '0')}`,
      display: `Sample_${houseId}`,
      ipv6_ll: 'NA',
      mac: 'NA',
      ipv6_g: 'NA',
      sn: String(index + 1),
      budo: '1',
      id: houseId,
    },
    time: formatTimestamp(world.now(), world.clock.zoneOffsetMinutes()),
  };
}
