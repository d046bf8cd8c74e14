import { type BarSeries, barChart, escaped, type Frame } from './bar-chart.ts';
import type { StudyCase } from './study.ts';
import type { CaseResult } from './study-result.ts';

/** Results by case; those that were not run are absent. */
export type CaseResults = Partial<Readonly<Record<StudyCase, CaseResult>>>;

const WIDTH = 960;
const HEIGHT = 578;
const UPPER: Frame = { x: 76, y: 136, width: 856, height: 230 };
const LOWER: Frame = { x: 76, y: 434, width: 856, height: 110 };

/** How each case is shown, in order. */
export const CASE_STYLES: readonly { readonly name: StudyCase; readonly label: string; readonly colour: string }[] = [
  { name: 'alone', label: 'each house alone', colour: '#aab4c0' },
  { name: 'apis', label: 'exchange by deals', colour: '#1f77c8' },
  { name: 'pooled', label: 'one shared battery', colour: '#58b88a' },
];

const STYLE = `
  text { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #26303a; }
  .heading { font-size: 20px; font-weight: 600; }
  .note { font-size: 13px; fill: #5b6875; }
  .title { font-size: 14px; font-weight: 600; }
  .tick { font-size: 12px; fill: #5b6875; }
  .rule { stroke: #e4e8ec; }
  .zero { stroke: #8a96a3; }`;

/** A share of 1 as people read it. */
export const percent = (value: number): string => `${(100 * value).toFixed(1).replace(/\.0$/, '')} %`;
const plain = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 1 });

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const monthName = (month: string): string => MONTHS[Number(month.slice(5)) - 1] ?? month;

/** Self-sufficiency and exchanged energy by month as an SVG picture; `heading` names the study. */
export function studyPlot(results: CaseResults, heading: string): string {
  const shown = CASE_STYLES.flatMap((style) => {
    const result = results[style.name];
    return result === undefined ? [] : [{ ...style, result }];
  });
  const groups = (shown[0]?.result.months ?? []).map(({ month }) => monthName(month));
  const sufficiency: BarSeries[] = shown.map(({ label, colour, result }) => ({
    name: label,
    colour,
    values: result.months.map((month) => month.selfSufficiency),
  }));
  const exchanged: BarSeries[] = shown
    .filter(({ name }) => name === 'apis')
    .map(({ label, colour, result }) => ({
      name: label,
      colour,
      values: result.months.map((month) => month.exchangedWh / 1000),
    }));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${escaped(heading)}</title><style>${STYLE}\n</style>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text class="heading" x="28" y="40">Energy exchange between houses</text>`,
    `<text class="note" x="28" y="62">${escaped(heading)}</text>`,
    legend(
      shown.map(({ label, colour, result }) => ({ colour, text: `${label}: ${percent(result.selfSufficiency)}` })),
    ),
    barChart({ title: 'Self-sufficiency', label: percent, groups, series: sufficiency }, UPPER),
    barChart({ title: 'Energy exchanged over the bus, kWh', label: plain, groups, series: exchanged }, LOWER),
    '</svg>',
    '',
  ].join('\n');
}

const LEGEND_STEP = 236;

const legend = (entries: readonly { readonly colour: string; readonly text: string }[]): string =>
  entries
    .map(({ colour, text }, index) => {
      const x = 28 + LEGEND_STEP * index;
      return (
        `<rect x="${x}" y="80" width="12" height="12" rx="2" fill="${colour}"/>` +
        `<text class="note" x="${x + 19}" y="90.5">${escaped(text)}</text>`
      );
    })
    .join('');
