import { CONVERTER_MODES } from '../domain/converter-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { BatteryState, Dcdc, EmuData } from '../domain/unit-data.ts';
import type { Bus } from './physics/bus.ts';
import { type Household, terminalsOf } from './physics/household.ts';

/** The field log's relation between the displayed and the real state of charge (emulator.md §6.3). */
const realRsoc = (displayed: number): number => (displayed + 7.65) / 1.073;

function alarmStateOf({ converter, faults }: Household): string {
  if (converter.trip !== undefined) return 'Heavy alarm';
  return faults.has('lightAlarm') ? 'Light alarm' : 'No alarm';
}

/** The converter as its own registers and meters show it. */
export function dcdcOf(household: Household, bus: Bus, at: Milliseconds): Dcdc {
  const { house, converter } = household;
  const { code, operationMode, runningState } = CONVERTER_MODES[converter.mode];
  const { underVoltageV, overVoltageV, batteryLimitA } = converter.options;
  return {
    status: { status: code, operationMode, alarmState: alarmStateOf(household), runningState },
    meter: household.stuck ?? household.meter.read(terminalsOf(household, bus, at)),
    vdis: { dvg: converter.dvg, drg: converter.drg },
    param: { dig: converter.dig, ogv: overVoltageV, ugv: underVoltageV, cib: batteryLimitA },
    powermeter: { p2: house.flow('import', at) },
  };
}

/** What the battery tells; one that is locked permits neither direction. */
export const batteryOf = ({ house }: Household, at: Milliseconds): BatteryState => ({
  rsoc: house.rsoc(at),
  battery_operation_status: house.overrides.locked ? 0 : 3,
});

/** The household's own data, as the energy management unit shows them. */
export function emuOf({ house }: Household, at: Milliseconds): EmuData {
  const rsoc = house.rsoc(at);
  const batteryW = house.flow('battery', at);
  return {
    rsoc,
    battery_rsoc: realRsoc(rsoc),
    pvc_charge_power: house.flow('pvUsed', at),
    ups_output_power: house.flow('load', at),
    charge_discharge_power: Math.abs(batteryW),
    battery_current: batteryW / house.batteryV(at),
    ups_operation_mode: { parameter: 80, mode: house.latches.bypass ? 5 : 2, stop_mode: 2 },
  };
}
