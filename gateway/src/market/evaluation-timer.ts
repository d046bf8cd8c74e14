import type { Milliseconds } from '../domain/quantities.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Entropy } from '../ports/entropy.ts';

/** Spreads the evaluations of all units that saw the same event; small against the 300 ms a deal may take. */
const JITTER_MSEC: Milliseconds = 100;
/** Periods vary by this part, so that units do not fall into step. */
const PERIOD_SPREAD = 0.1;

export interface EvaluationTimerOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Read before every period: the policy may change. */
  readonly periodMsec: () => Milliseconds;
  readonly run: (why: string) => void;
}

/** When to evaluate: on request, debounced and jittered, and at least once per period (W21). */
export class EvaluationTimer {
  readonly #options: EvaluationTimerOptions;
  #soon: Cancel | undefined;
  #period: Cancel | undefined;
  readonly #later = new Set<Cancel>();

  constructor(options: EvaluationTimerOptions) {
    this.#options = options;
  }

  /** Evaluates soon, and from then on periodically. */
  start(): void {
    this.#arm();
    this.ask('start');
  }

  stop(): void {
    this.#soon?.();
    this.#period?.();
    for (const cancel of this.#later) cancel();
    this.#later.clear();
    this.#soon = undefined;
    this.#period = undefined;
  }

  /** Evaluates within the jitter time; asking again meanwhile adds nothing. */
  ask(why: string): void {
    if (this.#period === undefined || this.#soon !== undefined) return;
    const { clock, entropy, run } = this.#options;
    this.#soon = clock.after(entropy.next() * JITTER_MSEC, () => {
      this.#soon = undefined;
      run(why);
    });
  }

  /** Evaluates when so much time has passed. */
  askIn(msec: Milliseconds, why: string): void {
    if (this.#period === undefined) return;
    const cancel = this.#options.clock.after(msec, () => {
      this.#later.delete(cancel);
      this.ask(why);
    });
    this.#later.add(cancel);
  }

  #arm(): void {
    const { clock, entropy, periodMsec } = this.#options;
    this.#period?.();
    const spread = 1 + PERIOD_SPREAD * (2 * entropy.next() - 1);
    this.#period = clock.after(periodMsec() * spread, () => {
      this.#arm();
      this.ask('timer');
    });
  }
}
