import { DeviceError } from '../domain/errors.ts';

/** Far more steps than any sensible policy makes between two currents or voltages (control.md S17). */
const MOST_STEPS = 1000;
const NANO = 1e9;

/** Removes the dust of binary fractions: 2.3 − 1 is 1.3. */
const clean = (value: number): number => Math.round(value * NANO) / NANO;

/**
 * Values to set one after the other on the way from `from` to `to`, none further than `step` from the one before
 * (control.md §1.9.2, §1.9.3); the target is always set, even when it is reached already.
 * @throws DeviceError `device.too-many-steps` when the way is out of all proportion to the step
 */
export function stepsBetween(from: number, to: number, step: number): number[] {
  const count = Math.max(1, Math.ceil(clean(Math.abs(to - from) / step)));
  if (!(count <= MOST_STEPS)) {
    throw new DeviceError('device.too-many-steps', `${from} to ${to} by ${step} takes more than ${MOST_STEPS} steps`);
  }
  const direction = Math.sign(to - from);
  return Array.from({ length: count }, (_, index) =>
    index === count - 1 ? to : clean(from + direction * step * (index + 1)),
  );
}
