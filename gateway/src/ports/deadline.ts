import type { Milliseconds } from '../domain/quantities.ts';
import type { Cancel, Clock } from './clock.ts';

/**
 * A moment that is put off again and again before it comes, as the end of a silence or of a permit. Putting it off costs
 * no timer: the one that runs finds how long is left.
 */
export class Deadline {
  readonly #clock: Clock;
  readonly #passed: () => void;
  #at: Milliseconds = Number.POSITIVE_INFINITY;
  #looksAt: Milliseconds = Number.POSITIVE_INFINITY;
  #cancelLook: Cancel = () => {};

  /** `passed` is called once each time that the moment comes. */
  constructor(clock: Clock, passed: () => void) {
    this.#clock = clock;
    this.#passed = passed;
  }

  /** It comes `delay` ms from now, whatever was said before. */
  in(delay: Milliseconds): void {
    this.#at = this.#clock.monotonic() + delay;
    if (this.#looksAt <= this.#at) return;
    this.#cancelLook();
    this.#lookIn(delay);
  }

  /** It does not come. */
  cancel(): void {
    this.#cancelLook();
    this.#at = Number.POSITIVE_INFINITY;
    this.#looksAt = Number.POSITIVE_INFINITY;
  }

  #lookIn(delay: Milliseconds): void {
    this.#looksAt = this.#clock.monotonic() + delay;
    this.#cancelLook = this.#clock.after(delay, () => this.#look());
  }

  #look(): void {
    this.#looksAt = Number.POSITIVE_INFINITY;
    const leftMsec = this.#at - this.#clock.monotonic();
    if (leftMsec > 0) {
      this.#lookIn(leftMsec);
      return;
    }
    this.#at = Number.POSITIVE_INFINITY;
    this.#passed();
  }
}
