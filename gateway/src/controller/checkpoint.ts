import { DeviceError } from '../domain/errors.ts';
import type { Amperes, Milliseconds, Volts } from '../domain/quantities.ts';
import type { DcdcMeter } from '../domain/unit-data.ts';
import type { Sequence, SequenceContext } from './sequence.ts';

/** What the meter has to show: bus voltage, and bus current with its sign (control.md S4). */
export interface Target {
  readonly vg?: Volts;
  readonly ig?: Amperes;
}

/** A missing value is no agreement. */
const agrees = (value: number, target: number | undefined, allowance: number): boolean =>
  target === undefined || Math.abs(value - target) <= allowance;

/** True when the meter agrees with the target within the allowances (control.md §1.9.1 steps 3, 4). */
export const meterAgrees = (meter: DcdcMeter, target: Target, allowance: { vg: Volts; ig: Amperes }): boolean =>
  agrees(meter.vg, target.vg, allowance.vg) && agrees(meter.ig, target.ig, allowance.ig);

/**
 * Waits before each look at the meter. The window is the original's, `retryLimit` × `retryWaitMsec`, with one
 * more look at half of the first wait: most converters have settled by then.
 */
export function checkpointWaits({ retryLimit, retryWaitMsec }: { retryLimit: number; retryWaitMsec: Milliseconds }) {
  const half = retryWaitMsec / 2;
  return [half, half, ...Array.from({ length: Math.max(0, retryLimit - 1) }, () => retryWaitMsec)];
}

/**
 * Waits until the meter agrees with the target (control.md §1.9.1).
 * @throws DeviceError `device.checkpoint` with the last values
 */
export function* checkpoint(context: SequenceContext, target: Target): Sequence {
  const { policy, hwConfig } = context;
  const allowance = { vg: policy.gridVoltageAllowanceV, ig: hwConfig.gridCurrentAllowanceA };
  for (const msec of checkpointWaits(policy.controller.dcdc.checkpoint)) {
    yield { kind: 'wait', msec };
    const { meter } = yield { kind: 'status' };
    if (meterAgrees(meter, target, allowance)) return;
  }
  const { vg, ig } = context.state.dcdc.meter;
  throw new DeviceError(
    'device.checkpoint',
    `expected ${JSON.stringify(target)} within ${JSON.stringify(allowance)}, the meter shows vg ${vg} V, ig ${ig} A`,
  );
}
