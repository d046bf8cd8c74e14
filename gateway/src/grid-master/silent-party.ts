import { type Deal, isStarted, partiesOf, partiesOfAll } from '../domain/deal.ts';
import type { Amperes } from '../domain/quantities.ts';
import { runningCurrentA } from './deal-currents.ts';
import { type GridView, gridCurrentOf, isCarrying, isMute, isSilent, modeOf, othersOf } from './grid-view.ts';

const EPSILON_A = 1e-9;

/**
 * What other silent units would have taken with them that hides the loss of this one from the reference: their currents
 * the other way. Two that are cut off together leave a bus in balance, and partners that go on alone.
 */
function hidingA(view: GridView, unitId: string, lostA: Amperes): Amperes {
  const silent = partiesOfAll(view.deals).filter(
    (other) => other !== unitId && other !== view.voltageReferenceUnitId && isSilent(view, other),
  );
  const currents = silent.map((other) => runningCurrentA(view.deals, other));
  return currents.filter((one) => one * lostA < 0).reduce((sum, one) => sum + one, 0);
}

/**
 * RULE-9: a silent unit may go on carrying its current, and its partner balances that. So the partner is stopped when the
 * reference's own meter shows that the current is gone, or could not bear it; or when nobody knows what the meter shows.
 * The books count beside the meter: a silent unit may still carry the current of a deal whose partner has been stopped,
 * which the meter shows as so much head-room, and would take that with it as well.
 */
export function isSilenceALoss(view: GridView, unitId: string): boolean {
  const vr = view.voltageReferenceUnitId;
  if (vr === undefined || vr === unitId || isMute(view, vr)) return true;
  const measuredA = gridCurrentOf(view, vr);
  const limitA = view.dcdc(vr)?.param.dig;
  if (measuredA === undefined || limitA === undefined) return true;
  const lostA = runningCurrentA(view.deals, unitId);
  const bookedA = runningCurrentA(view.deals, vr);
  const driftA = measuredA - bookedA;
  const isShown = (driftA - hidingA(view, unitId, lostA)) * Math.sign(lostA) > Math.abs(lostA) / 2;
  return isShown || [measuredA, bookedA].some((presentA) => Math.abs(presentA + lostA) > limitA + EPSILON_A);
}

/** A unit that is not heard has let its current go, or will, and the reference knows (RULE-9). */
export const isLostUnheard = (view: GridView, unitId: string): boolean =>
  unitId !== view.voltageReferenceUnitId && isSilenceALoss(view, unitId);

/** As above, of a unit whose device is silent. */
export const isMuteAndLost = (view: GridView, unitId: string): boolean =>
  isMute(view, unitId) && isLostUnheard(view, unitId);

/**
 * The party whose silence a deal lasts out for the time being. Not when its partner is in WAIT: nothing balances the
 * silent one then, and a new deal of the partner would be measured as if the old one flowed (INV-4).
 */
export function silentParty(view: GridView, deal: Deal): string | undefined {
  const [silent, ...more] = partiesOf(deal).filter((unitId) => !view.isAlive(unitId));
  if (silent === undefined || more.length > 0 || !isStarted(deal) || !isCarrying(deal)) return undefined;
  if (partiesOf(deal).some((unitId) => unitId !== silent && modeOf(view, unitId) === 'WAIT')) return undefined;
  return isSilenceALoss(view, silent) ? undefined : silent;
}

/**
 * A unit that does not let its current go, though the deal may be marked as stopped: could the reference bear it when its
 * partner went all the same? Where nobody knows, the partner goes.
 */
export function mustBeBalanced(view: GridView, deal: Deal, unitId: string): boolean {
  const { stopDateTime: _, ...going } = deal;
  const partner = partiesOf(deal).find((other) => other !== unitId);
  const vr = view.voltageReferenceUnitId;
  const beside = { ...view, deals: [...othersOf(view, deal), going] };
  if (vr === undefined || partner === undefined || partner === vr || isSilenceALoss(beside, unitId)) return false;
  const leftA = Number(gridCurrentOf(view, vr)) + runningCurrentA([going], partner);
  return Math.abs(leftA) > Number(view.dcdc(vr)?.param.dig) + EPSILON_A;
}
