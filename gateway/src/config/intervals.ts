/** A range from `from` (included) to `to` (excluded). */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** The common part of two intervals, or undefined. */
export function common(a: Interval, b: Interval): Interval | undefined {
  const from = Math.max(a.from, b.from);
  const to = Math.min(a.to, b.to);
  return from < to ? { from, to } : undefined;
}

/** The parts of `whole` that none of the intervals covers, in order. */
export function gaps(whole: Interval, intervals: readonly Interval[]): Interval[] {
  const found: Interval[] = [];
  let covered = whole.from;
  for (const { from, to } of [...intervals].sort((a, b) => a.from - b.from)) {
    if (from > covered) found.push({ from: covered, to: Math.min(from, whole.to) });
    covered = Math.max(covered, to);
  }
  if (covered < whole.to) found.push({ from: covered, to: whole.to });
  return found;
}
