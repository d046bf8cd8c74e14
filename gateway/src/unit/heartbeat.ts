import type { Milliseconds } from '../domain/quantities.ts';
import type { Cancel, Clock } from '../ports/clock.ts';

/** Calls `beat` now and then every `period` ms (asked anew each time) until cancelled. */
export function every(clock: Clock, period: () => Milliseconds, beat: () => void): Cancel {
  let cancel: Cancel = () => {};
  const arm = (): void => {
    cancel = clock.after(period(), () => {
      arm();
      beat();
    });
  };
  arm();
  beat();
  return () => cancel();
}
