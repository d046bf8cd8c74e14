import type { Grid } from './grid.ts';
import { isUntold } from './grid-view.ts';

/** Nobody knows that the converter of this unit is in WAIT: it may carry current, or hold the voltage (RULE-10). */
export const isUnheard = (grid: Grid, unitId: string): boolean =>
  !grid.needs.community.isAlive(unitId) || isUntold(grid.view(), unitId) || grid.suspects.doubtful.has(unitId);
