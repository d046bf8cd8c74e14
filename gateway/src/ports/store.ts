/**
 * Durable small records by key; keys are relative paths such as `state` or `deals/active/<dealId>`.
 * A write that has resolved survives kill -9 and power loss (INV-7).
 */
export interface Store {
  /** The record, or undefined when there is none. */
  load(key: string): Promise<unknown>;
  /** What `load` gave was not the record that was saved last: that is damaged, and an older one or none stands in for it (RULE-16). */
  isOutdated(key: string): boolean;
  save(key: string, record: unknown): Promise<void>;
  remove(key: string): Promise<void>;
  /** Keys that start with `prefix`, sorted. */
  list(prefix: string): Promise<readonly string[]>;
}

/** Keeps records in memory, as copies: the store of simulations and tests. */
export class MemoryStore implements Store {
  readonly #records = new Map<string, string>();

  async load(key: string): Promise<unknown> {
    const text = this.#records.get(key);
    return text === undefined ? undefined : JSON.parse(text);
  }

  isOutdated(): boolean {
    return false;
  }

  async save(key: string, record: unknown): Promise<void> {
    this.#records.set(key, JSON.stringify(record));
  }

  async remove(key: string): Promise<void> {
    this.#records.delete(key);
  }

  async list(prefix: string): Promise<readonly string[]> {
    return [...this.#records.keys()].filter((key) => key.startsWith(prefix)).sort();
  }
}
