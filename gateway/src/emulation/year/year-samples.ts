import type { Watts } from '../../domain/quantities.ts';
import type { Dataset } from '../dataset.ts';

export const DAY_SECONDS = 86_400;
export const YEAR_SECONDS = 365 * DAY_SECONDS;
/** The finest grid of the known data formats: between its points PV and load go in straight lines. */
export const SAMPLE_SECONDS = 1800;
const SAMPLES = YEAR_SECONDS / SAMPLE_SECONDS;

/** 2020-01-01, when the recorded year begins (emulator.md §1.1). */
export const YEAR_BEGIN = Date.UTC(2020, 0, 1);

/** A year of 365 days at its sample points, the first one repeated at the end so that a year joins the next. */
export interface YearSamples {
  readonly homes: readonly string[];
  /** PV power of a house of standard size. */
  readonly solarW: Float64Array;
  /** One row per home. */
  readonly loadW: readonly Float64Array[];
}

/** Reads the sun and the first `count` homes once, so that the engine never asks twice. */
export function sampleYear(dataset: Dataset, count: number): YearSamples {
  const homes = dataset.homes.slice(0, count);
  return {
    homes,
    solarW: sampled((at) => dataset.solarW(at)),
    loadW: homes.map((home) => sampled((at) => dataset.loadW(home, at))),
  };
}

function sampled(power: (at: number) => Watts): Float64Array {
  const samples = new Float64Array(SAMPLES + 1);
  for (let index = 0; index < SAMPLES; index += 1) samples[index] = power(YEAR_BEGIN + 1000 * SAMPLE_SECONDS * index);
  samples[SAMPLES] = at(samples, 0);
  return samples;
}

/** The loads of several homes together: what stands behind one shared battery. */
export const sumOfLoads = (rows: readonly Float64Array[]): Float64Array =>
  new Float64Array(SAMPLES + 1).map((_, index) => rows.reduce((sum, row) => sum + at(row, index), 0));

/** An element of a numeric array; the type system cannot know that the index is inside. */
export const at = (values: Float64Array, index: number): number => values[index] as number;
