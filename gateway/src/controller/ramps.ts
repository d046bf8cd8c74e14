import type { Amperes, Volts } from '../domain/quantities.ts';
import { checkpoint, type Target } from './checkpoint.ts';
import type { Sequence, SequenceContext } from './sequence.ts';
import { stepsBetween } from './stepping.ts';

/** Steps the bus voltage to the target, without droop, and waits until the meter agrees (control.md §1.9.2). */
export function* voltageTo(context: SequenceContext, target: Target & { vg: Volts }, isLowering = false): Sequence {
  for (const dvg of stepsBetween(context.state.dvg, target.vg, context.policy.gridVoltageStepV)) {
    yield { kind: 'voltage', dvg, drg: 0, ...(isLowering ? { isLowering } : {}) };
  }
  yield* checkpoint(context, target);
}

/**
 * Steps the current limit to `dig` and waits until the meter agrees (control.md §1.9.3); `sign` is the direction
 * of the mode, + charging.
 */
export function* currentTo(
  context: SequenceContext,
  dig: Amperes,
  sign: -1 | 0 | 1,
  stepA: Amperes = context.policy.gridCurrentStepA,
): Sequence {
  for (const step of stepsBetween(context.state.dig, dig, stepA)) {
    yield { kind: 'current', dig: step };
  }
  yield* checkpoint(context, { ig: sign * dig });
}
