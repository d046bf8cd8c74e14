import { DELAYS, LOSSES, PARTITIONS, REFUSALS } from './cuts.ts';
import { KILLS } from './kills.ts';
import type { Scenario } from './scenario.ts';
import { SILENT_DRIVERS, SILENT_GATEWAYS } from './silences.ts';

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

const N_1 = { gridCurrentA: 0.5, admission: 'n-1' } as const;

/** In the order in which they come up: the longest first. */
export const SUITES: readonly Suite[] = [
  { name: 'partitions', ...N_1, scenarios: PARTITIONS },
  { name: 'silent gateways', ...N_1, scenarios: SILENT_GATEWAYS },
  { name: 'kills', ...N_1, scenarios: KILLS },
  { name: 'kills, 1 A, capacity', gridCurrentA: 1, admission: 'capacity', isLong: true, scenarios: KILLS },
  { name: 'delays', ...N_1, delayMsec: 500, scenarios: DELAYS },
  { name: 'losses', ...N_1, scenarios: LOSSES },
  { name: 'refusals', ...N_1, isLong: true, scenarios: REFUSALS },
  { name: 'silent drivers', ...N_1, scenarios: SILENT_DRIVERS },
];
