import { type ConsistencyRule, when } from './consistency.ts';
import type { HwConfig } from './hw-config.ts';

const METERS = ['tmp', 'vg', 'vb', 'ig', 'ib'] as const;
const METER_PATH = 'safety.range.dcdc.meter';

const rangeRules = METERS.map(
  (meter): ConsistencyRule<HwConfig> => ({
    path: `${METER_PATH}.${meter}`,
    severity: 'problem',
    broken: ({ safety }) => {
      const { min, max } = safety.range.dcdc.meter[meter];
      return when(min >= max, `expected min < max, got ${min} and ${max}`);
    },
  }),
);

/** What must hold among the keys of hwConfig.json. */
export const hwConfigRules: readonly ConsistencyRule<HwConfig>[] = [
  ...rangeRules,
  {
    path: `${METER_PATH}.vg`,
    severity: 'warning',
    broken: ({
      safety: {
        range: {
          dcdc: {
            meter: { vg },
          },
        },
      },
    }) =>
      when(vg.min > 0 || vg.max < 0, `expected a range that holds the 0 V of an idle bus, got ${vg.min} to ${vg.max}`),
  },
  {
    path: `${METER_PATH}.ig`,
    severity: 'warning',
    broken: ({
      gridCurrentCapacityA: capacityA,
      safety: {
        range: {
          dcdc: {
            meter: { ig },
          },
        },
      },
    }) =>
      when(
        ig.max < capacityA || ig.min > -capacityA,
        `expected a range that holds ±gridCurrentCapacityA (${capacityA}), got ${ig.min} to ${ig.max}`,
      ),
  },
];
