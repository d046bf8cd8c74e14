import { CONVERTER_LOSSES, type ConverterLoss } from '../physics/converter-loss.ts';
import { HOUSE_LOSSES, type HouseLoss } from '../physics/house-loss.ts';

/** Everything that is lost between the sun and the socket. */
export interface LossProfile {
  readonly house: HouseLoss;
  readonly converter: ConverterLoss;
  /** True: the UPS never leaves the battery and nothing charges it from the AC grid, so 0 … 100 % are usable. */
  readonly wholeBattery: boolean;
}

/**
 * `compat` is the original's model, `eza-like` has a converter whose loss follows its power (emulator.md §6.2),
 * `none` is the textbook: nothing is lost anywhere, the whole battery is usable (§8).
 */
export const LOSS_PROFILES = {
  compat: { house: HOUSE_LOSSES.compat, converter: CONVERTER_LOSSES.compat, wholeBattery: false },
  'eza-like': { house: HOUSE_LOSSES.compat, converter: CONVERTER_LOSSES['eza-like'], wholeBattery: false },
  none: { house: HOUSE_LOSSES.none, converter: CONVERTER_LOSSES.none, wholeBattery: true },
} as const satisfies Record<string, LossProfile>;
export type LossProfileName = keyof typeof LOSS_PROFILES;
