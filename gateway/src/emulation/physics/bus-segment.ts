import type { Amperes, Volts, Watts } from '../../domain/quantities.ts';
import type { Flow } from './flow.ts';
import type { NetworkSolution } from './network-solver.ts';

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
  const start = ends.start[index] ?? 0;
  return start + ((ends.end[index] ?? 0) - start) * x;
};

/** Loss in all lines as a flow over the part of the segment up to the fraction `x`. */
export function lineLossFlow(segment: BusSegment, ohms: readonly number[], x: number): Flow {
  const at = (fraction: number): Watts =>
    ohms.reduce((sum, resistance, node) => sum + resistance * endsAt(segment.branchA, node, fraction) ** 2, 0);
  return { start: at(0), middle: at(x / 2), end: at(x) };
}

export const powerW = (volts: Volts, amperes: Amperes): Watts => volts * amperes;

export const sameRegions = (one: NetworkSolution, other: NetworkSolution): boolean =>
  one.regions.every((region, index) => region === other.regions[index]);
