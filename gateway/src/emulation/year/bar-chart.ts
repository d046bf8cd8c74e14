/** A row of bars of one colour, one per group. */
export interface BarSeries {
  readonly name: string;
  readonly colour: string;
  readonly values: readonly number[];
}

export interface BarChart {
  readonly title: string;
  /** Text of a number at the axis, and of a value in the tip of its bar. */
  readonly label: (value: number) => string;
  readonly groups: readonly string[];
  readonly series: readonly BarSeries[];
}

/** Where a chart goes, in pixels; the axis labels stand left of it. */
export interface Frame {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const TICKS = 5;
const DUST = 1e-9;
const GAP = 0.28;
const TITLE_RISE = 14;
const NAME_WIDTH = 30;
const WIDEST_BAR = 56;

/** Text as it may stand in SVG. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign] ?? '&quot;');

const px = (value: number): string => (Math.round(value * 10) / 10).toString();

/** A step of 1, 2 or 5 times a power of ten that divides `span` into about `TICKS` parts. */
export function niceStep(span: number): number {
  const rough = span / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
}

interface Scale {
  readonly ticks: readonly number[];
  /** From a value to its height above the zero line of the page. */
  readonly y: (value: number) => number;
}

function scaleOf({ series }: BarChart, { y, height }: Frame): Scale {
  const values = series.flatMap((one) => one.values);
  const [lowest, highest] = [Math.min(0, ...values), Math.max(0, ...values)];
  // A chart of zeros, or of the dust that rounding leaves, still gets an axis.
  const step = niceStep(highest - lowest > DUST ? highest - lowest : 1);
  const bottom = Math.floor(lowest / step);
  const top = Math.max(Math.ceil(highest / step), bottom + 1);
  const ticks = Array.from({ length: top - bottom + 1 }, (_, index) => (bottom + index) * step);
  return { ticks, y: (value) => y + height - (height * (value / step - bottom)) / (top - bottom) };
}

/** The chart as a group of SVG elements: horizontal rules, bars with tips, group names below. */
export function barChart(chart: BarChart, frame: Frame): string {
  const scale = scaleOf(chart, frame);
  const { x, y, width } = frame;
  const rules = scale.ticks.map((tick) => {
    const at = px(scale.y(tick));
    const kind = tick === 0 ? 'zero' : 'rule';
    return (
      `<line class="${kind}" x1="${px(x)}" x2="${px(x + width)}" y1="${at}" y2="${at}"/>` +
      `<text class="tick" x="${px(x - 8)}" y="${at}" dy="0.35em" text-anchor="end">${escaped(chart.label(tick))}</text>`
    );
  });
  return [
    `<text class="title" x="${px(x)}" y="${px(y - TITLE_RISE)}">${escaped(chart.title)}</text>`,
    ...rules,
    ...chart.groups.map((group, index) => groupOf(chart, frame, scale, group, index)),
  ].join('\n');
}

function groupOf(
  { series, groups, label }: BarChart,
  frame: Frame,
  { y }: Scale,
  group: string,
  index: number,
): string {
  const slot = frame.width / groups.length;
  const bar = Math.min((slot * (1 - GAP)) / series.length, WIDEST_BAR);
  const left = frame.x + slot * (index + 0.5) - (bar * series.length) / 2;
  const bars = series.map(({ name, colour, values }, place) => {
    const value = values[index] ?? 0;
    const [top, bottom] = [y(Math.max(0, value)), y(Math.min(0, value))];
    return (
      `<rect x="${px(left + place * bar)}" y="${px(top)}" width="${px(bar * 0.94)}" height="${px(bottom - top)}" rx="1.5" ` +
      `fill="${colour}"><title>${escaped(`${group}, ${name}: ${label(value)}`)}</title></rect>`
    );
  });
  // Many groups: only so many names that they do not touch.
  if (index % Math.ceil(NAME_WIDTH / slot) !== 0) return bars.join('');
  const middle = px(frame.x + slot * (index + 0.5));
  const below = px(frame.y + frame.height + 18);
  return `${bars.join('')}<text class="tick" x="${middle}" y="${below}" text-anchor="middle">${escaped(group)}</text>`;
}
