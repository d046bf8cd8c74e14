import { CURRENT_SIGN } from '../domain/converter-mode.ts';
import { type Deal, isInvolved, otherSide, unitOnSide } from '../domain/deal.ts';
import type { DeviceCommand } from '../domain/device-command.ts';
import { planHandOver } from './activation-plan.ts';
import { agreedCurrentA, compensatedCurrentA } from './deal-currents.ts';
import { type GridView, gridCurrentOf, isCarrying, isGoingUp, mayHoldVoltage, othersOf } from './grid-view.ts';
import type { HandOverPlan } from './hand-over.ts';
import { masterSide, mayFlip } from './master-side.ts';
import { worstLoss } from './worst-loss.ts';

/** Who holds the voltage after a master deal, and how it gets there; no hand-over when the reference stays. */
export interface Succession {
  readonly deal: Deal;
  readonly voltageReferenceUnitId: string;
  readonly handOver?: HandOverPlan;
}

/** Latest activation first; time texts of one format sort as they are. */
const newestFirst = (a: Deal, b: Deal): number => String(b.activateDateTime).localeCompare(String(a.activateDateTime));

function largeCandidate(view: GridView, deal: Deal, candidates: readonly Deal[]): [Deal, string] | undefined {
  const large = view.policy.largeCapacityUnitIds ?? [];
  const side = masterSide(view);
  const sides = mayFlip(view, deal) ? [side, otherSide(side)] : [side];
  for (const candidate of candidates) {
    const unitId = sides
      .map((one) => unitOnSide(candidate, one))
      .find((one) => large.includes(one) && mayHoldVoltage(view, one));
    if (unitId !== undefined) return [candidate, unitId];
  }
  return undefined;
}

/** Master-side unit, or back to the side that policy prefers when the sides had been exchanged. */
function newestCandidate(view: GridView, deal: Deal, newest: Deal): [Deal, string] {
  const side = masterSide(view);
  const preferred = view.policy.gridMaster.voltageReferenceSide;
  const wanted = side !== preferred && mayFlip(view, deal) ? preferred : side;
  // RULE-18: admission sees to it that one party of each deal can hold the voltage.
  return [newest, unitOnSide(newest, mayHoldVoltage(view, unitOnSide(newest, wanted)) ? wanted : otherSide(wanted))];
}

/** RULE-9, admission `n-1`: whoever could best bear the loss of any other converter; of several the first. */
function steadiestCandidate(view: GridView, candidates: readonly Deal[]): [Deal, string] | undefined {
  if (view.policy.gridMaster.admission !== 'n-1') return undefined;
  const choices = candidates.flatMap((deal) =>
    [masterSide(view), otherSide(masterSide(view))].map((side): [Deal, string] => [deal, unitOnSide(deal, side)]),
  );
  const able = choices.filter(([, unitId]) => mayHoldVoltage(view, unitId));
  const bearsA = ([, unitId]: [Deal, string]): number => Number(worstLoss(candidates, unitId)?.currentA); // its partner is always there
  return able.toSorted((a, b) => bearsA(a) - bearsA(b))[0];
}

/** The deal and the unit that take the voltage over when a master deal ends (control.md §4.10); undefined when none is left. */
export function successionOf(view: GridView, deal: Deal): Succession | undefined {
  const candidates = othersOf(view, deal).filter(isCarrying).toSorted(newestFirst);
  const newest = candidates[0];
  const vr = view.voltageReferenceUnitId;
  if (newest === undefined || vr === undefined) return undefined;
  const staying = candidates.find((candidate) => isInvolved(candidate, vr));
  if (staying !== undefined) return { deal: staying, voltageReferenceUnitId: vr };
  const [next, to] =
    largeCandidate(view, deal, candidates) ??
    steadiestCandidate(view, candidates) ??
    newestCandidate(view, deal, newest);
  return { deal: next, voltageReferenceUnitId: to, handOver: planHandOver(view, deal, vr, to) };
}

/**
 * Could the successor bear what the reference leaves over when it goes? Not while a converter that nobody reaches any
 * more pushes its current into the bus: then the reference stays, for it balances that current (RULE-10).
 */
export function canBear(view: GridView, { from, to, next }: HandOverPlan): boolean {
  const nextA = next === undefined ? 0 : CURRENT_SIGN[next.mode] * next.gridCurrentA;
  const demandedA = Number(gridCurrentOf(view, to)) + Number(gridCurrentOf(view, from)) - nextA;
  return Math.abs(demandedA) <= Number(view.dcdc(from)?.param.dig); // unknown is no yes
}

/** Must this unit be active for a deal: on both sides once warmed up, before that on the master side only. */
const isNeededFor = (deal: Deal, unitId: string, masterUnitId: string): boolean =>
  isInvolved(deal, unitId) && isCarrying(deal) && (!isGoingUp(deal) || unitId === masterUnitId);

/**
 * What takes a deal's current away from one of its units: WAIT, or only its part while other deals need the unit.
 * Undefined for the voltage reference, which is never released like this. Needs nothing but the records (control.md D9).
 */
export function releaseCommand(view: GridView, deal: Deal, unitId: string): DeviceCommand | undefined {
  if (unitId === view.voltageReferenceUnitId) return undefined;
  const side = masterSide(view);
  const needing = othersOf(view, deal).filter((other) => isNeededFor(other, unitId, unitOnSide(other, side)));
  if (needing.length === 0) return { command: 'WAIT' };
  const signedA = needing.reduce(
    (sum, other) => sum + (compensatedCurrentA(other, unitId) ?? agreedCurrentA(other, unitId)),
    0,
  );
  return { command: 'current', gridCurrentA: Math.abs(signedA) };
}
