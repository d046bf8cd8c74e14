import type { Milliseconds } from '../../domain/quantities.ts';
import { SeededEntropy } from '../../ports/entropy.ts';
import type { PlannedFault } from './chaos-fault.ts';
import { DEFAULT_KINDS, FAULT_KINDS, type FaultKindName, Lot } from './fault-kinds.ts';

/** Mean time between two faults; the time is exponential, and every fifth fault comes in the midst of another. */
const MEAN_GAP_MSEC: Milliseconds = 240_000;
const CLOSE_GAP_MSEC: Milliseconds = 6_000;
/** The first fault comes when the community trades. */
const FIRST_MSEC: Milliseconds = 20_000;

function pickKind(lot: Lot, kinds: readonly FaultKindName[]): FaultKindName {
  const total = kinds.reduce((sum, name) => sum + FAULT_KINDS[name].weight, 0);
  let left = lot.between(0, total);
  const found = kinds.find((name) => {
    left -= FAULT_KINDS[name].weight;
    return left < 0;
  });
  return found ?? (kinds[0] as FaultKindName); // the plan is never drawn from nothing
}

/** All faults of a run, in order; every one of them is healed before `untilMsec`. The same seed gives the same plan. */
export function faultPlan(
  seed: number,
  unitIds: readonly string[],
  untilMsec: Milliseconds,
  kinds: readonly FaultKindName[] = DEFAULT_KINDS,
): readonly PlannedFault[] {
  if (kinds.length === 0) return [];
  const lot = new Lot(new SeededEntropy(seed).fork('plan'), unitIds);
  const plan: PlannedFault[] = [];
  for (let at = FIRST_MSEC; ; ) {
    const gap =
      lot.whole(1, 5) === 1 ? lot.between(0, CLOSE_GAP_MSEC) : -MEAN_GAP_MSEC * Math.log(lot.between(1e-6, 1));
    at += gap;
    const { lasts, draw } = FAULT_KINDS[pickKind(lot, kinds)];
    const mishap = draw(lot);
    const forMsec = Math.round(lot.between(...lasts));
    if (at + forMsec >= untilMsec) return plan;
    plan.push({ atMsec: Math.round(at), forMsec, mishap });
  }
}
