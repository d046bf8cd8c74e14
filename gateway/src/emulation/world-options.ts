import type { Celsius, EpochMsec, Milliseconds, Percent, WattHours } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { SeededEntropy } from '../ports/entropy.ts';
import type { Dataset } from './dataset.ts';
import type { BatteryModelName } from './physics/battery-model.ts';
import type { BusOptions } from './physics/bus.ts';
import type { ConverterOptions, ConverterPreset } from './physics/converter-options.ts';
import type { HouseLossName } from './physics/house-loss.ts';
import type { MeterErrors, MeterPreset } from './physics/meter.ts';
import type { NetworkSpec } from './physics/topology.ts';

export interface HouseOptions {
  readonly id: string;
  /** Default 4800. */
  readonly capacityWh?: WattHours;
  /** At the start; default 50. */
  readonly rsoc?: Percent;
  /** Factor on the sun of the dataset; default 1. */
  readonly pvScale?: number;
  /** How much later than in the dataset the sun shines here (orientation); default 0. */
  readonly pvShiftMinutes?: number;
  /** Home of the dataset whose load this house has; default: as many as there are, in order. */
  readonly home?: string;
  readonly loadScale?: number;
}

/** Time between a request to a device and its answer; the command acts half-way. */
export type LatencyOptions =
  | { readonly kind: 'fixed'; readonly msec: Milliseconds }
  | { readonly kind: 'log-normal'; readonly medianMsec: Milliseconds; readonly sigma: number };

export interface WorldOptions {
  readonly clock: Clock;
  readonly entropy: SeededEntropy;
  /** Houses, or how many of them: E001, E002, … */
  readonly houses: readonly HouseOptions[] | number;
  /** Default: a line with a house every 30 m. */
  readonly network?: NetworkSpec;
  /** Sun and loads; default: none, everything is set by hand. */
  readonly dataset?: Dataset;
  /** Wall time of the world at its creation; default: the clock's. */
  readonly startAt?: EpochMsec;
  /** Default `compat`, the original's. */
  readonly lossProfile?: HouseLossName;
  /** Default `standard`. */
  readonly converter?: ConverterPreset | ConverterOptions;
  readonly battery?: BatteryModelName;
  /** Default: log-normal with a median of 20 ms. */
  readonly latency?: LatencyOptions;
  /** Default `small`. */
  readonly meters?: MeterPreset | MeterErrors;
  readonly bus?: Partial<BusOptions>;
  readonly ambientC?: Celsius;
}

export const houseIds = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `E${String(index + 1).padStart(3, '0')}`);

/** What makes a world behave as the original emulator does, quirks included (emulator.md §1). */
export const COMPAT_WORLD = {
  converter: 'compat',
  lossProfile: 'compat',
  battery: 'ideal',
  network: { kind: 'line', ohmsPerSpan: 0 },
  meters: 'quantised',
  latency: { kind: 'fixed', msec: 0 },
  bus: { faradsPerHouse: 0 },
} as const satisfies Partial<WorldOptions>;
