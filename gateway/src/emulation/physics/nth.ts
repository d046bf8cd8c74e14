/** An element of a list of numbers, 0 where there is none: nodes and houses are counted, not searched. */
export const nth = (list: readonly number[], index: number): number => list[index] ?? 0;
