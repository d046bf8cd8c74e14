import type { Milliseconds } from '../../domain/quantities.ts';
import type { Log } from '../../ports/log.ts';

/** A trouble that was not seen for so long is news again. */
const QUIET_MSEC: Milliseconds = 60_000;
const MOST_KINDS = 256;

/** Logs what a stranger does wrong once, however often it is done: a flood must not become a flood of log lines. */
export class NotedTroubles {
  readonly #log: Log;
  readonly #now: () => Milliseconds;
  readonly #seenAt = new Map<string, Milliseconds>();
  #count = 0;

  constructor(log: Log, now: () => Milliseconds = () => performance.now()) {
    this.#log = log;
    this.#now = now;
  }

  /** How often anything was noted. */
  get count(): number {
    return this.#count;
  }

  /** `kind` tells what is the same trouble; true when it was news. */
  note(kind: string, fields: object, event: string): boolean {
    this.#count += 1;
    const now = this.#now();
    const before = this.#seenAt.get(kind);
    this.#seenAt.delete(kind);
    this.#seenAt.set(kind, now);
    const [oldest] = this.#seenAt.keys();
    if (this.#seenAt.size > MOST_KINDS && oldest !== undefined) this.#seenAt.delete(oldest);
    if (before !== undefined && now - before < QUIET_MSEC) return false;
    this.#log.warn(fields, event);
    return true;
  }
}
