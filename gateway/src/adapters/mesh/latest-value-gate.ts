import type { Milliseconds } from '../../domain/quantities.ts';

/**
 * Lets the newest value of each key through, at most once per interval of wall time: the first at once, and of
 * those that follow within the interval only the last. An emulated community at 100 times the speed then costs a
 * broker no more than one in real time.
 */
export class LatestValueGate<T> {
  readonly #interval: Milliseconds;
  readonly #pass: (key: string, value: T) => void;
  /** Keys that have had their turn, each with what has come since. */
  readonly #waiting = new Map<string, { readonly timer: NodeJS.Timeout; held?: { readonly value: T } }>();

  constructor(interval: Milliseconds, pass: (key: string, value: T) => void) {
    this.#interval = interval;
    this.#pass = pass;
  }

  offer(key: string, value: T): void {
    const turn = this.#waiting.get(key);
    if (turn === undefined) this.#open(key, value);
    else turn.held = { value };
  }

  /** Passes at once what is held back, and forgets all turns. */
  flush(): void {
    const held = [...this.#waiting];
    this.#waiting.clear();
    for (const [key, turn] of held) {
      clearTimeout(turn.timer);
      if (turn.held !== undefined) this.#pass(key, turn.held.value);
    }
  }

  #open(key: string, value: T): void {
    const timer = setTimeout(() => this.#close(key), this.#interval);
    timer.unref();
    this.#waiting.set(key, { timer });
    this.#pass(key, value);
  }

  #close(key: string): void {
    const held = this.#waiting.get(key)?.held;
    this.#waiting.delete(key);
    if (held !== undefined) this.#open(key, held.value);
  }
}
