import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Pulse } from '../ports/pulse.ts';

/** Listens to the control loops of a daemon: as soon as one of them hangs, nothing is passed on any more (RULE-17). */
export class LoopWatch {
  readonly #clock: Clock;
  readonly #onBeat: () => void;
  readonly #dueAt = new Map<string, Milliseconds>();

  constructor(clock: Clock, onBeat: () => void = () => {}) {
    this.#clock = clock;
    this.#onBeat = onBeat;
  }

  readonly pulse: Pulse = (loop, nextWithinMsec) => {
    this.#dueAt.set(loop, this.#clock.monotonic() + nextWithinMsec);
    if (this.overdue().length === 0) this.#onBeat();
  };

  /** Names of the loops that should have gone round by now. */
  overdue(): readonly string[] {
    const now = this.#clock.monotonic();
    return [...this.#dueAt].filter(([, dueAt]) => now > dueAt).map(([loop]) => loop);
  }
}
