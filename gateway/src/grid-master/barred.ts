import type { Obstacle } from './admission.ts';
import type { Grid } from './grid.ts';
import { permitsEnd } from './permits.ts';
import { silentParty } from './silent-party.ts';

/** What forbids to raise anything on the whole bus at present; undefined when nothing does. */
export function barredBy(grid: Grid): Obstacle | undefined {
  if (grid.hasGlobalErrors) return { reason: 'grid.global-errors', message: 'a global fault has just occurred' }; // D7
  if (!grid.hasQuorum) return { reason: 'grid-master.quorum-lost', message: 'no majority hears this grid master' }; // RULE-5
  if (!grid.isFenced) {
    const silent = grid.policy.memberUnitIds.filter((unitId) => !grid.units.hasBeenHeard(unitId));
    return { reason: 'grid-master.members-silent', message: `not heard yet: ${silent.join(', ')}` }; // RULE-4
  }
  const view = grid.view();
  const silent = view.deals.map((deal) => silentParty(view, deal)).find((unitId) => unitId !== undefined);
  if (silent !== undefined) return { reason: 'grid.party-silent', message: `${silent} runs a deal and is silent` }; // RULE-9
  const doubtful = [...grid.suspects.doubtful].filter(([, since]) => grid.now < permitsEnd(grid.policy, since));
  if (doubtful.length === 0) return undefined;
  return { reason: 'grid.possibly-active', message: `may still be active: ${doubtful.map(([id]) => id).join(', ')}` }; // RULE-10
}
