import { optional, record, withDefault } from './composite-fields.ts';
import type { ValueOf } from './field.ts';
import { msec, number } from './scalar-fields.ts';

const limits = record({ min: number(), max: number() });

/** Every key of hwConfig.json (control §8.3, market §1.3). */
export const hwConfigFields = record({
  refreshingPeriodMsec: withDefault(msec, 5000),
  batteryNominalCapacityWh: number({ above: 0, max: 1e9 }),
  gridCurrentCapacityA: number({ above: 0, max: 10000 }),
  gridCurrentAllowanceA: number({ above: 0, max: 10000 }),
  // Without droop two converters that hold voltage fight each other during a hand-over (INV-1).
  droopRatio: number({ above: 0, max: 1 }),
  efficientBatteryGridVoltageRatio: optional(number({ above: 0, max: 1000 })),
  safety: record({
    range: record({
      dcdc: record({ meter: record({ tmp: limits, vg: limits, vb: limits, ig: limits, ib: limits }) }),
    }),
  }),
});

/** What one unit's battery and converter can do and may show on their meters (V, A, °C, Wh). */
export type HwConfig = ValueOf<typeof hwConfigFields>;
