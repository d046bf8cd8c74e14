import { CUTS, DELAYS } from './cuts.ts';
import { KILLS } from './kills.ts';
import type { Scenario } from './scenario.ts';
import { SILENCES } from './silences.ts';

/** A cluster and what is done to it, one disturbance after the other. */
export interface Suite {
  readonly name: string;
  readonly gridCurrentA: number;
  readonly admission: 'n-1' | 'capacity';
  readonly delayMsec?: number;
  /** Only in the long form. */
  readonly isLong?: boolean;
  readonly scenarios: readonly Scenario[];
}

const of = (times: number, scenarios: readonly Scenario[]): readonly Scenario[] =>
  scenarios.map((scenario) => ({ ...scenario, times }));

export const SUITES: readonly Suite[] = [
  { name: '0.5 A, n-1', gridCurrentA: 0.5, admission: 'n-1', scenarios: [...KILLS, ...CUTS, ...SILENCES] },
  { name: '1 A, capacity', gridCurrentA: 1, admission: 'capacity', isLong: true, scenarios: of(2, KILLS) },
  {
    name: '0.5 A, n-1, peers behind relays',
    gridCurrentA: 0.5,
    admission: 'n-1',
    delayMsec: 500,
    isLong: true,
    scenarios: DELAYS,
  },
];
