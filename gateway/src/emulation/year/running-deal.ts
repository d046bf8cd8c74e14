import type { Deal } from '../../domain/deal.ts';
import type { WattHours } from '../../domain/quantities.ts';

/** A deal of the study on its way; seconds count from the beginning of the run. */
export interface RunningDeal {
  readonly deal: Deal;
  readonly charger: number;
  readonly discharger: number;
  readonly currentA: number;
  /** Negotiated, journalled and seen by the grid master. */
  readonly readyAt: number;
  /** Undefined until current flows. */
  startedAt: number | undefined;
  /** What the reference side has counted (control.md §4.9). */
  movedWh: WattHours;
  /** Wh per second at present. */
  rate: number;
}

/** The deal as others see it, with what has been moved so far. */
export const recordOf = ({ deal, movedWh }: RunningDeal): Deal => ({ ...deal, cumulateAmountWh: movedWh });
