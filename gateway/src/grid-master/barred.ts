import type { Milliseconds } from '../domain/quantities.ts';
import type { Obstacle } from './admission.ts';
import type { Grid } from './grid.ts';
import { formerPermitsEnd, unheardMembers } from './take-over.ts';

/** What forbids to raise anything on the whole bus at present; undefined when nothing does. */
export function barredBy(grid: Grid, startedAt: Milliseconds): Obstacle | undefined {
  if (grid.hasGlobalErrors) return { reason: 'grid.global-errors', message: 'a global fault has just occurred' }; // D7
  const silent = unheardMembers(grid);
  if (silent.length > 0 && grid.now < formerPermitsEnd(grid, startedAt)) {
    return { reason: 'grid-master.members-silent', message: `not heard yet: ${silent.join(', ')}` }; // RULE-4
  }
  const doubtful = [...grid.suspects.doubtful].filter(([, since]) => grid.now < formerPermitsEnd(grid, since));
  if (doubtful.length === 0) return undefined;
  return { reason: 'grid.possibly-active', message: `may still be active: ${doubtful.map(([id]) => id).join(', ')}` }; // RULE-10
}
