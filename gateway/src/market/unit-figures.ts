import type { HwConfig } from '../config/hw-config.ts';
import type { Amperes, Percent, Volts, WattHours } from '../domain/quantities.ts';

// The original counts in 32-bit floats; 0.3 A / 0.1 A is 3 slots there and only 2 in doubles (vector UD-04).
const { fround } = Math;

/** Energy in the battery, whole Wh (market §1.9). */
export const remainingCapacityWh = (nominalWh: WattHours, rsoc: Percent): WattHours =>
  Math.trunc(fround(fround(nominalWh) * fround(rsoc)) / 100);

/** How many deals a unit may have at once: its current capacity over the current of one deal (market §1.9). */
export const slots = (gridCurrentCapacityA: Amperes, dealGridCurrentA: Amperes): number =>
  dealGridCurrentA > 0 ? Math.trunc(fround(fround(gridCurrentCapacityA) / fround(dealGridCurrentA))) : 0;

/** Bus voltage at which this unit's converter works best; undefined when ratio or battery voltage is missing (market §1.9). */
export function efficientGridVoltageV(
  hwConfig: Pick<HwConfig, 'efficientBatteryGridVoltageRatio'>,
  batteryVoltageV: Volts | undefined,
): Volts | undefined {
  const ratio = hwConfig.efficientBatteryGridVoltageRatio;
  if (ratio === undefined || batteryVoltageV === undefined) return undefined;
  return fround(fround(ratio) * fround(batteryVoltageV));
}
