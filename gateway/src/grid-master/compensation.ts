import type { Policy } from '../config/policy.ts';
import { type Deal, type DealSide, otherSide, unitOnSide } from '../domain/deal.ts';
import type { Amperes } from '../domain/quantities.ts';
import { otherCurrentA } from './deal-currents.ts';
import type { Sides } from './master-side.ts';

export interface CompensationRoles {
  readonly watchedUnitId: string;
  readonly adjustedSide: DealSide;
  readonly adjustedUnitId: string;
}

/**
 * Who is watched and who is adjusted (control.md §4.7). Undefined when the constant-current side is the reference
 * side and has the exact command already.
 */
export function compensationRoles(
  policy: Policy,
  deal: Deal,
  { side, masterUnitId }: Sides,
  voltageReferenceUnitId: string,
): CompensationRoles | undefined {
  const { referenceSide } = policy.gridMaster.deal;
  const isReference = masterUnitId === voltageReferenceUnitId;
  if (isReference && side !== referenceSide) return undefined;
  const adjustedSide = otherSide(referenceSide);
  return {
    watchedUnitId: voltageReferenceUnitId,
    adjustedSide,
    adjustedUnitId: unitOnSide(deal, adjustedSide),
  };
}

/** Part of the deal's current by which a correction may at most differ from what was agreed (control.md S14). */
export const CORRECTION_SHARE = 0.1;

export type Correction = 'done' | 'saturated' | { readonly gridCurrentA: Amperes };

export interface Measurement {
  readonly targetA: Amperes;
  /** Signed current of the watched unit. */
  readonly measuredA: Amperes;
  /** Present command of the adjusted unit, a magnitude. */
  readonly commandedA: Amperes;
  readonly adjustedSide: DealSide;
  readonly driftAllowanceA: Amperes;
  /** The adjusted unit's command without any correction, and the deal's own part of it. */
  readonly nominalA: Amperes;
  readonly dealGridCurrentA: Amperes;
}

/** One step of the compensation: gain 1, bounded, so that a wrong meter cannot drive a converter anywhere (INV-9). */
export function correct(now: Measurement): Correction {
  const errorA = now.measuredA - now.targetA;
  if (Math.abs(errorA) <= now.driftAllowanceA + 1e-9) return 'done';
  const wantedA = now.commandedA + (now.adjustedSide === 'chargeUnit' ? errorA : -errorA);
  const boundA = CORRECTION_SHARE * now.dealGridCurrentA;
  const boundedA = Math.min(Math.max(wantedA, now.nominalA - boundA, 0), now.nominalA + boundA);
  const isStuck = boundedA !== wantedA && Math.abs(boundedA - now.commandedA) < 1e-9;
  return isStuck ? 'saturated' : { gridCurrentA: boundedA };
}

/** Command of a unit without corrections: what its other deals take, and this one. */
export const nominalCurrentA = (deals: readonly Deal[], deal: Deal, unitId: string): Amperes =>
  Math.abs(otherCurrentA(deals, deal, unitId)) + deal.dealGridCurrentA;
