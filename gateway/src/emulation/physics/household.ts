import type { Milliseconds } from '../../domain/quantities.ts';
import type { DcdcMeter } from '../../domain/unit-data.ts';
import type { Device } from '../../ports/device.ts';
import type { HouseFaults } from '../world-fault.ts';
import type { Bus } from './bus.ts';
import type { ConverterState } from './converter-state.ts';
import type { House } from './house.ts';
import type { Meter } from './meter.ts';

/** All that belongs to one house of the world. */
export interface Household {
  readonly id: string;
  readonly house: House;
  readonly converter: ConverterState;
  readonly meter: Meter;
  readonly faults: HouseFaults;
  readonly device: Device;
  /** What the meter keeps saying while it is stuck. */
  stuck: DcdcMeter | undefined;
}

/** The true values at the converter of a house. */
export function terminalsOf({ house }: Pick<Household, 'house'>, bus: Bus, at: Milliseconds): DcdcMeter {
  const { index } = house.parts;
  const [vg, ig] = [bus.volts(index, at), bus.amperes(index, at)];
  const wb = house.converterW(at, bus);
  const vb = house.batteryV(at);
  return { vg, ig, wg: vg * ig, vb, ib: wb / vb, wb, tmp: house.thermal.celsius(at) };
}
