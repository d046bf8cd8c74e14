import type { EpochMsec, Watts } from '../domain/quantities.ts';
import { SeededEntropy } from '../ports/entropy.ts';
import { type Dataset, LOADS_PER_DAY, SampledYear, SOLAR_PER_DAY } from './dataset.ts';

const DAYS = 365;
const HALF_HOURS = DAYS * LOADS_PER_DAY;
/** Okinawa's latitude: short differences between summer and winter. */
const LATITUDE = (26.5 * Math.PI) / 180;
const PEAK_W = 2900;
const WARMEST_DAY = 205;

/** A bump around an hour of the day, 1 at its top; the clock has no seam at midnight. */
function bump(hour: number, top: number, width: number): number {
  const distance = Math.abs(((hour - top + 36) % 24) - 12);
  return Math.exp(-((distance / width) ** 2) / 2);
}

/** Sine of the sun's height over the horizon, 0 at night. */
function sunHeight(day: number, hour: number): number {
  const declination = -0.409 * Math.cos((2 * Math.PI * (day + 10)) / DAYS);
  const hourAngle = (Math.PI / 12) * (hour - 12.3);
  const height =
    Math.sin(LATITUDE) * Math.sin(declination) + Math.cos(LATITUDE) * Math.cos(declination) * Math.cos(hourAngle);
  return Math.max(0, height);
}

/** Days follow each other: a clear day is rather followed by a clear one. */
function cloudiness(entropy: SeededEntropy): Float32Array {
  const days = new Float32Array(DAYS);
  let cover = 0.4;
  for (let day = 0; day < DAYS; day += 1) {
    cover = Math.min(1, Math.max(0, 0.55 * cover + 0.2 + 0.9 * (entropy.next() - 0.5)));
    days[day] = cover;
  }
  return days;
}

function generatedSun(entropy: SeededEntropy): Float32Array {
  const cover = cloudiness(entropy);
  return Float32Array.from({ length: DAYS * SOLAR_PER_DAY }, (_, index) => {
    const day = Math.floor(index / SOLAR_PER_DAY);
    const passing = 1 - 0.35 * (cover[day] ?? 0) * entropy.next();
    return PEAK_W * sunHeight(day, index % SOLAR_PER_DAY) ** 1.15 * (1 - 0.75 * (cover[day] ?? 0)) * passing;
  });
}

/** Habits of one household: how much it needs on average, when it gets up, how much it cools and heats. */
interface Habits {
  readonly dailyWh: number;
  readonly morning: number;
  readonly evening: number;
  readonly cooling: number;
  readonly heating: number;
}

const habitsOf = (entropy: SeededEntropy): Habits => ({
  dailyWh: 8_000 + 7_000 * entropy.next(),
  morning: 6 + 2 * entropy.next(),
  evening: 18.5 + 2 * entropy.next(),
  cooling: 0.2 + 0.6 * entropy.next(),
  heating: 0.1 + 0.3 * entropy.next(),
});

/** Shape of the load, of no particular size. */
function shape(habits: Habits, day: number, hour: number): number {
  const warmth = Math.cos((2 * Math.PI * (day - WARMEST_DAY)) / DAYS);
  const cooling = habits.cooling * Math.max(0, warmth) * (0.4 + bump(hour, 15, 5));
  const heating = habits.heating * Math.max(0, -warmth) * (bump(hour, 7, 2) + bump(hour, 20, 3));
  const atHome = day % 7 >= 5 ? 0.35 * bump(hour, 13, 3) : 0;
  return (
    0.35 + 0.8 * bump(hour, habits.morning, 1.1) + 1.6 * bump(hour, habits.evening, 1.8) + atHome + cooling + heating
  );
}

function generatedLoad(entropy: SeededEntropy): Float32Array {
  const habits = habitsOf(entropy);
  const samples = Float32Array.from({ length: HALF_HOURS }, (_, index) => {
    const cooking = entropy.next() < 0.06 ? 0.8 * entropy.next() : 0;
    const restless = 0.75 + 0.5 * entropy.next();
    return shape(habits, Math.floor(index / LOADS_PER_DAY), (index % LOADS_PER_DAY) / 2) * restless + cooking;
  });
  const sum = samples.reduce((total, value) => total + value, 0);
  const watts = (habits.dailyWh * DAYS * 2) / sum;
  return samples.map((value) => value * watts);
}

/** Generates the load of a home only when somebody asks for it: a year has 17 520 values. */
class GeneratedYear implements Dataset {
  readonly homes: readonly string[];
  readonly #entropy: SeededEntropy;
  readonly #sun: SampledYear;
  readonly #loads = new Map<string, SampledYear>();

  constructor(homes: readonly string[], seed: number) {
    this.homes = homes;
    this.#entropy = new SeededEntropy(seed);
    this.#sun = new SampledYear(generatedSun(this.#entropy.fork('sun')), new Map());
  }

  solarW(at: EpochMsec): Watts {
    return this.#sun.solarW(at);
  }

  loadW(home: string, at: EpochMsec): Watts {
    return this.#loadOf(home).loadW(home, at);
  }

  nextSampleAt(at: EpochMsec): EpochMsec {
    return this.#sun.nextSampleAt(at);
  }

  #loadOf(home: string): SampledYear {
    const known = this.#loads.get(home);
    if (known !== undefined) return known;
    if (!this.homes.includes(home)) throw new RangeError(`expected one of ${this.homes.join(', ')}, got ${home}`);
    const made = new SampledYear(new Float32Array(1), new Map([[home, generatedLoad(this.#entropy.fork(home))]]));
    this.#loads.set(home, made);
    return made;
  }
}

/**
 * A built-in year for when no dataset is given: a sun with seasons and clouds (about 4 MWh a year), households of
 * 8 … 15 kWh a day with morning and evening peaks. The seed and the home's name decide everything.
 */
export const generatedYear = (homes: readonly string[], seed = 1): Dataset => new GeneratedYear(homes, seed);
