import type { Amperes, Volts } from '../../domain/quantities.ts';
import type { DcdcMeter } from '../../domain/unit-data.ts';
import { type Entropy, gaussian } from '../../ports/entropy.ts';

/** Size of the errors that meters are made with (emulator.md §6.4). */
export interface MeterErrors {
  /** Standard deviations: gain of all currents and powers, offset and noise of ig, spread of the offset of vg. */
  readonly gain: number;
  readonly offsetA: Amperes;
  readonly noiseA: Amperes;
  readonly offsetV: Volts;
  readonly noiseV: Volts;
  /** Step of the reading; 0 = none. */
  readonly step: number;
}

export const METER_PRESETS = {
  small: { gain: 0.002, offsetA: 0.01, noiseA: 0.003, offsetV: 0.3, noiseV: 0.05, step: 0.01 },
  /** The errors of emulator.md §6.4, at the edge of what the policy's tolerances allow. */
  field: { gain: 0.005, offsetA: 0.02, noiseA: 0.01, offsetV: 1, noiseV: 0.1, step: 0.01 },
  quantised: { gain: 0, offsetA: 0, noiseA: 0, offsetV: 0, noiseV: 0, step: 0.01 },
  exact: { gain: 0, offsetA: 0, noiseA: 0, offsetV: 0, noiseV: 0, step: 0 },
} as const satisfies Record<string, MeterErrors>;
export type MeterPreset = keyof typeof METER_PRESETS;

/** The true values behind a reading. */
export type TrueValues = DcdcMeter;

/** Beyond this many standard deviations a meter would have been thrown away. */
const WORST = 2.5;

const clipped = (entropy: Entropy): number => Math.max(-WORST, Math.min(WORST, gaussian(entropy)));

/** The meters of one converter: gain and offset are drawn once, noise at every reading. */
export class Meter {
  readonly #errors: MeterErrors;
  readonly #entropy: Entropy;
  readonly #gainG: number;
  readonly #gainB: number;
  readonly #biasA: Amperes;
  readonly #biasV: Volts;
  #extraA: Amperes = 0;
  #extraV: Volts = 0;

  constructor(errors: MeterErrors, entropy: Entropy) {
    this.#errors = errors;
    this.#entropy = entropy;
    this.#gainG = 1 + errors.gain * clipped(entropy);
    this.#gainB = 1 + errors.gain * clipped(entropy);
    this.#biasA = errors.offsetA * clipped(entropy);
    this.#biasV = errors.offsetV * clipped(entropy);
  }

  /** Shifts all later readings (a fault). */
  shift(volts: Volts, amperes: Amperes): void {
    this.#extraV = volts;
    this.#extraA = amperes;
  }

  read(truth: TrueValues): DcdcMeter {
    const ig = truth.ig * this.#gainG + this.#biasA + this.#extraA + this.#noise(this.#errors.noiseA);
    const vg =
      truth.vg === 0 && this.#extraV === 0
        ? 0
        : truth.vg + this.#biasV + this.#extraV + this.#noise(this.#errors.noiseV);
    const wb = truth.wb * this.#gainB;
    const wg =
      this.#errors.step === 0 && this.#errors.gain === 0 && this.#extraA === 0 && this.#extraV === 0
        ? truth.wg
        : vg * ig;
    return {
      wg: this.#step(wg),
      tmp: this.#step(truth.tmp),
      vb: this.#step(truth.vb),
      wb: this.#step(wb),
      vg: this.#step(vg),
      ib: this.#step(truth.vb === 0 ? 0 : wb / truth.vb),
      ig: this.#step(ig),
    };
  }

  #noise(sigma: number): number {
    return sigma === 0 ? 0 : sigma * clipped(this.#entropy);
  }

  #step(value: number): number {
    const { step } = this.#errors;
    return step === 0 ? value : Math.round(value / step) / Math.round(1 / step);
  }
}
