/**
 * A power over one segment of time, as the parabola through its values at the start, the middle and the end.
 * Exact for everything that is constant, linear or quadratic in time; one set of weights for every flow makes
 * the energy account balance to rounding (INV-8).
 */
export interface Flow {
  readonly start: number;
  readonly middle: number;
  readonly end: number;
}

/** Coefficients of a + b·x + c·x² with x in 0 … 1 over the segment. */
function coefficients({ start, middle, end }: Flow): readonly [number, number, number] {
  const curvature = 2 * (start - 2 * middle + end);
  return [start, end - start - curvature, curvature];
}

export function valueAtFraction(flow: Flow, x: number): number {
  const [a, b, c] = coefficients(flow);
  return a + x * (b + x * c);
}

/** Integral from the start to the fraction `x` of the segment, in units of value × segment. */
export function integralOf(flow: Flow, x: number): number {
  const [a, b, c] = coefficients(flow);
  return x * (a + x * (b / 2 + (x * c) / 3));
}

/** Ascending fractions in (0, 1) at which the flow is zero. */
export function rootsOf(flow: Flow): readonly number[] {
  const [a, b, c] = coefficients(flow);
  const inside = (x: number): boolean => x > 0 && x < 1;
  const scale = Math.abs(a) + Math.abs(b);
  if (Math.abs(c) <= 1e-12 * scale) return b === 0 ? [] : [-a / b].filter(inside);
  const discriminant = b * b - 4 * a * c;
  if (discriminant < 0) return [];
  // The numerically stable pair: one root by the sum of equal signs, the other by Vieta.
  const q = -(b + (b < 0 ? -1 : 1) * Math.sqrt(discriminant)) / 2;
  const roots = q === 0 ? [0] : [q / c, a / q];
  return roots.filter(inside).sort((one, other) => one - other);
}

/**
 * First fraction in (0, 1] at which `base + gain × integral` reaches `level`; undefined when it does not.
 * A base that stands on the level does not count: only a change of side does.
 */
export function firstCrossing(flow: Flow, base: number, gain: number, level: number): number | undefined {
  const distance = (x: number): number => base + gain * integralOf(flow, x) - level;
  let from = 0;
  const side = Math.sign(distance(0));
  if (side === 0) return undefined;
  for (const to of [...rootsOf(flow), 1]) {
    if (Math.sign(distance(to)) !== side) return bisect(distance, from, to, side);
    from = to;
  }
  return undefined;
}

const BISECTIONS = 60;

/** The piece is monotone and changes side once. */
function bisect(distance: (x: number) => number, from: number, to: number, side: number): number {
  let [low, high] = [from, to];
  for (let step = 0; step < BISECTIONS && high - low > 1e-15; step += 1) {
    const middle = (low + high) / 2;
    if (Math.sign(distance(middle)) === side) low = middle;
    else high = middle;
  }
  return high;
}
