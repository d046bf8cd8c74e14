/** Where everything stands, in pixels of the drawing. The bus is a pipe; deals run in lanes inside it. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}
export interface Point {
  readonly x: number;
  readonly y: number;
}
/** `row`: all houses above the bus; `rows`: above and below it; `column`: left and right of an upright bus (phones). */
export type Arrangement = 'row' | 'rows' | 'column';

/** What a house needs, and its shape. */
export interface HouseSize {
  readonly minWidth: number;
  readonly maxWidth: number;
  readonly height: number;
  readonly roof: number;
  readonly gap: number;
  readonly crown: number;
}

export interface Layout {
  readonly arrangement: Arrangement;
  readonly width: number;
  readonly height: number;
  readonly pipe: Box;
  /** Middle of the note on the bus; it stands above an upright one. */
  readonly busTextY?: number;
  readonly houses: readonly Box[];
  readonly size: HouseSize;
  /** Where the wire of each house leaves it. */
  readonly ports: readonly Point[];
}

export const HOUSE: HouseSize = { minWidth: 172, maxWidth: 300, height: 250, roof: 58, gap: 20, crown: 30 };
/** Where many stand side by side: battery and current only. */
export const SMALL_HOUSE: HouseSize = { minWidth: 88, maxWidth: 160, height: 170, roof: 32, gap: 8, crown: 30 };
const PHONE_BELOW = 620;
const PIPE_GAP = 36;
const LANE = { row: 32, rows: 32, column: 12 } as const;
const PIPE_MIN = { row: 52, rows: 52, column: 24 } as const;
/** Room for the half of the note on the bus that stands below it. */
const BUS_TEXT = 18;
/** Wire of a house below the bus: it meets the roof beside the crown. */
const EAVE = 0.2;

const pipeSize = (arrangement: Arrangement, lanes: number): number =>
  Math.max(PIPE_MIN[arrangement], lanes * LANE[arrangement] + 18);

/** Middle of a lane, measured across the pipe. */
export function laneAt(layout: Layout, lane: number, lanes: number): number {
  const { pipe, arrangement } = layout;
  const middle = arrangement === 'column' ? pipe.x + pipe.w / 2 : pipe.y + pipe.h / 2;
  return middle + (lane - (lanes - 1) / 2) * LANE[arrangement];
}

const fits = (count: number, width: number): boolean => count * (HOUSE.minWidth + HOUSE.gap) <= width;

/** One row while the houses fit side by side, two when they do not, an upright bus on narrow screens. */
export function arrangementFor(width: number, houses: number): Arrangement {
  if (width < PHONE_BELOW && houses > 1) return 'column';
  return houses <= 6 && fits(houses, width) ? 'row' : 'rows';
}

function horizontal(arrangement: 'row' | 'rows', available: number, count: number, lanes: number): Layout {
  const columns = arrangement === 'row' ? Math.max(1, count) : Math.ceil(count / 2);
  const size = fits(columns, available) ? HOUSE : SMALL_HOUSE;
  const width = Math.max(available, columns * (size.minWidth + size.gap));
  const cell = width / columns;
  const w = Math.min(size.maxWidth, cell - size.gap);
  const pipe = { x: 0, y: size.crown + size.height + PIPE_GAP, w: width, h: pipeSize(arrangement, lanes) };
  const below = pipe.y + pipe.h + PIPE_GAP + size.crown;
  const houses = Array.from({ length: count }, (_, index) => ({
    x: cell * (index % columns) + (cell - w) / 2,
    y: index < columns ? size.crown : below,
    w,
    h: size.height,
  }));
  const ports = houses.map((box, index) =>
    index < columns
      ? { x: box.x + box.w / 2, y: box.y + box.h }
      : { x: box.x + box.w * EAVE, y: box.y + size.roof * (1 - 2 * EAVE) - 2 },
  );
  const pipeEnd = pipe.y + pipe.h;
  // On the rim that no wire crosses, so that it covers no deal.
  const busTextY = arrangement === 'row' ? pipeEnd : pipe.y + pipe.h / 2;
  const height = arrangement === 'row' ? pipeEnd + BUS_TEXT : below + size.height + 8;
  return { arrangement, width, height, pipe, busTextY, houses, ports, size };
}

function upright(width: number, count: number, lanes: number): Layout {
  const pipeW = pipeSize('column', lanes);
  const wire = 10;
  const w = (width - pipeW - 2 * wire) / 2;
  const rowHeight = HOUSE.height + HOUSE.crown + 6;
  const houses = Array.from({ length: count }, (_, index) => ({
    x: index % 2 === 0 ? 0 : width - w,
    y: HOUSE.crown + Math.floor(index / 2) * rowHeight,
    w,
    h: HOUSE.height,
  }));
  const ports = houses.map((box, index) => ({ x: index % 2 === 0 ? box.x + box.w : box.x, y: box.y + box.h - 28 }));
  const height = Math.ceil(count / 2) * rowHeight + 8;
  return {
    arrangement: 'column',
    size: HOUSE,
    width,
    height,
    pipe: { x: w + wire, y: 6, w: pipeW, h: height - 12 },
    houses,
    ports,
  };
}

/** Layout of `count` houses in `width` pixels with `lanes` lanes in the bus. Wider than `width` when they do not fit. */
export function layoutOf(width: number, count: number, lanes: number): Layout {
  const arrangement = arrangementFor(width, count);
  return arrangement === 'column' ? upright(width, count, lanes) : horizontal(arrangement, width, count, lanes);
}
