import type { Celsius, Milliseconds, Watts } from '../../domain/quantities.ts';

const TAU_MSEC = 600_000;
const KELVIN_PER_W = 0.12;

/** Heat of a converter: it approaches ambient + loss × thermal resistance exponentially. */
export class Thermal {
  ambientC: Celsius;
  #aimC: Celsius;
  #fromC: Celsius;
  #at: Milliseconds = 0;

  constructor(ambientC: Celsius) {
    this.ambientC = ambientC;
    this.#aimC = ambientC;
    this.#fromC = ambientC;
  }

  celsius(at: Milliseconds): Celsius {
    return this.#aimC + (this.#fromC - this.#aimC) * Math.exp(-(at - this.#at) / TAU_MSEC);
  }

  /** From now on the converter loses `lossW`. */
  heat(at: Milliseconds, lossW: Watts): void {
    this.#fromC = this.celsius(at);
    this.#at = at;
    this.#aimC = this.ambientC + KELVIN_PER_W * lossW;
  }

  /** When the temperature will pass a limit upwards; Infinity when it will not. */
  reachesAt(limitC: Celsius): Milliseconds {
    if (this.#fromC >= limitC) return this.#at;
    if (this.#aimC <= limitC) return Infinity;
    return this.#at + TAU_MSEC * Math.log((this.#aimC - this.#fromC) / (this.#aimC - limitC));
  }
}
