import { childSpot } from './composite-fields.ts';
import type { Spot } from './field.ts';
import { common, gaps } from './intervals.ts';
import type { Rules, Scenario, ScenarioWindow } from './scenario.ts';
import { clockText, DAY_SECONDS, partsOfDay } from './time-of-day.ts';

/** A window with the place it was read from. */
export interface PlacedWindow {
  readonly key: string;
  readonly spot: Spot;
  readonly window: ScenarioWindow;
}

/** Warns of what is legal in a scenario but most likely not meant. */
export function warnAboutWindows(placed: readonly PlacedWindow[], scenario: Scenario, spot: Spot): void {
  warnOfOverlaps(placed);
  warnOfGaps(placed, spot);
  for (const entry of placed) {
    const { strategy } = entry.window.acceptSelection ?? scenario.acceptSelection ?? { strategy: 'amount' };
    for (const side of ['request', 'accept'] as const) {
      warnAboutRules(entry, side, strategy === 'pointAndAmount');
    }
  }
}

function warnOfOverlaps(placed: readonly PlacedWindow[]): void {
  for (const [index, { spot, window }] of placed.entries()) {
    const other = placed.slice(0, index).find((earlier) => overlap(earlier.window, window));
    if (other === undefined) continue;
    const message = `overlaps ${other.key}; the first in the file counts`;
    spot.report.warn({ line: spot.line, path: spot.path, message });
  }
}

const overlap = (a: ScenarioWindow, b: ScenarioWindow): boolean =>
  partsOfDay(a).some((part) => partsOfDay(b).some((other) => common(part, other) !== undefined));

function warnOfGaps(placed: readonly PlacedWindow[], { report, line, path }: Spot): void {
  const covered = placed.flatMap(({ window }) => partsOfDay(window));
  for (const { from, to } of gaps({ from: 0, to: DAY_SECONDS }, covered)) {
    report.warn({ line, path, message: `has no window from ${clockText(from)} to ${clockText(to)}: no trade then` });
  }
}

function warnAboutRules({ spot, window }: PlacedWindow, side: 'request' | 'accept', needsPrice: boolean): void {
  const statuses = new Set(window.batteryStatus.map(({ status }) => status));
  const table = spot.node?.kind === 'object' ? childSpot(spot.node, spot, side) : undefined;
  if (table?.node?.kind !== 'object') return;
  for (const [status, rules] of window[side]) {
    const { report, line, path } = childSpot(table.node, table, status);
    if (!statuses.has(status))
      report.warn({ line, path, message: 'is never used: no batteryStatus gives this status' });
    if (needsPrice && lacksPrice(rules)) {
      report.warn({ line, path, message: 'has no pointPerWh, so "pointAndAmount" never chooses it' });
    }
  }
}

const lacksPrice = (rules: Rules): boolean =>
  [rules.charge, rules.discharge].some((rule) => rule !== undefined && rule.pointPerWh === undefined);
