/** Figures of several runs; times on a busy machine scatter, so the middle one is quoted. */
export interface Figures {
  readonly median: number;
  readonly worst: number;
  readonly runs: number;
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

export function figuresOf(values: readonly number[], digits = 0): Figures {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: rounded(sorted[Math.floor(sorted.length / 2)] ?? Number.NaN, digits),
    worst: rounded(sorted.at(-1) ?? Number.NaN, digits),
    runs: values.length,
  };
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
