import { type ConverterMode, CURRENT_SIGN } from '../../domain/converter-mode.ts';
import type { Amperes, Milliseconds, Volts, Watts } from '../../domain/quantities.ts';
import type { ModeSetting } from '../../ports/device.ts';
import { CONVERTER_LOSSES } from './converter-loss.ts';
import type { ConverterOptions } from './converter-options.ts';
import type { Source } from './network-solver.ts';
import { ramp, steady, type Trajectory, valueAt } from './trajectory.ts';

export type TripKind =
  | 'over-voltage'
  | 'under-voltage'
  | 'over-current'
  | 'over-temperature'
  | 'battery-locked'
  | 'heavy-alarm';

/** What a converter sees at its terminals when a command arrives. */
export interface Terminals {
  readonly volts: Volts;
  readonly amperes: Amperes;
}

/** How a converter that never clips is described to the network. */
const UNLIMITED_A = 1e6;

/**
 * One converter: what it was told, how far its voltage and current have got, and whether it has tripped.
 * It knows nothing of the network; it offers itself to it as a `Source`.
 */
export class ConverterState {
  readonly options: ConverterOptions;
  mode: ConverterMode = 'WAIT';
  dvg: Volts = 350;
  dig: Amperes = 0;
  drg = 0;
  trip: TripKind | undefined;
  /** Error of the current control: the converter carries this much more than it was told (a fault). */
  offsetA: Amperes = 0;
  #voltage: Trajectory = steady(0);
  #current: Trajectory = steady(0);

  constructor(options: ConverterOptions) {
    this.options = options;
  }

  /** Enters a mode and forgets a trip: whether a tripped converter may is the caller's to decide. */
  setMode(setting: ModeSetting, at: Milliseconds, terminals: Terminals): void {
    const startA = this.#isConstantCurrent() ? valueAt(this.#current, at) : terminals.amperes;
    const startV = this.mode === 'VOLTAGE_REFERENCE' ? valueAt(this.#voltage, at) : terminals.volts;
    this.trip = undefined;
    this.mode = setting.mode;
    this.dvg = setting.dvg;
    this.dig = setting.dig;
    this.drg = setting.drg;
    this.#voltage = this.#voltageFrom(startV, at);
    this.#current = this.#currentFrom(startA, at);
  }

  setVoltage(setting: Pick<ModeSetting, 'dvg' | 'drg'>, at: Milliseconds): void {
    const startV = valueAt(this.#voltage, at);
    this.dvg = setting.dvg;
    this.drg = setting.drg;
    this.#voltage = this.#voltageFrom(startV, at);
  }

  setCurrent(setting: Pick<ModeSetting, 'dig'>, at: Milliseconds): void {
    const startA = valueAt(this.#current, at);
    this.dig = setting.dig;
    this.#current = this.#currentFrom(startA, at);
  }

  /** Stops by itself. */
  stop(kind: TripKind): void {
    this.trip = kind;
    this.#off();
  }

  /** Loses its supply: off, with nothing remembered. */
  loseSupply(): void {
    this.trip = undefined;
    this.#off();
  }

  /** Grid current that the mode and `dig` ask for at that time; 0 for the voltage reference. */
  demandA(at: Milliseconds): Amperes {
    return this.#isConstantCurrent() ? valueAt(this.#current, at) + this.offsetA : 0;
  }

  /** Voltage that a voltage reference aims at. */
  aimV(at: Milliseconds): Volts {
    return valueAt(this.#voltage, at);
  }

  /** True when nothing but its limit decides the current: always so with constant current. */
  isClipped(amperes: Amperes): boolean {
    return this.mode !== 'VOLTAGE_REFERENCE' || Math.abs(amperes) >= this.#limitA() - 1e-6;
  }

  /** When the next of its movements ends; Infinity when it stands still. */
  settlesAt(at: Milliseconds): Milliseconds {
    const moving = this.mode === 'VOLTAGE_REFERENCE' ? this.#voltage : this.#current;
    return this.mode !== 'WAIT' && moving.endAt > at ? moving.endAt : Infinity;
  }

  lossW(gridW: Watts): Watts {
    return CONVERTER_LOSSES[this.options.loss](this.mode, gridW);
  }

  /** Its characteristic at that time; undefined in WAIT. */
  source(node: number, at: Milliseconds): Source | undefined {
    if (this.mode === 'WAIT') return undefined;
    return this.mode === 'VOLTAGE_REFERENCE' ? this.#holding(node, at) : this.#driving(node, at);
  }

  #isConstantCurrent(): boolean {
    return CURRENT_SIGN[this.mode] !== 0;
  }

  #off(): void {
    this.mode = 'WAIT';
    this.#voltage = steady(0);
    this.#current = steady(0);
  }

  #limitA(): Amperes {
    return this.options.limitsCurrent ? Math.min(this.dig, this.options.ratedA) : UNLIMITED_A;
  }

  /** Constant voltage behind its inner resistance and its droop, clipped at its limit (emulator.md §6.1). */
  #holding(node: number, at: Milliseconds): Source {
    const volts = valueAt(this.#voltage, at);
    const ohms = this.options.minOhms + (this.drg * this.dvg) / this.options.ratedA;
    const limit = this.#limitA();
    return { node, volts, siemens: 1 / ohms, low: -limit, high: limit };
  }

  /** Constant current; a discharging converter gives less when the bus reaches its ceiling `dvg`. */
  #driving(node: number, at: Milliseconds): Source {
    const amperes = this.demandA(at);
    const high = this.mode === 'DISCHARGE' && amperes < 0 && this.options.protects ? 0 : amperes;
    return { node, volts: this.dvg, siemens: 1 / this.options.minOhms, low: amperes, high };
  }

  #voltageFrom(startV: Volts, at: Milliseconds): Trajectory {
    const { rampSeconds, voltageSlewVPerS, fallsAtOnce, underVoltageV } = this.options;
    const risesV = this.dvg - startV;
    if (risesV === 0 || this.dvg <= 0 || (risesV < 0 && fallsAtOnce)) return steady(this.dvg);
    if (startV < underVoltageV || voltageSlewVPerS === undefined) {
      return ramp(startV, this.dvg, at, (1000 * rampSeconds * Math.abs(risesV)) / this.dvg);
    }
    return ramp(startV, this.dvg, at, voltageSlewVPerS === 0 ? 0 : (1000 * Math.abs(risesV)) / voltageSlewVPerS);
  }

  #currentFrom(startA: Amperes, at: Milliseconds): Trajectory {
    const { currentSlewAPerS, ratedA, limitsCurrent } = this.options;
    const target = CURRENT_SIGN[this.mode] * (limitsCurrent ? Math.min(this.dig, ratedA) : this.dig);
    if (this.mode === 'WAIT') return steady(0);
    return ramp(startA, target, at, currentSlewAPerS === 0 ? 0 : (1000 * Math.abs(target - startA)) / currentSlewAPerS);
  }
}
