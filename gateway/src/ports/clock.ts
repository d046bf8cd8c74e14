import type { EpochMsec, Milliseconds } from '../domain/quantities.ts';

/** Cancels what it was given for; calling it again, or after the timer has fired, does nothing. */
export type Cancel = () => void;

/**
 * Time as the core sees it: the only source of timers and dates there. `now` is wall time for people and
 * records; `monotonic` never jumps and is what deadlines, ages and energy integration use.
 */
export interface Clock {
  now(): EpochMsec;
  monotonic(): Milliseconds;
  /** Minutes that local time lies east of UTC. */
  zoneOffsetMinutes(): number;
  /** Calls `fire` once, `delay` ms from now, never synchronously. */
  after(delay: Milliseconds, fire: () => void): Cancel;
}

/** Resolves `delay` ms from now; rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, delay: Milliseconds, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delay, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Calls `beat` now and then every `period` ms (asked anew each time) until cancelled. */
export function every(clock: Clock, period: () => Milliseconds, beat: () => void): Cancel {
  let cancel: Cancel = () => {};
  const arm = (): void => {
    cancel = clock.after(period(), next);
  };
  const next = (): void => {
    arm();
    beat();
  };
  arm();
  beat();
  return () => cancel();
}

/** Settles as `work` does, or rejects with what `onTimeout` makes when `limit` ms pass first. */
export function withDeadline<T>(
  clock: Clock,
  limit: Milliseconds,
  work: Promise<T>,
  onTimeout: () => Error,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = clock.after(limit, () => reject(onTimeout()));
    work.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (error: unknown) => {
        cancel();
        reject(error);
      },
    );
  });
}
