import type { Milliseconds } from '../../domain/quantities.ts';
import type { Violation } from './finding.ts';

export type { Violation };

/** What came of a run. */
export interface RunResult {
  readonly seed: number;
  /** Those of the first moment at which anything was violated; none in a good run. */
  readonly violations: readonly Violation[];
  /** What happened in the minutes before the end, one line each. */
  readonly log: readonly string[];
  /** Of the whole event log. */
  readonly fingerprint: string;
  /** Deals that were started. */
  readonly deals: number;
  /** Faults that fell while a deal moved current. */
  readonly faultsInDeals: number;
  /** Processes that a fault has killed. */
  readonly deaths: number;
  readonly virtualMsec: Milliseconds;
}
