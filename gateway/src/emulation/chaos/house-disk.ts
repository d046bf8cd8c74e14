import type { Deal } from '../../domain/deal.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import { type Clock, sleep } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';

/** What a disk is told to do at one of its next writes: the process dies directly before it, or directly after. */
export interface WriteTrap {
  /** How many further writes are done as usual. */
  readonly skip: number;
  readonly when: 'before' | 'after';
  /** The process dies here. */
  readonly spring: () => void;
}

const never = <T>(): Promise<T> => new Promise<T>(() => {});

/** The disk of one house, which outlives the processes: durable records, and the files of finished deals. */
export class HouseDisk implements Store {
  readonly #clock: Clock;
  readonly #records = new Map<string, string>();
  readonly #ledger = new Map<string, Deal>();
  readonly #saw: (key: string) => void;
  /** Time that a write takes. */
  writeMsec: Milliseconds = 5;
  #trap: WriteTrap | undefined;

  /** `saw` hears the key of every write that is durable. */
  constructor(clock: Clock, saw: (key: string) => void = () => {}) {
    this.#clock = clock;
    this.#saw = saw;
  }

  /** Sets a trap; an older one is replaced. Undefined takes it away. */
  setTrap(trap: WriteTrap | undefined): void {
    this.#trap = trap;
  }

  /** The record as it is on the disk now. */
  peek(key: string): unknown {
    const text = this.#records.get(key);
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** The deals that the journal holds now. */
  activeDeals(): readonly Deal[] {
    const keys = [...this.#records.keys()].filter((key) => key.startsWith('deals/active/'));
    return keys.map((key) => this.peek(key) as Deal); // only the journal writes below this prefix
  }

  /** One record for each finished deal: a file that is written again replaces the former one (RULE-13). */
  get ledger(): ReadonlyMap<string, Deal> {
    return this.#ledger;
  }

  async load(key: string): Promise<unknown> {
    return this.peek(key);
  }

  isOutdated(): boolean {
    return false;
  }

  save(key: string, record: unknown): Promise<void> {
    const text = JSON.stringify(record);
    return this.#write(key, () => this.#records.set(key, text));
  }

  remove(key: string): Promise<void> {
    return this.#write(key, () => this.#records.delete(key));
  }

  async list(prefix: string): Promise<readonly string[]> {
    return [...this.#records.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  /** Writes the file of a finished deal. */
  saveFinished(deal: Deal): Promise<void> {
    return this.#write(`deals/finished/${deal.dealId}`, () => this.#ledger.set(deal.dealId, deal));
  }

  async #write(key: string, commit: () => void): Promise<void> {
    await sleep(this.#clock, this.writeMsec);
    const trap = this.#sprung();
    if (trap?.when === 'before') {
      trap.spring();
      return never();
    }
    commit();
    this.#saw(key);
    if (trap === undefined) return;
    trap.spring();
    return never();
  }

  #sprung(): WriteTrap | undefined {
    const trap = this.#trap;
    if (trap === undefined) return undefined;
    this.#trap = trap.skip > 0 ? { ...trap, skip: trap.skip - 1 } : undefined;
    return trap.skip > 0 ? undefined : trap;
  }
}
