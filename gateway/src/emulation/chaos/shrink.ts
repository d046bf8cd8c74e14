import type { PlannedFault } from './chaos-fault.ts';
import type { RunResult, Violation } from './run-result.ts';

/** Most runs that a shrink may cost. */
export const MOST_TRIALS = 60;

export interface Shrunk {
  readonly faults: readonly PlannedFault[];
  readonly result: RunResult;
  readonly trials: number;
}

type Attempt = (faults: readonly PlannedFault[]) => Promise<RunResult>;

const isSame = (a: Violation | undefined, b: Violation | undefined): boolean =>
  a !== undefined && b !== undefined && a.invariant === b.invariant && a.subject === b.subject;

/** The list in so many parts of nearly the same length. */
function partsOf<T>(list: readonly T[], count: number): readonly (readonly T[])[] {
  const cut = (part: number): number => Math.round((part * list.length) / count);
  return Array.from({ length: count }, (_, part) => list.slice(cut(part), cut(part + 1)));
}

/**
 * Finds few faults that are enough for a violation of the same invariant by the same subject: first those that came before it, then by
 * leaving out halves, quarters, … and single ones. Deterministic, because every run is.
 */
export async function shrink(
  failed: RunResult,
  faults: readonly PlannedFault[],
  attempt: Attempt,
  most: number = MOST_TRIALS,
): Promise<Shrunk> {
  let best = { faults, result: failed };
  let trials = 0;
  const helps = async (fewer: readonly PlannedFault[]): Promise<boolean> => {
    if (trials >= most || fewer.length >= best.faults.length) return false;
    trials += 1;
    const result = await attempt(fewer);
    if (!isSame(result.violations[0], failed.violations[0])) return false;
    best = { faults: fewer, result };
    return true;
  };

  const at = failed.violations[0]?.at ?? Number.POSITIVE_INFINITY;
  await helps(faults.filter(({ atMsec }) => atMsec <= at));
  for (let count = 2; best.faults.length > 0 && trials < most; ) {
    const parts = partsOf(best.faults, Math.min(count, best.faults.length));
    const isSingle = parts.length === best.faults.length;
    let hasHelped = false;
    for (const part of parts) {
      hasHelped = await helps(best.faults.filter((fault) => !part.includes(fault)));
      if (hasHelped) break;
    }
    if (!hasHelped && isSingle) break;
    count = hasHelped ? Math.max(2, count - 1) : count * 2;
  }
  return { ...best, trials };
}
