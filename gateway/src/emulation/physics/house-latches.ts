import type { Percent } from '../../domain/quantities.ts';

/** The two switches of a house that follow its state of charge. */
export interface Latches {
  /** The load is fed from the AC grid. */
  readonly bypass: boolean;
  /** The AC grid charges the battery. */
  readonly acCharging: boolean;
}

const NEAR = 1e-6;

/** Hysteresis of emulator.md §1.4: on at or below, off at or above. */
const BYPASS = { on: 30, off: 35 } as const;
const AC_CHARGE = { on: 20, off: 25 } as const;

const follow = (was: boolean, { on, off }: { on: Percent; off: Percent }, rsoc: Percent): boolean =>
  was ? rsoc < off - NEAR : rsoc <= on + NEAR;

export const latchesAt = (before: Latches, rsoc: Percent): Latches => ({
  bypass: follow(before.bypass, BYPASS, rsoc),
  acCharging: follow(before.acCharging, AC_CHARGE, rsoc),
});

/** States of charge at which something will switch next, going down and going up. */
export function nextThresholds(latches: Latches): readonly Percent[] {
  return [0, latches.acCharging ? AC_CHARGE.off : AC_CHARGE.on, latches.bypass ? BYPASS.off : BYPASS.on, 95, 100];
}
