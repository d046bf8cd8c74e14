/**
 * Named locks that processes of one computer share, none of them waiting: who does not get one is told so. A lock
 * ends with its process, however that ends.
 */
export interface ExclusiveLocks {
  /** True when this holder has the lock now, as before or anew; false when another one has it. Throws when nobody can tell. */
  tryLock(name: string): boolean;
  /** Gives the lock back; nothing happens when this holder does not have it. */
  unlock(name: string): void;
}

/** The locks of one computer in memory: each process of a test has its own view of them. */
export class MemoryLocks {
  readonly #holders = new Map<string, object>();

  /** The locks as one process sees them, and the end of that process. */
  process(): ExclusiveLocks & { crash(): void } {
    const self = {};
    return {
      tryLock: (name) => {
        if (!this.#holders.has(name)) this.#holders.set(name, self);
        return this.#holders.get(name) === self;
      },
      unlock: (name) => {
        if (this.#holders.get(name) === self) this.#holders.delete(name);
      },
      crash: () => {
        for (const [name, holder] of this.#holders) if (holder === self) this.#holders.delete(name);
      },
    };
  }
}
