import type { EpochMsec, Milliseconds } from '../../domain/quantities.ts';
import type { Cancel, Clock } from '../../ports/clock.ts';

/** A timer that is so late tells that the process stood still, as on a busy processor. */
const LATE_MSEC = 50;

/** Longest delay that a timer of the platform can hold. */
const LONGEST_TIMER_MSEC = 2 ** 31 - 1;

/** The machine's own time: wall clock for dates, a clock that never jumps for ages and deadlines. */
export class SystemClock implements Clock {
  readonly #zoneOffsetMinutes: number | undefined;
  /** Late timers that wait for the sockets; whatever is due after them waits behind them. */
  #held = 0;

  /** `zoneOffsetMinutes`: of the site, when it differs from the machine's (`timeZoneOffsetMinutes` in the config). */
  constructor(zoneOffsetMinutes?: number) {
    this.#zoneOffsetMinutes = zoneOffsetMinutes;
  }

  now(): EpochMsec {
    return Date.now();
  }

  monotonic(): Milliseconds {
    return performance.now();
  }

  zoneOffsetMinutes(): number {
    return this.#zoneOffsetMinutes ?? -new Date().getTimezoneOffset();
  }

  /** A late timer lets first be heard what arrived while the process stood still: the answer in a socket beats its deadline. */
  after(delay: Milliseconds, fire: () => void): Cancel {
    const due = this.monotonic() + delay;
    let cancel: Cancel = () => {};
    const come = (): void => {
      const lateMsec = this.monotonic() - due;
      if (lateMsec < 0) arm();
      else if (lateMsec < LATE_MSEC && this.#held === 0) fire();
      else cancel = this.#behindSockets(fire);
    };
    // The platform's timers may fire up to 1 ms early and hold 24.8 days at most: both are made up for here.
    const arm = (): void => {
      const left = Math.max(0, Math.ceil(due - this.monotonic()));
      const timer = setTimeout(come, Math.min(left, LONGEST_TIMER_MSEC));
      cancel = () => clearTimeout(timer);
    };
    arm();
    return () => cancel();
  }

  /** In the first turn of the event loop the sockets are read; what they bring is handed on in the next one. */
  #behindSockets(fire: () => void): Cancel {
    let isHeld = true;
    this.#held += 1;
    const leave = (): void => {
      if (isHeld) this.#held -= 1;
      isHeld = false;
    };
    let turn = setImmediate(() => {
      turn = setImmediate(() => {
        leave();
        fire();
      });
    });
    return () => {
      clearImmediate(turn);
      leave();
    };
  }
}
