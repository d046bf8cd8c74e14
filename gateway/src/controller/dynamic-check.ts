import { CURRENT_SIGN } from '../domain/converter-mode.ts';
import { type SafetyCheck, type SafetyInput, usualHoldMsec } from './safety-check.ts';
import type { Band } from './transition.ts';

/** Where a value has to lie. */
interface Bounds {
  readonly what: 'vg' | 'ig';
  readonly min: number;
  readonly max: number;
}

const UNITS: Readonly<Record<Bounds['what'], string>> = { vg: 'V', ig: 'A' };

const around = (what: Bounds['what'], value: number, allowance: number): Bounds => ({
  what,
  min: value - allowance,
  max: value + allowance,
});

/** The voltage of a reference, by band: commanded within allowance and droop, rising, or being tried out. */
const REFERENCE_BOUNDS: Readonly<Record<Band, (input: SafetyInput) => Bounds>> = {
  steady: (input) => around('vg', input.dcdc.vdis.dvg, allowanceV(input) + droopV(input, input.dcdc.vdis.drg)),
  current: (input) => REFERENCE_BOUNDS.steady(input),
  'ramp-up': (input) => ({ what: 'vg', min: -allowanceV(input), max: input.dcdc.vdis.dvg + allowanceV(input) }),
  excursion: (input) => rangeV(input, allowanceV(input)),
  'hand-over': (input) =>
    around('vg', input.dcdc.vdis.dvg, allowanceV(input) + droopV(input, input.hwConfig.droopRatio)),
};

/** Nothing moves the voltage or the currents on purpose. */
const isSteady = ({ band }: SafetyInput): boolean => band === 'steady' || band === 'current';

const allowanceV = ({ policy }: SafetyInput): number => policy.gridVoltageAllowanceV;
const droopV = ({ dcdc }: SafetyInput, ratio: number): number => dcdc.vdis.dvg * ratio;
const rangeV = ({ policy: { operationGridVoltageVRange: range } }: SafetyInput, allowance: number): Bounds => ({
  what: 'vg',
  min: range.min - allowance,
  max: range.max + allowance,
});

/** Constant current: what was commanded; on the way there anything between nothing and the capacity, in its direction. */
function constantCurrentBounds(input: SafetyInput, sign: -1 | 1): readonly Bounds[] {
  const { gridCurrentAllowanceA, gridCurrentCapacityA } = input.hwConfig;
  if (input.band === 'steady') {
    return [around('ig', sign * input.dcdc.param.dig, gridCurrentAllowanceA), rangeV(input, 0)];
  }
  const [min, max] = sign > 0 ? [0, gridCurrentCapacityA] : [-gridCurrentCapacityA, 0];
  const ig: Bounds = { what: 'ig', min: min - gridCurrentAllowanceA, max: max + gridCurrentAllowanceA };
  return [ig, rangeV(input, allowanceV(input))];
}

function boundsOf(input: SafetyInput): readonly Bounds[] {
  const { mode, band, hwConfig } = input;
  if (mode === undefined) return [];
  if (mode === 'VOLTAGE_REFERENCE') return [REFERENCE_BOUNDS[band](input)];
  const sign = CURRENT_SIGN[mode];
  return sign === 0 ? [around('ig', 0, hwConfig.gridCurrentAllowanceA)] : constantCurrentBounds(input, sign);
}

const isWithin = ({ dcdc }: SafetyInput, { what, min, max }: Bounds): boolean =>
  dcdc.meter[what] >= min && dcdc.meter[what] <= max;

/**
 * A reference at its current limit whose voltage is off on that side holds the bus no longer (RULE-9). Two meters
 * agree on it, so the first look counts, as that on a current beyond its range does (INV-3).
 */
const isOverloaded = ({ mode, dcdc, hwConfig }: SafetyInput, { what, min, max }: Bounds): boolean => {
  const limitA = hwConfig.gridCurrentCapacityA - hwConfig.gridCurrentAllowanceA;
  const { vg, ig } = dcdc.meter;
  return mode === 'VOLTAGE_REFERENCE' && what === 'vg' && ((ig >= limitA && vg > max) || (ig <= -limitA && vg < min));
};

/** L10: the meter follows the command (control.md §5.3). The first bound that does not hold counts. */
export const checkDynamics: SafetyCheck = (input) => {
  if (input.effectiveMode === 'manual') return [];
  // A missing meter is L9's; a missing echo makes the bounds NaN, and nothing lies within those.
  const broken = boundsOf(input).find((bounds) => !isWithin(input, bounds));
  if (broken === undefined) return [];
  const { what, min, max } = broken;
  const unit = UNITS[what];
  const shown = `${what} is ${input.dcdc.meter[what]} ${unit}, expected ${min} to ${max} ${unit}`;
  const message = `in ${input.mode} (${input.band}) ${shown}`;
  if (isSteady(input) && isOverloaded(input, broken)) {
    return [
      {
        check: 'L10.overload',
        reason: 'safety.reference-overloaded',
        category: 'HARDWARE',
        message: `${message}, at ${input.dcdc.meter.ig} A`,
        stops: true,
      },
    ];
  }
  return [
    {
      check: `L10.${input.mode}.${what}`,
      reason: what === 'ig' ? 'safety.current-off-command' : 'safety.voltage-off-command',
      category: 'HARDWARE',
      message,
      stops: false,
      holdMsec: usualHoldMsec(input.policy),
    },
  ];
};
