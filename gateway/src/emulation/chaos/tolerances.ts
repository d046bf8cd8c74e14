import type { Policy } from '../../config/policy.ts';
import type { Milliseconds } from '../../domain/quantities.ts';

/** One driver write: a read that is under way, the write, and their latencies at their worst. */
export const WRITE_MSEC: Milliseconds = 300;

/** One acquisition period and one driver write (INV-3). */
export const acquisitionAndWriteMsec = ({ controller }: Policy): Milliseconds =>
  controller.dataAcquisitionPeriodMsec + WRITE_MSEC;

/** Longest election and longest fence of a new grid master (RULE-4), with a second to act. */
export const newGridMasterMsec = ({ gridMaster, controller }: Policy): Milliseconds =>
  5_000 +
  gridMaster.leaseMsec +
  1.1 * (gridMaster.permitMsec + controller.scramVoltageReferenceDelayMsec + 500) +
  1_000;

/** With admission by capacity the reference's limit may be demanded for so long after a loss (RULE-9). */
export const LOSS_MSEC: Milliseconds = 1_000;

/** Two references with droop: the steps of a hand-over and their retries, with a change of grid master in between. */
export const HAND_OVER_MSEC: Milliseconds = 30_000;

/** The part of its deals' current by which compensation may move a side at most (control.md S14). */
export const MOST_CORRECTION = 0.1;
