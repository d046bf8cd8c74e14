import type { Watts } from '../../domain/quantities.ts';

/** Losses of UPS, charger and transformer: a constant plus a share of the load, on the DC and on the AC side. */
interface ModeLoss {
  readonly dcW: Watts;
  readonly dcPerLoad: number;
  readonly acW: Watts;
  readonly acPerLoad: number;
}

export interface HouseLoss {
  readonly battery: ModeLoss;
  readonly bypass: ModeLoss;
  /** AC charger: what reaches the battery, and what is lost besides. */
  readonly chargerW: Watts;
  readonly chargerLossW: Watts;
}

/**
 * Loss profiles: the original's constants (emulator.md §1.5), those fitted to the Okinawa field log (§6.3), and none.
 */
export const HOUSE_LOSSES = {
  compat: {
    battery: { dcW: 17.5 + 129, dcPerLoad: 0.14, acW: 57, acPerLoad: 0 },
    bypass: { dcW: 17.5, dcPerLoad: 0, acW: 57 + 67, acPerLoad: 0.033 + 0.027 },
    chargerW: 150,
    chargerLossW: 10,
  },
  field: {
    battery: { dcW: 172, dcPerLoad: 0, acW: 39, acPerLoad: 0 },
    bypass: { dcW: 17.5, dcPerLoad: 0, acW: 124, acPerLoad: 0 },
    chargerW: 150,
    chargerLossW: 10,
  },
  none: {
    battery: { dcW: 0, dcPerLoad: 0, acW: 0, acPerLoad: 0 },
    bypass: { dcW: 0, dcPerLoad: 0, acW: 0, acPerLoad: 0 },
    chargerW: 150,
    chargerLossW: 0,
  },
} as const satisfies Record<string, HouseLoss>;
export type HouseLossName = keyof typeof HOUSE_LOSSES;
