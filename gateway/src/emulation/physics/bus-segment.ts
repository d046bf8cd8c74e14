import { nth } from './nth.ts';

/** Values of every node at the two ends of a segment; in between they go in straight lines. */
export interface Ends {
  readonly start: readonly number[];
  readonly end: readonly number[];
}

/** The bus during one segment of time: between two events of the network everything is linear. */
export interface BusSegment {
  readonly from: number;
  /** Infinity when nothing moves. */
  readonly until: number;
  readonly volts: Ends;
  readonly branchA: Ends;
  /** Current into each house, by the index of the house. */
  readonly houseA: Ends;
}

export const endsOf = (start: readonly number[], end: readonly number[] = start): Ends => ({ start, end });

/** Fraction of the segment at a time; 0 throughout a segment that never ends. */
export function fractionAt(segment: { readonly from: number; readonly until: number }, at: number): number {
  return Number.isFinite(segment.until) ? Math.min(1, (at - segment.from) / (segment.until - segment.from)) : 0;
}

export const endsAt = (ends: Ends, index: number, x: number): number => {
  const start = nth(ends.start, index);
  return start + (nth(ends.end, index) - start) * x;
};
