import { type Deal, type ModeLabel, parseTimestamp } from '@apis-edge/gateway/domain';
import type { PageParts, RefusalNote } from '../../lib/page-message.ts';
import { communityView } from '../community/community-view.ts';
import type { DealView } from '../community/view.ts';
import { type EndOfDeal, endOfDeal } from './end-of-deal.ts';
import { refusalText } from './refusal-texts.ts';
import { madeText } from './texts.ts';

export interface RunningDealView extends DealView {
  /** Why it was made. */
  readonly made: string;
  readonly pointPerWh?: number;
  /** Moved so far times the price. */
  readonly points?: number;
}

export interface FinishedDealView extends EndOfDeal {
  readonly dealId: string;
  readonly from: string;
  readonly to: string;
  /** Why it was made. */
  readonly made: string;
  readonly createdAt: string;
  readonly seconds?: number;
  readonly amountWh: number;
  readonly movedWh: number;
  readonly pointPerWh?: number;
  readonly points?: number;
}

/** What a house has given and taken, and what it got and paid for it, over the deals that are listed. */
export interface AccountView {
  readonly unitId: string;
  readonly gaveWh: number;
  readonly tookWh: number;
  readonly earnedPoints: number;
  readonly paidPoints: number;
}

export interface RefusalView {
  readonly key: string;
  readonly requester: string;
  readonly refuser: string;
  readonly wanted: string;
  readonly why: string;
  readonly at: string;
  readonly count: number;
}

export interface DealsView {
  /** Of the community, as soon as somebody has told it. */
  readonly mode?: ModeLabel;
  readonly running: readonly RunningDealView[];
  readonly finished: readonly FinishedDealView[];
  readonly accounts: readonly AccountView[];
  readonly refusals: readonly RefusalView[];
}

/** Rows of the history table. */
export const SHOWN_DEALS = 60;
const SHOWN_REFUSALS = 30;

const price = (deal: Deal): { pointPerWh?: number; points?: number } =>
  deal.pointPerWh === null || deal.pointPerWh === undefined
    ? {}
    : { pointPerWh: deal.pointPerWh, points: deal.pointPerWh * (deal.cumulateAmountWh ?? 0) };

function secondsOf(deal: Deal): { seconds?: number } {
  const from = parseTimestamp(deal.createDateTime);
  const to = deal.deactivateDateTime === undefined ? undefined : parseTimestamp(deal.deactivateDateTime);
  return from === undefined || to === undefined || to < from ? {} : { seconds: (to - from) / 1000 };
}

const finishedView = (deal: Deal): FinishedDealView => ({
  dealId: deal.dealId,
  from: deal.dischargeUnitId,
  to: deal.chargeUnitId,
  made: madeText(deal),
  createdAt: deal.createDateTime,
  amountWh: deal.dealAmountWh,
  movedWh: deal.cumulateAmountWh ?? 0,
  ...secondsOf(deal),
  ...price(deal),
  ...endOfDeal(deal),
});

/** Who gives earns, who takes pays (market.md §3.3). */
export function accountsOf(finished: readonly FinishedDealView[]): readonly AccountView[] {
  const accounts = new Map<string, AccountView>();
  const book = (unitId: string, more: Partial<AccountView>): void => {
    const { gaveWh = 0, tookWh = 0, earnedPoints = 0, paidPoints = 0 } = accounts.get(unitId) ?? {};
    accounts.set(unitId, {
      unitId,
      gaveWh: gaveWh + (more.gaveWh ?? 0),
      tookWh: tookWh + (more.tookWh ?? 0),
      earnedPoints: earnedPoints + (more.earnedPoints ?? 0),
      paidPoints: paidPoints + (more.paidPoints ?? 0),
    });
  };
  for (const { from, to, movedWh, points = 0 } of finished) {
    book(from, { gaveWh: movedWh, earnedPoints: points });
    book(to, { tookWh: movedWh, paidPoints: points });
  }
  return [...accounts.values()].sort((a, b) => a.unitId.localeCompare(b.unitId));
}

const WANTED: Readonly<Record<string, string>> = { charge: 'to take', discharge: 'to give' };

const refusalView = ({ requestUnitId, acceptUnitId, wanted, refusal, at, count }: RefusalNote): RefusalView => ({
  key: [requestUnitId, acceptUnitId, wanted?.type, refusal.reason].join(' '),
  requester: requestUnitId,
  refuser: acceptUnitId,
  wanted: wanted === undefined ? '' : `${WANTED[wanted.type] ?? wanted.type} up to ${Math.round(wanted.amountWh)} Wh`,
  why: refusalText(refusal),
  at,
  count,
});

/** Everything that the Deals page shows; the newest first. Pure. */
export function dealsView(parts: Partial<PageParts>): DealsView {
  const { units = {}, openDeals = [], finishedDeals = [], refusals = [] } = parts;
  const community = communityView({ units, deals: openDeals, faults: [] });
  const byId = new Map(openDeals.map((deal) => [deal.dealId, deal]));
  const running = community.deals.flatMap((view): RunningDealView[] => {
    const deal = byId.get(view.dealId);
    return deal === undefined ? [] : [{ ...view, made: madeText(deal), ...price(deal) }];
  });
  const finished = finishedDeals.slice(-SHOWN_DEALS).reverse().map(finishedView);
  return {
    ...(community.globalMode === undefined ? {} : { mode: community.globalMode }),
    running,
    finished,
    accounts: accountsOf(finished),
    refusals: refusals.slice(-SHOWN_REFUSALS).reverse().map(refusalView),
  };
}
