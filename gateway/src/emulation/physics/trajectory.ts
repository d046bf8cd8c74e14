import type { Milliseconds } from '../../domain/quantities.ts';

/** A quantity that goes in a straight line from one value to another, and then stays. */
export interface Trajectory {
  readonly from: number;
  readonly to: number;
  readonly startAt: Milliseconds;
  readonly endAt: Milliseconds;
}

export const steady = (value: number): Trajectory => ({ from: value, to: value, startAt: 0, endAt: 0 });

/** From `from` to `to` within `duration`; no duration means at once. */
export const ramp = (from: number, to: number, startAt: Milliseconds, duration: Milliseconds): Trajectory =>
  duration > 0 && from !== to ? { from, to, startAt, endAt: startAt + duration } : steady(to);

export function valueAt(trajectory: Trajectory, at: Milliseconds): number {
  const { from, to, startAt, endAt } = trajectory;
  return at >= endAt ? to : from + ((to - from) * (at - startAt)) / (endAt - startAt);
}
