import type { Volts, Watts } from '../../domain/quantities.ts';

/** What a battery does with power at its terminals, at a state of charge of 0 … 1. */
export interface BatteryModel {
  voltage(charge: number, terminalW: Watts): Volts;
  /** Lost inside, W: never negative. */
  loss(charge: number, terminalW: Watts): Watts;
}

/** The original's battery: fixed 48 V, nothing lost (emulator.md §1.5). */
export const IDEAL_BATTERY: BatteryModel = { voltage: () => 48, loss: () => 0 };

/** Open-circuit voltage of an LFP-like cell against its charge. */
const CELL_OCV: readonly (readonly [number, Volts])[] = [
  [0, 2.7],
  [0.05, 3.1],
  [0.1, 3.2],
  [0.3, 3.27],
  [0.6, 3.3],
  [0.9, 3.34],
  [0.95, 3.36],
  [1, 3.5],
];
const CELLS = 15;
const RESISTANCE_OHM = 0.025;
/** Share of the charge that is stored. */
const COULOMBIC = 0.998;

function openCircuitV(charge: number): Volts {
  const upper = CELL_OCV.findIndex(([at]) => at >= charge);
  const [toCharge, toV] = CELL_OCV[upper < 0 ? CELL_OCV.length - 1 : upper] ?? [1, 3.5];
  const [fromCharge, fromV] = CELL_OCV[Math.max(0, (upper < 0 ? CELL_OCV.length : upper) - 1)] ?? [0, 2.7];
  if (toCharge === fromCharge) return CELLS * toV;
  return CELLS * (fromV + ((toV - fromV) * (charge - fromCharge)) / (toCharge - fromCharge));
}

/** Current of the battery for a power at its terminals: the root of R·i² + OCV·i − P = 0 near P/OCV. */
function currentOf(ocv: Volts, terminalW: Watts): number {
  const discriminant = ocv * ocv + 4 * RESISTANCE_OHM * terminalW;
  return (Math.sqrt(Math.max(0, discriminant)) - ocv) / (2 * RESISTANCE_OHM);
}

/** Open-circuit voltage, inner resistance and coulombic efficiency of a 48 V LFP pack (emulator.md §6.3). */
export const REAL_BATTERY: BatteryModel = {
  voltage(charge, terminalW) {
    const ocv = openCircuitV(charge);
    return ocv + RESISTANCE_OHM * currentOf(ocv, terminalW);
  },
  loss(charge, terminalW) {
    const ocv = openCircuitV(charge);
    const amperes = currentOf(ocv, terminalW);
    return RESISTANCE_OHM * amperes * amperes + (amperes > 0 ? (1 - COULOMBIC) * ocv * amperes : 0);
  },
};

export const BATTERY_MODELS = { ideal: IDEAL_BATTERY, real: REAL_BATTERY } as const;
export type BatteryModelName = keyof typeof BATTERY_MODELS;
