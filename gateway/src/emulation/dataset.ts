import type { EpochMsec, Watts } from '../domain/quantities.ts';

/** Sun and loads over the time of the year; times are local wall times, written as if they were UTC. */
export interface Dataset {
  /** Homes whose load is known, in the order of the file. */
  readonly homes: readonly string[];
  solarW(at: EpochMsec): Watts;
  /** Throws `RangeError` for a home that is not in `homes`. */
  loadW(home: string, at: EpochMsec): Watts;
  /** The first time after `at` at which a straight line between samples may end. */
  nextSampleAt(at: EpochMsec): EpochMsec;
}

export const SOLAR_PER_DAY = 24;
export const LOADS_PER_DAY = 48;
const MSEC_PER_DAY = 86_400_000;
const HALF_HOUR_MSEC = MSEC_PER_DAY / LOADS_PER_DAY;

/** Days since the year's first, with the fraction of the day; remembers the year, which seldom changes. */
class YearDay {
  #from: EpochMsec = 0;
  #to: EpochMsec = 0;

  at(at: EpochMsec): number {
    if (at < this.#from || at >= this.#to) {
      const year = new Date(at).getUTCFullYear(); // pure arithmetic on a given time, not the machine's clock
      this.#from = Date.UTC(year, 0, 1);
      this.#to = Date.UTC(year + 1, 0, 1);
    }
    return (at - this.#from) / MSEC_PER_DAY;
  }
}

/** Value of a row of samples at a position counted in samples: linear in between, the last leads back to the first. */
function sampled(samples: Float32Array, position: number): number {
  const size = samples.length;
  const whole = Math.floor(position);
  const here = samples[whole % size] ?? 0;
  return here + ((samples[(whole + 1) % size] ?? 0) - here) * (position - whole);
}

/** A dataset of evenly spaced samples: 24 a day for the sun, 48 for loads, from the first day of the year on. */
export class SampledYear implements Dataset {
  readonly homes: readonly string[];
  readonly #solar: Float32Array;
  readonly #loads: ReadonlyMap<string, Float32Array>;
  readonly #day = new YearDay();

  constructor(solar: Float32Array, loads: ReadonlyMap<string, Float32Array>) {
    this.#solar = solar;
    this.#loads = loads;
    this.homes = [...loads.keys()];
  }

  solarW(at: EpochMsec): Watts {
    return sampled(this.#solar, this.#day.at(at) * SOLAR_PER_DAY);
  }

  loadW(home: string, at: EpochMsec): Watts {
    const samples = this.#loads.get(home);
    if (samples === undefined) throw new RangeError(`expected one of ${this.homes.join(', ')}, got ${home}`);
    return sampled(samples, this.#day.at(at) * LOADS_PER_DAY);
  }

  nextSampleAt(at: EpochMsec): EpochMsec {
    return (Math.floor(at / HALF_HOUR_MSEC) + 1) * HALF_HOUR_MSEC;
  }
}
