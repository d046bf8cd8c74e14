import type { GridHouseView } from './grid-page-view.ts';

/** Largest current that the bars must show, A; never so small that meter noise fills the screen. */
export function currentScale(houses: readonly GridHouseView[]): number {
  const all = houses.flatMap(({ currentA = 0, agreedA, limitA = 0 }) => [currentA, agreedA, limitA].map(Math.abs));
  return Math.max(1, ...all);
}

/** Less than this is what a meter says of nothing. */
const NOISE_A = 0.05;

/** A bar from the middle (50 %) to the value, in per cent of the width. */
export function barOf(valueA: number, scaleA: number): { readonly left: string; readonly width: string } {
  if (Math.abs(valueA) < NOISE_A) return { left: '50.00%', width: '0.00%' };
  const share = Math.max(-1, Math.min(1, valueA / scaleA)) * 50;
  return { left: `${(50 + Math.min(0, share)).toFixed(2)}%`, width: `${Math.abs(share).toFixed(2)}%` };
}
