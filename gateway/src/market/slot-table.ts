import type { Deal } from '../domain/deal.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Refusal } from '../domain/trade.ts';
import type { Clock } from '../ports/clock.ts';
import { refuse } from './outcome.ts';

interface Hold {
  readonly deal: Deal;
  readonly until: Milliseconds;
}

export interface SlotTableNeeds {
  readonly clock: Clock;
  capacity(): number;
  openDeals(): readonly Deal[];
  /** A slot comes with the battery in the direction of its deal (market §2.8); false when another process has that. */
  takeBattery(deal: Deal): boolean;
}

/**
 * The slots of one unit, derived from its deals (W6, W20). Between the agreement on a deal and its record being
 * durable a hold keeps the slot; holds run out by themselves, so that a crash in between leaks nothing (W19).
 */
export class SlotTable {
  readonly #needs: SlotTableNeeds;
  readonly #holds = new Map<string, Hold>();

  constructor(needs: SlotTableNeeds) {
    this.#needs = needs;
  }

  /** The deals that have a slot now: open ones, then held ones. */
  taken(): readonly Deal[] {
    const open = this.#needs.openDeals();
    // A hold has done its work once the deal itself is seen: it must not outlive the deal.
    for (const deal of open) this.#holds.delete(deal.dealId);
    const now = this.#needs.clock.monotonic();
    for (const [dealId, hold] of this.#holds) if (hold.until <= now) this.#holds.delete(dealId);
    if (this.#holds.size === 0) return open;
    return [...open, ...[...this.#holds.values()].map((hold) => hold.deal)];
  }

  /** The deal of that id, when it has a slot. */
  find(dealId: string): Deal | undefined {
    return this.taken().find((deal) => deal.dealId === dealId);
  }

  /** Takes a slot for `forMsec`, or says why not (market §3.6). */
  hold(deal: Deal, forMsec: Milliseconds): Refusal | undefined {
    const taken = this.taken();
    const { dealId } = deal;
    if (taken.some((one) => one.dealId === dealId)) return refuse('slots.already-held', { dealId }).refusal;
    const capacity = this.#needs.capacity();
    if (taken.length >= capacity) return refuse('slots.busy', { taken: taken.length, slots: capacity }).refusal;
    if (!this.#needs.takeBattery(deal)) return refuse('battery.in-use', { dealId }).refusal;
    this.#holds.set(dealId, { deal, until: this.#needs.clock.monotonic() + forMsec });
    return undefined;
  }

  /** Gives a held slot back; the slot of an open deal goes with the deal. */
  release(dealId: string): Refusal | undefined {
    return this.#holds.delete(dealId) ? undefined : refuse('slots.not-held', { dealId }).refusal;
  }
}
