import type { Milliseconds } from '../domain/quantities.ts';

export interface SilenceLimits {
  /** Until it is heard for the first time. */
  readonly firstMsec: Milliseconds;
  /** Between two signs of life. */
  readonly silentMsec: Milliseconds;
}

const LOOK_MSEC: Milliseconds = 250;
/** A look so much too late: we ourselves were suspended, and nobody else is to blame. */
const SUSPENDED_MSEC: Milliseconds = 2_000;

/** Tells when somebody has been silent for too long. */
export class SilenceWatch {
  readonly #limits: SilenceLimits;
  readonly #onSilence: (msec: Milliseconds) => void;
  readonly #timer: NodeJS.Timeout;
  #limitMsec: Milliseconds;
  #heardAt = performance.now();
  #lookedAt = performance.now();

  constructor(limits: SilenceLimits, onSilence: (msec: Milliseconds) => void) {
    this.#limits = limits;
    this.#limitMsec = limits.firstMsec;
    this.#onSilence = onSilence;
    this.#timer = setInterval(() => this.#look(), LOOK_MSEC);
  }

  heard(): void {
    this.#limitMsec = this.#limits.silentMsec;
    this.#heardAt = performance.now();
  }

  /** From now on so much silence is in order. */
  allow(msec: Milliseconds): void {
    this.#limitMsec = msec;
    this.#heardAt = performance.now();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    if (now - this.#lookedAt > SUSPENDED_MSEC) this.#heardAt = now;
    this.#lookedAt = now;
    if (now - this.#heardAt <= this.#limitMsec) return;
    this.end();
    this.#onSilence(now - this.#heardAt);
  }
}
