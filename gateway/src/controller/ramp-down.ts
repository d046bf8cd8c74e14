import type { Policy } from '../config/policy.ts';
import type { Descent } from '../domain/device-command.ts';
import type { ModeSetting } from '../ports/device.ts';
import { currentTo, voltageTo } from './ramps.ts';
import type { Sequence, SequenceContext } from './sequence.ts';

/** A bus voltage that every known converter accepts with WAIT, for when the policy gives none (control.md S11). */
const FALLBACK_DVG_V = 350;

/** The mode command of WAIT (control.md §1.9.4). Depends on no policy value being present (control.md S11). */
export function waitSetting({ operationGridVoltageV }: Pick<Policy, 'operationGridVoltageV'>): ModeSetting {
  const dvg = Number.isFinite(operationGridVoltageV) ? operationGridVoltageV : FALLBACK_DVG_V;
  return { mode: 'WAIT', dvg, dig: 0, drg: 0 };
}

/**
 * Parts of an even descent: so small that the reference can bear one of everybody's, which is how far those that begin
 * at the same moment get apart.
 */
const EVEN_PARTS = 10;

/** What comes before WAIT: a reference lowers its voltage, unless it shares the bus by droop (RULE-8); others their current. */
export function* rampDown(context: SequenceContext, descent: Descent = 'stepwise'): Sequence {
  const { policy, state } = context;
  const isEven = descent === 'even' && state.dig > 0;
  const stepA = isEven ? state.dig / EVEN_PARTS : policy.gridCurrentStepA;
  if (state.mode === 'CHARGE' || state.mode === 'DISCHARGE') return yield* currentTo(context, 0, 0, stepA);
  if (state.mode !== 'VOLTAGE_REFERENCE' || state.drg > 0) return;
  const vg = policy.operationGridVoltageVRange.min + policy.gridVoltageSeparationV;
  yield* voltageTo(context, { vg }, true);
}
