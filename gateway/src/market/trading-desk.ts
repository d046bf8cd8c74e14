import type { Milliseconds } from '../domain/quantities.ts';
import { Backoff } from './backoff.ts';
import { type DecisionInput, DecisionReport } from './decision.ts';
import type { Situation } from './gates.ts';
import type { MarketNeeds } from './needs.ts';
import { SlotTable } from './slot-table.ts';
import { roleIn } from './standing.ts';
import { slots } from './unit-figures.ts';
import { VetoDesk } from './veto-desk.ts';

/** What the two sides of a unit's market share: slots, pauses, the report, and the look at the present situation. */
export class TradingDesk {
  readonly needs: MarketNeeds;
  readonly slots: SlotTable;
  readonly backoff: Backoff;
  readonly decisions: DecisionReport;
  readonly veto: VetoDesk;

  constructor(needs: MarketNeeds, paused: (pauseMsec: Milliseconds) => void) {
    this.needs = needs;
    this.decisions = new DecisionReport(needs);
    this.backoff = new Backoff(needs.clock, paused);
    this.veto = new VetoDesk({
      clock: needs.clock,
      entropy: needs.entropy,
      say: (question) => needs.question?.(question),
      longestMsec: () => this.negotiationTimeoutMsec() / 4,
    });
    const capacity = (): number =>
      slots(needs.hwConfig().gridCurrentCapacityA, needs.policy().mediator.deal.gridCurrentA);
    this.slots = new SlotTable({
      clock: needs.clock,
      capacity,
      openDeals: () => needs.openDeals(),
      takeBattery: (deal) => needs.battery?.take(roleIn(deal, needs.unitId)) ?? true,
    });
  }

  report(decision: DecisionInput): void {
    this.decisions.report(decision);
  }

  isMember(unitId: string): boolean {
    return this.needs.policy().memberUnitIds.includes(unitId);
  }

  negotiationTimeoutMsec(): Milliseconds {
    return this.needs.policy().mediator.negotiationTimeoutMsec;
  }

  /** Everything that a decision depends on, now; `withoutDealId`: as if that deal had no slot. */
  situation(withoutDealId?: string): Situation {
    const { needs } = this;
    return {
      unitId: needs.unitId,
      policy: needs.policy(),
      hwConfig: needs.hwConfig(),
      scenario: needs.scenario(),
      unitData: needs.unitData(),
      effectiveMode: needs.effectiveMode(),
      hasLocalErrors: needs.hasLocalErrors(),
      grid: needs.grid(),
      takenDeals: this.slots.taken().filter((deal) => deal.dealId !== withoutDealId),
      mayUseBattery: (type) => needs.battery?.isFree(type) ?? true,
    };
  }
}
