import { setInterval as interval } from 'node:timers/promises';
import type { Deal } from '../../src/domain/deal.ts';
import type { Member, UnitsLab } from './cluster-lab.ts';

const PERIOD_MSEC = 50;
/** A grid master that has said nothing for so long grants nothing any more: what it said has run out. */
const WORD_MSEC = 1_000;

export interface GridWord {
  /** When it was said: one that stands still just then has it heard when it goes on. */
  readonly at: number;
  readonly by: string;
  readonly term: number;
  readonly granting: boolean;
}

export const isRunning = ({ startDateTime, stopDateTime }: Deal): boolean =>
  startDateTime?.startsWith('2') === true && stopDateTime === undefined;

/** What the units say: when each deal was begun, and who commanded when. */
export class UnitsWatch {
  readonly #activated = new Map<string, number>();
  readonly #words: GridWord[] = [];
  readonly #abort = new AbortController();
  readonly #watching: Promise<void>;

  constructor(lab: UnitsLab) {
    for (const member of lab.members) this.#listen(lab, member);
    this.#watching = this.#watch(lab);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#watching;
  }

  /** Deals that the grid master began to activate between two moments. */
  begunBetween(from: number, to: number): readonly string[] {
    return [...this.#activated].filter(([, at]) => at > from && at <= to).map(([dealId]) => dealId);
  }

  /** Moments since then at which two grid masters granted permits. */
  rivalMasters(since: number): readonly GridWord[] {
    const latest = new Map<string, GridWord>();
    const inOrder = this.#words.toSorted((a, b) => a.at - b.at);
    return inOrder.filter((word) => {
      latest.set(word.by, word);
      const granting = [...latest.values()].filter(({ granting, at }) => granting && word.at - at < WORD_MSEC);
      return word.at >= since && granting.length > 1;
    });
  }

  #listen(lab: UnitsLab, member: Member): void {
    lab.client(member).on('message', ({ channel, envelope, unitId }) => {
      if (channel !== 'grid' || unitId !== member.unitId) return;
      const { body, time, term } = envelope;
      const at = time - performance.timeOrigin; // all machines of the test have one clock
      this.#words.push({ at, by: unitId, term: term ?? 0, granting: body.granting });
    });
  }

  async #watch(lab: UnitsLab): Promise<void> {
    try {
      for await (const _ of interval(PERIOD_MSEC, undefined, { signal: this.#abort.signal })) {
        const now = performance.now();
        for (const { dealId, activateDateTime } of lab.state().deals)
          if (activateDateTime !== undefined && !this.#activated.has(dealId)) this.#activated.set(dealId, now);
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
    }
  }
}
