import type { AcceptStrategy, Scenario, ScenarioWindow } from '../config/scenario.ts';

/** `to <= from` means: over midnight (market §8 W23). Start included, end excluded. */
const covers = ({ from, to }: ScenarioWindow, second: number): boolean =>
  from < to ? from <= second && second < to : from <= second || second < to;

/** The window that holds at a second of the local day (0 … 86 399), the first in file order; undefined in a gap (market §2.2). */
export function windowAt(scenario: Scenario, secondOfDay: number): ScenarioWindow | undefined {
  for (const window of scenario.windows) if (covers(window, secondOfDay)) return window;
  return undefined;
}

/** How to choose among accepts: the window's word, else the scenario's, else by amount (market §2.2, §2.6). */
export const strategyOf = (scenario: Scenario, window: ScenarioWindow): AcceptStrategy =>
  window.acceptSelection?.strategy ?? scenario.acceptSelection?.strategy ?? 'amount';
