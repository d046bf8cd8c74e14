import type { Amperes, Celsius, Ohms, Volts } from '../../domain/quantities.ts';
import type { ConverterLossName } from './converter-loss.ts';

/** Electrical character of a converter (emulator.md §6.2). */
export interface ConverterOptions {
  readonly loss: ConverterLossName;
  /** Seconds from a dead bus to the full voltage; 0 = at once. */
  readonly rampSeconds: number;
  /** Change of the set voltage while the bus is up already, V/s; 0 = at once, undefined = as slowly as from a dead bus. */
  readonly voltageSlewVPerS?: number;
  /** Lowering is at once whatever the slew, as in the original. */
  readonly fallsAtOnce: boolean;
  /** A/s; 0 = at once. */
  readonly currentSlewAPerS: number;
  readonly ratedA: Amperes;
  /** False lets the voltage reference carry any current, as in the original. */
  readonly limitsCurrent: boolean;
  /** Inner resistance of a stiff voltage reference. */
  readonly minOhms: Ohms;
  /** False: no trips, and a bus without a voltage reference is dead at once, as in the original. */
  readonly protects: boolean;
  readonly underVoltageV: Volts;
  readonly overVoltageV: Volts;
  readonly batteryLimitA: Amperes;
  readonly overTemperatureC: Celsius;
}

const STANDARD: ConverterOptions = {
  loss: 'eza-like',
  rampSeconds: 3,
  voltageSlewVPerS: 400,
  fallsAtOnce: false,
  currentSlewAPerS: 10,
  ratedA: 2500 / 380,
  limitsCurrent: true,
  minOhms: 0.05,
  protects: true,
  underVoltageV: 300,
  overVoltageV: 400,
  batteryLimitA: 60,
  overTemperatureC: 70,
};

/** `standard` is a real converter, `ideal` one without ramps and losses, `compat` the original emulator's. */
export const CONVERTER_PRESETS = {
  standard: STANDARD,
  ideal: { ...STANDARD, loss: 'none', rampSeconds: 0, voltageSlewVPerS: 0, currentSlewAPerS: 0 },
  compat: {
    loss: 'compat',
    rampSeconds: 120,
    fallsAtOnce: true,
    currentSlewAPerS: 0,
    ratedA: STANDARD.ratedA,
    limitsCurrent: false,
    minOhms: 1e-6,
    protects: false,
    underVoltageV: 300,
    overVoltageV: 400,
    batteryLimitA: 25,
    overTemperatureC: STANDARD.overTemperatureC,
  },
} as const satisfies Record<string, ConverterOptions>;
export type ConverterPreset = keyof typeof CONVERTER_PRESETS;
