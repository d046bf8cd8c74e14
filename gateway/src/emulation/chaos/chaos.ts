import type { Milliseconds } from '../../domain/quantities.ts';
import { houseIds } from '../world-options.ts';
import { describeFault, type PlannedFault } from './chaos-fault.ts';
import { ChaosRun } from './chaos-run.ts';
import { faultPlan } from './fault-plan.ts';
import type { RunResult, Violation } from './run-result.ts';
import { shrink } from './shrink.ts';

export interface ChaosOptions {
  readonly units: number;
  readonly hours: number;
}

/** What is told of one seed. */
export interface SeedReport {
  readonly seed: number;
  readonly faults: number;
  readonly deals: number;
  /** Those of the faults that fell while a deal moved current. */
  readonly faultsInDeals: number;
  readonly virtualMsec: Milliseconds;
  /** Of the whole event log: the same seed and options always give the same. */
  readonly fingerprint: string;
  readonly violations: readonly Violation[];
  /** Of a failure: the few faults that are enough for it, and what happened before it. */
  readonly shrunk?: { readonly faults: readonly string[]; readonly log: readonly string[]; readonly trials: number };
}

const HOUR_MSEC: Milliseconds = 3_600_000;
/** The last fault has healed this long before the end of the run, or a tenth of the run if that is less. */
const QUIET_MSEC: Milliseconds = 120_000;

/**
 * Runs one seed; a failure is told by `failing` and then shrunk, which takes up to `MOST_TRIALS` more runs. The same seed
 * and options always give the same report.
 */
export async function chaosSeed(
  seed: number,
  { units, hours }: ChaosOptions,
  failing: (first: Violation) => void,
): Promise<SeedReport> {
  const runMsec = hours * HOUR_MSEC;
  const faultsUntilMsec = runMsec - Math.min(QUIET_MSEC, runMsec / 10);
  const run = (faults: readonly PlannedFault[]): Promise<RunResult> =>
    new ChaosRun({ seed, units, faults, faultsUntilMsec }).run();
  const plan = faultPlan(seed, houseIds(units), faultsUntilMsec);
  const result = await run(plan);
  const { deals, faultsInDeals, virtualMsec, fingerprint, violations } = result;
  const report = { seed, faults: plan.length, deals, faultsInDeals, virtualMsec, fingerprint, violations };
  const [first] = violations;
  if (first === undefined) return report;
  failing(first);
  const { faults, result: least, trials } = await shrink(result, plan, run);
  return {
    ...report,
    violations: least.violations,
    shrunk: { faults: faults.map(describeFault), log: least.log, trials },
  };
}
