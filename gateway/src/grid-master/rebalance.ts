import { type Deal, isStarted, partiesOf } from '../domain/deal.ts';
import { messageOf } from '../domain/errors.ts';
import type { Amperes } from '../domain/quantities.ts';
import { accrue } from './accrue.ts';
import { compensatedCurrents, measure } from './balance.ts';
import { type CompensationRoles, compensationRoles } from './compensation.ts';
import { agreedRunningCurrentA } from './deal-currents.ts';
import type { Grid } from './grid.ts';
import { activeDealsOf, type GridView, gridCurrentOf, isRunning } from './grid-view.ts';
import { masterSide, sidesOf } from './master-side.ts';

/**
 * How far the reference is off what its deals agreed on, when all deals are on their way; undefined while any is
 * changing, or a party not seen. Not off what it last carried: a correction at its bound leaves a difference (a leak,
 * say), and the next one would bring back that difference instead of the agreed current (INV-4).
 */
export function referenceDriftA(view: GridView): Amperes | undefined {
  const vr = view.voltageReferenceUnitId;
  const present = activeDealsOf(view);
  if (vr === undefined || present.length === 0) return undefined;
  if (!present.every((deal) => isStarted(deal) && isRunning(deal))) return undefined;
  const measuredA = gridCurrentOf(view, vr);
  const isUnseen = (unitId: string): boolean => gridCurrentOf(view, unitId) === undefined;
  if (present.some((deal) => partiesOf(deal).some(isUnseen))) return undefined;
  return measuredA === undefined ? undefined : measuredA - agreedRunningCurrentA(present, vr);
}

/** The youngest running deal that has a side to adjust. */
function adjustable(view: GridView, vr: string): { deal: Deal; roles: CompensationRoles } | undefined {
  for (const deal of view.deals.filter(isRunning).toReversed()) {
    const roles = compensationRoles(view.policy, deal, sidesOf(deal, masterSide(view)), vr);
    if (roles !== undefined) return { deal, roles };
  }
  return undefined;
}

/**
 * One more correction of a running deal (control.md S15): after a deal has ended or the reference has moved, and when
 * converters wander, the differences of all meters are left to the reference. Only a wish: the deals run on without.
 */
export async function rebalance(grid: Grid, vr: string): Promise<void> {
  const found = adjustable(grid.view(), vr);
  if (found === undefined) return;
  const { deal, roles } = found;
  grid.beginStep();
  try {
    const correction = await measure(grid, deal, roles, agreedRunningCurrentA(grid.deals.all(), vr));
    if (typeof correction === 'string') return;
    accrue(grid); // until here the shares were those without the correction
    await grid.raise(roles.adjustedUnitId, { command: 'current', gridCurrentA: correction.gridCurrentA });
    await Promise.all(partiesOf(deal).map((unitId) => grid.read(unitId, 'status')));
    grid.note(deal.dealId, compensatedCurrents(grid, deal));
    grid.needs.log.info({ dealId: deal.dealId, unitId: roles.adjustedUnitId, ...correction }, 'deal.rebalanced');
  } catch (error) {
    grid.needs.log.warn({ dealId: deal.dealId, message: messageOf(error) }, 'deal.not-rebalanced');
  }
}
