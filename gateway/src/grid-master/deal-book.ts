import { type Deal, isDeactivated, isNewerCopy, partiesOf } from '../domain/deal.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { type DealChange, withChange } from './deal-marks.ts';
import { stateOf } from './deal-table.ts';
import type { DealCopies } from './needs.ts';
import { newProgress, type Progress } from './progress.ts';

interface Page {
  deal: Deal;
  progress: Progress;
  stopReasons: readonly string[];
  /** Parties that have not acknowledged the present record. */
  behind: ReadonlySet<string>;
}

const NOTHING = newProgress(0, 'created', 0);

/** Both parties have published a copy: only then does a deal exist (architecture.md §3). */
const isHeldByBoth = ({ deal, holders }: DealCopies): boolean => partiesOf(deal).every((id) => holders.includes(id));

/** A deal that has ended at one party, told by a former grid master or by nobody, ends at the other as well (RULE-13). */
const endedReason = (unitId: string): string => `deal.ended-elsewhere : ${unitId}`;

/**
 * The grid master's picture of the deals: their newest records, of which it is the only writer, and what it
 * remembers beside them.
 */
export class DealBook {
  readonly #term: number;
  readonly #pages = new Map<string, Page>();
  /** Deals that have left, as long as old copies of them are still published. */
  readonly #left = new Set<string>();
  /** As `all` gives them, until one changes: asked for some twenty times in each pass. */
  #all: readonly Deal[] | undefined;

  /** What `refresh` has seen last, and what the book held afterwards. */
  #refreshed: { readonly copies: readonly DealCopies[]; readonly all: readonly Deal[] } | undefined;

  constructor(term: number) {
    this.#term = term;
  }

  /** Takes in what the parties publish; a deal that never began and is not held by both any more is dropped (RULE-14). */
  refresh(copies: readonly DealCopies[], now: Milliseconds): void {
    if (this.#refreshed?.copies === copies && this.#refreshed.all === this.#all) return; // neither has changed since
    this.#takeInAll(copies, now);
    this.#refreshed = { copies, all: this.all() };
  }

  #takeInAll(copies: readonly DealCopies[], now: Milliseconds): void {
    const published = new Map(copies.map((one) => [one.deal.dealId, one]));
    for (const dealId of this.#left) if (!published.has(dealId)) this.#left.delete(dealId);
    for (const one of copies) this.#takeIn(one, now);
    for (const [dealId, page] of this.#pages) {
      const copy = published.get(dealId);
      if (stateOf(page.deal) === 'created' && (copy === undefined || !isHeldByBoth(copy))) this.#drop(dealId);
    }
  }

  #takeIn(copy: DealCopies, now: Milliseconds): void {
    const { deal } = copy;
    if (this.#left.has(deal.dealId)) return;
    const page = this.#pages.get(deal.dealId);
    if (page === undefined) {
      // Finished records are settled by their parties; one that has begun counts even when a party has lost its copy.
      if (!isDeactivated(deal) && (isHeldByBoth(copy) || stateOf(deal) !== 'created')) this.#open(deal, now);
    } else if (isNewerCopy(deal, page.deal)) {
      this.#write(page, deal, now);
    }
    if (!isDeactivated(deal))
      for (const unitId of copy.endedAt ?? []) this.requestStop(deal.dealId, [endedReason(unitId)]);
  }

  #open(deal: Deal, now: Milliseconds): void {
    const progress = newProgress(now, stateOf(deal), deal.cumulateAmountWh ?? 0);
    this.#pages.set(deal.dealId, { deal, progress, stopReasons: [], behind: new Set() });
    this.#all = undefined;
  }

  #write(page: Page, deal: Deal, now: Milliseconds): void {
    const state = stateOf(deal);
    page.deal = deal;
    this.#all = undefined;
    page.behind = new Set(partiesOf(deal));
    if (state !== page.progress.state) page.progress = { ...page.progress, state, stateSince: now, notBefore: 0 };
  }

  #drop(dealId: string): void {
    this.#pages.delete(dealId);
    this.#all = undefined;
  }

  /** Every open deal with its stop requests in it. The same list as long as nothing has changed. */
  all(): readonly Deal[] {
    this.#all ??= [...this.#pages.values()].map(({ deal, stopReasons }) =>
      stopReasons.length === 0 ? deal : { ...deal, needToStopReasons: stopReasons },
    );
    return this.#all;
  }

  get(dealId: string): Deal | undefined {
    return this.all().find((deal) => deal.dealId === dealId);
  }

  /** The record as it is written to the parties, without what is only in memory (control.md §4.12). */
  record(dealId: string): Deal | undefined {
    return this.#pages.get(dealId)?.deal;
  }

  /** What is remembered of a deal; nothing of one that is gone. */
  progress(dealId: string): Progress {
    return this.#pages.get(dealId)?.progress ?? NOTHING;
  }

  note(dealId: string, progress: Partial<Progress>): void {
    const page = this.#pages.get(dealId);
    if (page !== undefined) page.progress = { ...page.progress, ...progress };
  }

  /** A younger record of this term; the caller sends it to the parties. Undefined when the deal is gone. */
  change(dealId: string, change: DealChange, now: Milliseconds): Deal | undefined {
    const page = this.#pages.get(dealId);
    if (page === undefined) return undefined;
    this.#write(page, withChange(page.deal, change, this.#term), now);
    return page.deal;
  }

  /** Wants the deal to end; false when it is gone or has ended, or when all that was known already. */
  requestStop(dealId: string, reasons: readonly string[]): boolean {
    const page = this.#pages.get(dealId);
    if (page === undefined || isDeactivated(page.deal)) return false;
    const known = new Set([...(page.deal.needToStopReasons ?? []), ...page.stopReasons]);
    if (reasons.every((reason) => known.has(reason))) return false;
    page.stopReasons = [...new Set([...known, ...reasons])];
    this.#all = undefined;
    return true;
  }

  /** A party has journalled this revision. */
  acknowledged(deal: Deal, unitId: string): void {
    const page = this.#pages.get(deal.dealId);
    if (page?.deal.revision !== deal.revision) return;
    page.behind = new Set([...page.behind].filter((id) => id !== unitId));
  }

  /** Parties that still have to be told the present record. */
  partiesBehind(dealId: string): readonly string[] {
    return [...(this.#pages.get(dealId)?.behind ?? [])];
  }

  /** Takes a deal out of the picture for good. */
  remove(dealId: string): Deal | undefined {
    const page = this.#pages.get(dealId);
    this.#drop(dealId);
    this.#left.add(dealId);
    return page?.deal;
  }
}
