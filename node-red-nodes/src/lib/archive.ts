import { join } from 'node:path';
import type { Deal } from '@apis-edge/gateway/domain';
import type { CommunityState } from './community.ts';
import { DealArchive } from './deal-archive.ts';
import { HistoryFiles } from './history-files.ts';
import { type HousePoints, housePoints, rowOf } from './house-history.ts';

/** A row per minute of the community's time; fast clocks leave more between two. */
const ROW_SECONDS = 60;
const LONGEST_SPAN_SECONDS = 7 * 86_400;

/**
 * The past of a community as one unit's clients have seen it, kept on disk for the pages: houses by the minute, and
 * finished deals. Work is done one after another; what fails is told once, and the pages go on without a past.
 */
export class Archive {
  readonly #root: string;
  readonly #warn: (message: string) => void;
  readonly #deals = new DealArchive();
  #houses: HistoryFiles | undefined;
  #work: Promise<void> = Promise.resolve();
  #lastRowAt: number | undefined;
  #hasWarned = false;

  constructor(root: string, warn: (message: string) => void) {
    this.#root = root;
    this.#warn = warn;
  }

  /** Looks at the present, and writes down what is new; call it as often as you like. */
  note(unitId: string, state: CommunityState): void {
    if (unitId === '') return;
    if (this.#houses === undefined) this.#open(join(this.#root, encodeURIComponent(unitId)));
    const finished = state.deals.filter((deal) => deal.deactivateDateTime !== undefined);
    if (finished.length > 0) this.#do(() => this.#deals.add(finished));
    const row = rowOf(state.units);
    if (row === undefined || !this.#isDue(row.t)) return;
    this.#lastRowAt = row.t;
    this.#do(() => this.#houses?.append(row));
  }

  finishedDeals(): readonly Deal[] {
    return this.#deals.deals();
  }

  /** A house within the last seconds before `nowSeconds`; empty when nothing can be read. */
  async house(unitId: string, nowSeconds: number | undefined, spanSeconds: number): Promise<HousePoints> {
    const span = Math.min(LONGEST_SPAN_SECONDS, Math.max(ROW_SECONDS, spanSeconds));
    await this.#work;
    const now = nowSeconds ?? this.#lastRowAt ?? 0;
    const rows = await this.#houses?.rows(now - span, now).catch((error: unknown) => this.#failed(error));
    return housePoints(rows ?? [], unitId, now, span);
  }

  /** Resolves when everything has been written. */
  settled(): Promise<void> {
    return this.#work;
  }

  #open(directory: string): void {
    this.#houses = new HistoryFiles(join(directory, 'houses'));
    this.#do(() => this.#deals.open(join(directory, 'finished-deals.ndjson')));
  }

  /** A clock that was set back is due at once. */
  #isDue(t: number): boolean {
    const last = this.#lastRowAt;
    return last === undefined || t < last || Math.floor(t / ROW_SECONDS) > Math.floor(last / ROW_SECONDS);
  }

  #do(step: () => Promise<void> | undefined): void {
    this.#work = this.#work.then(step).catch((error: unknown) => this.#failed(error));
  }

  #failed(error: unknown): undefined {
    if (!this.#hasWarned) this.#warn(error instanceof Error ? error.message : String(error));
    this.#hasWarned = true;
    return undefined;
  }
}
