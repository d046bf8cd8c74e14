import { type Deal, partiesOf } from '../domain/deal.ts';
import type { Amperes } from '../domain/quantities.ts';
import { agreedCurrentA } from './deal-currents.ts';

/** Whose loss would hit a reference hardest, and what it would have to bear then. */
export interface Loss {
  readonly unitId: string;
  readonly currentA: Amperes;
}

/**
 * RULE-9: the reference carries what the others leave over, so the loss of `u` moves it by the current of `u`. Undefined
 * where there is nobody else.
 */
export function worstLoss(deals: readonly Deal[], vr: string): Loss | undefined {
  const currents = new Map<string, Amperes>();
  for (const deal of deals) {
    for (const unitId of partiesOf(deal)) {
      currents.set(unitId, (currents.get(unitId) ?? 0) + agreedCurrentA(deal, unitId));
    }
  }
  const ownA = currents.get(vr) ?? 0;
  const losses = [...currents]
    .filter(([unitId]) => unitId !== vr)
    .map(([unitId, currentA]) => ({ unitId, currentA: Math.abs(ownA + currentA) }));
  return losses.reduce<Loss | undefined>(
    (worst, one) => (worst === undefined || one.currentA > worst.currentA ? one : worst),
    undefined,
  );
}
