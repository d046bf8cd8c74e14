import { type Deal, isDeactivated, isStarted, isStopped, needsToStop } from '@apis-edge/gateway/domain';
import type { DealPhase, DealView } from './view.ts';

const phaseOf = (deal: Deal): DealPhase => {
  if (isStopped(deal) || needsToStop(deal)) return 'Stopping';
  return isStarted(deal) ? 'Exchanging' : 'Preparing';
};

/** Time left at the present power, in the community's own time; unknown while nothing flows. */
const remainingSeconds = (missingWh: number, powerW: number): number | undefined =>
  powerW > 0 ? (missingWh / powerW) * 3600 : undefined;

/** A deal that is not over, for picture and list. `busVoltageV` turns its current into power. */
export function dealView(deal: Deal, busVoltageV: number | undefined): DealView {
  const doneWh = deal.cumulateAmountWh ?? 0;
  const phase = phaseOf(deal);
  const isFlowing = isStarted(deal) && !isStopped(deal);
  const left = remainingSeconds(
    Math.max(0, deal.dealAmountWh - doneWh),
    isFlowing ? deal.dealGridCurrentA * (busVoltageV ?? 0) : 0,
  );
  return {
    dealId: deal.dealId,
    from: deal.dischargeUnitId,
    to: deal.chargeUnitId,
    currentA: deal.dealGridCurrentA,
    doneWh,
    amountWh: deal.dealAmountWh,
    progress: deal.dealAmountWh > 0 ? Math.min(1, doneWh / deal.dealAmountWh) : 0,
    phase,
    isFlowing,
    isMaster: deal.isMaster === true,
    ...(left === undefined || phase === 'Stopping' ? {} : { remainingSeconds: left }),
  };
}

const byAge = (a: Deal, b: Deal): number =>
  a.createDateTime.localeCompare(b.createDateTime) || a.dealId.localeCompare(b.dealId);

/** Deals that are not over, the oldest first. */
export const openDeals = (deals: readonly Deal[]): readonly Deal[] =>
  deals.filter((deal) => !isDeactivated(deal)).sort(byAge);
