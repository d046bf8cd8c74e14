import { CASE_STYLES, type CaseResults } from './study-plot.ts';
import type { CaseResult } from './study-result.ts';

type Column = readonly [title: string, value: (result: CaseResult) => string];

const kWh = (valueWh: number): string => Math.round(valueWh / 1000).toLocaleString('en-US');

const COLUMNS: readonly Column[] = [
  ['self-sufficiency', ({ selfSufficiency }) => `${(100 * selfSufficiency).toFixed(1)} %`],
  ['imported kWh', ({ importedWh }) => kWh(importedWh)],
  ['curtailed kWh', ({ curtailedWh }) => kWh(curtailedWh)],
  ['exchanged kWh', ({ exchangedWh }) => kWh(exchangedWh)],
  ['exchange loss kWh', ({ exchangeLossWh }) => kWh(exchangeLossWh)],
  ['deals', ({ deals }) => deals.toLocaleString('en-US')],
];

/** The results as a table for people. */
export function studyTable(results: CaseResults): string {
  const rows = CASE_STYLES.flatMap(({ name, label }) => {
    const result = results[name];
    return result === undefined ? [] : [[label, ...COLUMNS.map(([, value]) => value(result))]];
  });
  const table = [['', ...COLUMNS.map(([title]) => title)], ...rows];
  const widths = ['', ...COLUMNS].map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  return table.map((row) => row.map((cell, column) => padded(cell, widths[column] ?? 0, column)).join('  ')).join('\n');
}

/** Names to the left, numbers to the right. */
const padded = (cell: string, width: number, column: number): string =>
  column === 0 ? cell.padEnd(width) : cell.padStart(width);
