import type { Milliseconds, WattHours } from '../domain/quantities.ts';
import type { EnergySample } from './cumulation.ts';
import type { DealState } from './deal-table.ts';

/** What the grid master remembers of a deal beside its record; all times are monotonic. */
export interface Progress {
  readonly seenAt: Milliseconds;
  readonly state: DealState;
  readonly stateSince: Milliseconds;
  /** Energy so far; the record follows at steps and at every period of the main loop. */
  readonly amountWh: WattHours;
  /** Last word of the reference unit that is contained in the amount. */
  readonly sample: EnergySample | undefined;
  /** When the amount was last written to the record. */
  readonly recordedAt: Milliseconds;
  /** Before this the last action is not repeated merely because something else has changed. */
  readonly notBefore: Milliseconds;
  /** Before this it is not asked again whether somebody can take the voltage over. */
  readonly passOnNotBefore: Milliseconds;
  /** Since when a side of it does not let its current go and its partner has to balance that. */
  readonly unbalancedSince?: Milliseconds;
}

export const newProgress = (now: Milliseconds, state: DealState, amountWh: WattHours): Progress => ({
  seenAt: now,
  state,
  stateSince: now,
  amountWh,
  sample: undefined,
  recordedAt: now,
  notBefore: 0,
  passOnNotBefore: 0,
});
