import { authorizationCandidates } from '../config/authorization-range.ts';
import type { Policy } from '../config/policy.ts';
import { DeviceError } from '../domain/errors.ts';
import type { Volts } from '../domain/quantities.ts';
import type { Entropy } from '../ports/entropy.ts';
import { voltageTo } from './ramps.ts';
import type { Sequence, SequenceContext } from './sequence.ts';

/**
 * Voltages of the trials: drawn without replacement, each further from the one before than the meter's allowance,
 * else a step would prove nothing (control.md S18). Fewer than asked for when there are no more.
 * @throws DeviceError `device.no-authorization-voltage` when the policy leaves none
 */
export function trialVoltages(policy: Policy, currentV: Volts, entropy: Entropy): Volts[] {
  const { numberOfTrials } = policy.controller.dcdc.voltageReference.authorization;
  const isFar = (from: Volts) => (to: Volts) => Math.abs(to - from) > policy.gridVoltageAllowanceV;
  const left = authorizationCandidates(policy, currentV).filter(isFar(currentV));
  const trials: Volts[] = [];
  while (trials.length < numberOfTrials) {
    const eligible = left.filter(isFar(trials.at(-1) ?? currentV));
    const next = eligible[Math.floor(entropy.next() * eligible.length)];
    if (next === undefined) break;
    trials.push(next);
    left.splice(left.indexOf(next), 1);
  }
  if (trials.length > 0) return trials;
  throw new DeviceError('device.no-authorization-voltage', `no voltage to try besides ${currentV} V`);
}

/**
 * Proves that this converter alone holds the bus: the voltage follows it, without any current (control.md §1.9.8,
 * S19, RULE-10). The voltage is put back whatever came of it (S20).
 * @throws DeviceError `device.checkpoint` when the bus does not follow
 */
export function* authorize(context: SequenceContext): Sequence {
  const { policy, entropy, state } = context;
  const beforeV = state.dvg;
  const trials = trialVoltages(policy, beforeV, entropy);
  let failure: { readonly error: unknown } | undefined;
  try {
    for (const vg of trials) yield* voltageTo(context, { vg, ig: 0 });
  } catch (error) {
    failure = { error };
  }
  try {
    yield* voltageTo(context, { vg: beforeV, ig: 0 });
  } catch (error) {
    failure ??= { error };
    yield { kind: 'report', reason: 'device.voltage-not-restored', error };
  }
  if (failure !== undefined) throw failure.error;
}
