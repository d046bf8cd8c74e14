/**
 * How much PV each house has, as a factor on the standard size; houses count from 1 in file order.
 * The cases of the energy baseline (emulator.md §8).
 */
export const PV_CASES = {
  uniform: () => 1,
  half: (number) => number % 2,
  'half-double': (number) => 2 * (number % 2),
  spread: (number, count) => (count === 1 ? 1 : 0.25 + (1.5 * (number - 1)) / (count - 1)),
} as const satisfies Record<string, (number: number, count: number) => number>;
export type PvCase = keyof typeof PV_CASES;

/** Factors of houses 1 … `count`. */
export const pvFactors = (name: PvCase, count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => PV_CASES[name](index + 1, count));
