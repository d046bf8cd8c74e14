import { type Layout, laneAt, type Point } from './layout.ts';

const towards = (from: Point, to: Point, distance: number): Point => {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const part = Math.min(distance, length / 2) / length;
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
};

const at = (point: Point): string => `${point.x.toFixed(1)} ${point.y.toFixed(1)}`;

/** SVG path through the points with rounded corners. */
export function roundedPath(points: readonly Point[], radius: number): string {
  const parts = points.map((point, index) => {
    const before = points[index - 1];
    const after = points[index + 1];
    if (before === undefined) return `M${at(point)}`;
    if (after === undefined) return `L${at(point)}`;
    return `L${at(towards(point, before, radius))} Q${at(point)} ${at(towards(point, after, radius))}`;
  });
  return parts.join(' ');
}

/** Wires of one house that carry several deals run side by side, this far apart. */
const SPREAD = 10;

/** The way of a deal: out of the discharging house, along its lane, into the charging house. */
export function flowPoints(layout: Layout, from: number, to: number, lane: number, lanes: number): readonly Point[] {
  const start = layout.ports[from];
  const end = layout.ports[to];
  if (start === undefined || end === undefined) return [];
  const along = laneAt(layout, lane, lanes);
  const aside = (lane - (lanes - 1) / 2) * SPREAD;
  if (layout.arrangement === 'column') {
    return [
      { x: start.x, y: start.y + aside },
      { x: along, y: start.y + aside },
      { x: along, y: end.y + aside },
      { x: end.x, y: end.y + aside },
    ];
  }
  return [
    { x: start.x + aside, y: start.y },
    { x: start.x + aside, y: along },
    { x: end.x + aside, y: along },
    { x: end.x + aside, y: end.y },
  ];
}

/** Middle of the stretch inside the bus, and its length: there stands the label. */
export function laneMiddle(points: readonly Point[]): Point & { readonly length: number } {
  const [, a, b] = points;
  if (a === undefined || b === undefined) return { x: 0, y: 0, length: 0 };
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, length: Math.hypot(b.x - a.x, b.y - a.y) };
}
