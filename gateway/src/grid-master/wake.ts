import type { Milliseconds } from '../domain/quantities.ts';
import type { Cancel, Clock } from '../ports/clock.ts';

/** Runs `work` at the earliest moment that anybody wants, never twice at a time; a wish during a run means: again. */
export class Wake {
  readonly #clock: Clock;
  readonly #work: () => Promise<void>;
  #cancel: Cancel = () => {};
  #dueAt = Number.POSITIVE_INFINITY;
  #isRunning = false;
  #running: Promise<void> | undefined;
  #isStopped = false;

  /** `work` handles its own errors. */
  constructor(clock: Clock, work: () => Promise<void>) {
    this.#clock = clock;
    this.#work = work;
  }

  /** Wants a run within `delay` ms; an earlier wish stands. */
  within(delay: Milliseconds): void {
    const at = this.#clock.monotonic() + delay;
    if (this.#isStopped || at >= this.#dueAt) return;
    this.#cancel();
    this.#dueAt = at;
    if (!this.#isRunning) this.#arm(delay);
  }

  /** No run begins any more; resolves when the present one has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#running;
  }

  #arm(delay: Milliseconds): void {
    this.#cancel = this.#clock.after(delay, () => {
      this.#dueAt = Number.POSITIVE_INFINITY;
      this.#isRunning = true; // before the work, whose first steps may wish for another run already
      this.#running = this.#run();
    });
  }

  async #run(): Promise<void> {
    try {
      await this.#work();
    } finally {
      this.#ended();
    }
  }

  #ended(): void {
    this.#isRunning = false;
    this.#running = undefined;
    if (!this.#isStopped && this.#dueAt < Number.POSITIVE_INFINITY) {
      this.#arm(Math.max(0, this.#dueAt - this.#clock.monotonic()));
    }
  }
}
