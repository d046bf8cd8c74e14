import type { ConverterMode } from '../../domain/converter-mode.ts';
import type { Watts } from '../../domain/quantities.ts';

/** Loss of a converter in W, given its mode and the power at its grid side. */
export type ConverterLoss = (mode: ConverterMode, gridW: Watts) => Watts;

export type ConverterLossName = 'compat' | 'eza-like' | 'none';

const COMPAT: Readonly<Record<ConverterMode, Watts>> = { WAIT: 4.5, CHARGE: 71, DISCHARGE: 55, VOLTAGE_REFERENCE: 55 };

/** Loss profiles of emulator.md §6.2: the original's constants, a curve like that of an EZA2500, and none. */
export const CONVERTER_LOSSES: Readonly<Record<ConverterLossName, ConverterLoss>> = {
  compat: (mode) => COMPAT[mode],
  'eza-like': (mode, gridW) => (mode === 'WAIT' ? 4.5 : 20 + 0.02 * Math.abs(gridW) + 8e-6 * gridW * gridW),
  none: () => 0,
};
