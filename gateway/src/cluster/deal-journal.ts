import { type Deal, isDeactivated, isNewerCopy, isSaveworthy } from '../domain/deal.ts';
import { PeerError } from '../domain/errors.ts';
import type { Bus } from '../ports/bus.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';

const ACTIVE = 'deals/active/';
const activeKey = (dealId: string): string => `${ACTIVE}${dealId}`;
const UNSETTLED = 'deals/unsettled/';
const unsettledKey = (dealId: string): string => `${UNSETTLED}${dealId}`;

export interface DealJournalNeeds {
  readonly bus: Bus;
  readonly store: Store;
  readonly log: Log;
  /** Makes the record of a finished deal durable (market.md §3.9, RULE-13); resolves when it is. */
  saveFinished(deal: Deal): Promise<void>;
  /** Called after a copy has been journalled. */
  changed(deal: Deal): void;
}

/** Only `put` writes below the prefixes, so a record that is a deal of that name at all is a whole one. */
const isDealNamed = (dealId: string, record: unknown): record is Deal =>
  typeof record === 'object' && record !== null && 'dealId' in record && record.dealId === dealId;

/**
 * This unit's own durable copies of the deals it is a party of: deals live at their two parties (architecture.md
 * §3). A copy is durable before anybody hears of it (INV-7), and only a younger one replaces it (INV-6).
 */
export class DealJournal {
  readonly #needs: DealJournalNeeds;
  readonly #open = new Map<string, Deal>();
  /** Finished deals stay published, also by later processes, until they are settled and retired (RULE-13). */
  readonly #finished = new Map<string, Deal>();
  /** As `open` and `finished` give them, until one changes: asked for with every heartbeat and every reading. */
  #lists: { readonly open: readonly Deal[]; readonly finished: readonly Deal[] } | undefined;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(needs: DealJournalNeeds) {
    this.#needs = needs;
  }

  /** Reads and publishes what the last process left. */
  async load(): Promise<void> {
    const { store } = this.#needs;
    for (const deal of await this.#loadAll(UNSETTLED)) this.#finished.set(deal.dealId, deal);
    for (const deal of await this.#loadAll(ACTIVE)) {
      // The process ended between the two writes of `#finish`: the deal is finished.
      if (this.#finished.has(deal.dealId)) await store.remove(activeKey(deal.dealId));
      else this.#open.set(deal.dealId, deal);
    }
    this.#lists = undefined;
    for (const deal of [...this.#finished.values(), ...this.#open.values()]) this.#publish(deal);
  }

  async #loadAll(prefix: string): Promise<readonly Deal[]> {
    const { log, store } = this.#needs;
    const records: Deal[] = [];
    for (const key of await store.list(prefix)) {
      const record = await store.load(key);
      if (isDealNamed(key.slice(prefix.length), record)) records.push(record);
      // The partner's copy brings it back, or the deal ends without this side: no reason not to begin at all.
      else log.error({ key }, 'journal.record-lost');
    }
    return records;
  }

  /** Own deals that are not finished. */
  open(): readonly Deal[] {
    return this.#listed().open;
  }

  /** Own finished deals that are not retired yet. */
  finished(): readonly Deal[] {
    return this.#listed().finished;
  }

  #listed(): { readonly open: readonly Deal[]; readonly finished: readonly Deal[] } {
    this.#lists ??= { open: [...this.#open.values()], finished: [...this.#finished.values()] };
    return this.#lists;
  }

  get(dealId: string): Deal | undefined {
    return this.#open.get(dealId) ?? this.#finished.get(dealId);
  }

  /**
   * Journals a younger copy, then publishes it; false when the copy is not younger than the own one.
   * @throws PeerError `deal.finished` for a copy that would open a finished deal again
   */
  put(deal: Deal): Promise<boolean> {
    const result = this.#writing.then(() => this.#put(deal));
    this.#writing = result.catch(() => undefined); // the caller hears of it; the next writer is not to blame
    return result;
  }

  async #put(deal: Deal): Promise<boolean> {
    const own = this.get(deal.dealId);
    if (own !== undefined && !isNewerCopy(deal, own)) return false;
    if (isDeactivated(deal)) await this.#finish(deal);
    else if (this.#finished.has(deal.dealId)) throw this.#reopened(deal);
    else {
      await this.#needs.store.save(activeKey(deal.dealId), deal);
      this.#open.set(deal.dealId, deal);
      this.#lists = undefined;
    }
    this.#publish(deal);
    this.#needs.changed(deal);
    return true;
  }

  async #finish(deal: Deal): Promise<void> {
    if (isSaveworthy(deal)) await this.#needs.saveFinished(deal);
    await this.#needs.store.save(unsettledKey(deal.dealId), deal);
    await this.#needs.store.remove(activeKey(deal.dealId));
    this.#open.delete(deal.dealId);
    this.#finished.set(deal.dealId, deal);
    this.#lists = undefined;
    this.#needs.log.info({ dealId: deal.dealId, amountWh: deal.cumulateAmountWh }, 'deal.finished');
  }

  #reopened({ dealId }: Deal): PeerError {
    const { unitId } = this.#needs.bus;
    return new PeerError('deal.finished', unitId, `${unitId} has finished deal ${dealId}`);
  }

  /** Stops publishing a finished deal, for good. */
  async retire(dealId: string): Promise<void> {
    if (!this.#finished.delete(dealId)) return;
    this.#lists = undefined;
    this.#needs.bus.retract('deal', dealId);
    await this.#needs.store.remove(unsettledKey(dealId));
  }

  #publish(deal: Deal): void {
    this.#needs.bus.publish('deal', deal.dealId, deal, { term: deal.term });
  }
}
