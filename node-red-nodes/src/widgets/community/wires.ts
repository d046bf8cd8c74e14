import type { Layout } from './layout.ts';
import { roundedPath } from './paths.ts';

/** Wire from a house's port to the edge of the bus. */
export function wirePath(layout: Layout, index: number): string {
  const port = layout.ports[index];
  if (port === undefined) return '';
  const { pipe, arrangement } = layout;
  if (arrangement === 'column') {
    const edge = port.x < pipe.x ? pipe.x + 2 : pipe.x + pipe.w - 2;
    return roundedPath([port, { x: edge, y: port.y }], 0);
  }
  const edge = port.y < pipe.y ? pipe.y + 2 : pipe.y + pipe.h - 2;
  return roundedPath([port, { x: port.x, y: edge }], 0);
}
