import { ConfigError } from '../../domain/errors.ts';
import type { Dataset } from '../dataset.ts';
import type { HouseSpec } from './house-bank.ts';
import { LOSS_PROFILES, type LossProfileName } from './loss-profile.ts';
import { type PvCase, pvFactors } from './pv-case.ts';
import { type RunOptions, type RunResult, runYear } from './run-year.ts';
import { CAPACITY_WH, type TradeSetUp } from './trade-set-up.ts';
import { sampleYear, sumOfLoads, type YearSamples } from './year-samples.ts';

export interface StudyOptions {
  readonly dataset: Dataset;
  readonly houses: number;
  readonly days: number;
  readonly pv: PvCase;
  readonly losses: LossProfileName;
  readonly trade: TradeSetUp;
  readonly seed: number;
}

/** Each house for itself, trading houses, and all behind one battery: (a), (b) and (c) of emulator.md §8. */
export const STUDY_CASES = ['alone', 'apis', 'pooled'] as const;
export type StudyCase = (typeof STUDY_CASES)[number];

/** Charge at the beginning (emulator.md §1.1). */
const INITIAL_CHARGE = 0.5;
/** Deals start and end between the steps, to the moment; thresholds and markets are looked at once in a step. */
const STEP_SECONDS = 30;

/** Lays the cases of a study out; each runs when asked for. @throws ConfigError when the data have too few homes */
export function layOut(options: StudyOptions): Readonly<Record<StudyCase, () => RunResult>> {
  const { dataset, houses: count, days, losses, pv, trade, seed } = options;
  if (dataset.homes.length < count) {
    const message = `expected at most ${dataset.homes.length}, the homes of the data set, got ${count}`;
    throw new ConfigError([{ file: 'command line', path: '--houses', message }]);
  }
  const samples = sampleYear(dataset, count);
  const houses = housesOf(samples, pvFactors(pv, count));
  const common: Omit<RunOptions, 'houses'> = {
    solarW: samples.solarW,
    losses: LOSS_PROFILES[losses],
    initialCharge: INITIAL_CHARGE,
    days,
    stepSeconds: STEP_SECONDS,
  };
  return {
    alone: () => runYear({ ...common, houses }),
    apis: () => runYear({ ...common, houses, market: { ...trade, unitIds: samples.homes, seed } }),
    pooled: () => runYear({ ...common, houses: [poolOf(houses)] }),
  };
}

const housesOf = ({ loadW }: YearSamples, factors: readonly number[]): HouseSpec[] =>
  loadW.map((row, house) => ({ pvFactor: factors[house] ?? 0, loadW: row, capacityWh: CAPACITY_WH, devices: 1 }));

/** The copper plate: one battery behind all UPSes, which switch together; nothing is lost between the houses. */
function poolOf(houses: readonly HouseSpec[]): HouseSpec {
  const sumOf = (key: 'pvFactor' | 'capacityWh' | 'devices'): number => houses.reduce((sum, one) => sum + one[key], 0);
  return {
    pvFactor: sumOf('pvFactor'),
    loadW: sumOfLoads(houses.map(({ loadW }) => loadW)),
    capacityWh: sumOf('capacityWh'),
    devices: sumOf('devices'),
  };
}
