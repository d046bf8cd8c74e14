import type { Rule } from '../config/scenario.ts';
import type { DealType } from '../domain/deal.ts';
import type { WattHours } from '../domain/quantities.ts';
import { type Outcome, refuse } from './outcome.ts';
import type { Standing } from './standing.ts';

/** What the scenario wants in this moment, before the mediator adds unit, time and current. */
export interface Wish {
  readonly type: DealType;
  readonly amountWh: WattHours;
  readonly pointPerWh?: number;
  readonly pairUnitId?: string;
}

/**
 * Amount of one rule: the distance of the energy that will be there to the rule's limit (market §2.4), less what
 * is already promised (W5) and never past a force-stop limit (W8). Whole Wh.
 */
export function wishOf(
  type: DealType,
  rule: Rule,
  standing: Standing & { readonly storedWh: WattHours },
): Outcome<Wish> {
  const closed = standing.closed?.[type];
  if (closed !== undefined) return { refusal: closed };
  const { storedWh, committedWh } = standing;
  const limitWh = Math.trunc(rule.limitWh);
  const expectedWh = storedWh + committedWh;
  const distanceWh = Math.floor(type === 'charge' ? limitWh - expectedWh : expectedWh - limitWh);
  if (!(distanceWh > 0)) {
    const reason = distanceWh === 0 ? 'amount.at-limit' : 'amount.wrong-side-of-limit';
    return refuse(reason, { type, storedWh, committedWh, limitWh });
  }
  const roomWh = Math.floor(standing.roomWh[type]);
  if (roomWh <= 0) return refuse('rsoc.force-stop', { type, storedWh, committedWh });
  return {
    ok: {
      type,
      amountWh: Math.min(distanceWh, roomWh),
      ...(rule.pointPerWh === undefined ? {} : { pointPerWh: rule.pointPerWh }),
      ...(rule.pairUnitId === undefined ? {} : { pairUnitId: rule.pairUnitId }),
    },
  };
}

/** True when the stored energy is known. */
export const isKnown = (standing: Standing): standing is Standing & { readonly storedWh: WattHours } =>
  standing.storedWh !== undefined;

/** No level matches the stored energy, or it is unknown. */
export const noStatus = (standing: Standing): ReturnType<typeof refuse> =>
  refuse('scenario.no-status', { storedWh: standing.storedWh ?? 'unknown' });
