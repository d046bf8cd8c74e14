import { DeviceError } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';

export interface AttemptOptions {
  readonly clock: Clock;
  readonly what: string;
  readonly limitMsec: Milliseconds;
  readonly signal: AbortSignal;
}

/** A driver that throws at once is heard like one that rejects. */
function begin<T>(call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return call(signal);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * One call of a driver. Ends at the limit or by the signal even when the driver ignores both; what such a
 * driver says later is heard by nobody.
 * @throws DeviceError `device.no-reply` at the limit; the signal's reason; what the driver threw
 */
export function attempt<T>(options: AttemptOptions, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, what, limitMsec, signal } = options;
  return new Promise<T>((resolve, reject) => {
    const inner = new AbortController();
    const giveUp = (reason: unknown): void => {
      reject(reason);
      inner.abort(reason);
    };
    const onAbort = (): void => giveUp(signal.reason);
    const cancel = clock.after(limitMsec, () =>
      giveUp(new DeviceError('device.no-reply', `${what}: no reply within ${limitMsec} ms`)),
    );
    signal.addEventListener('abort', onAbort, { once: true });
    const end = (): void => {
      cancel();
      signal.removeEventListener('abort', onAbort);
    };
    begin(call, inner.signal).then(
      (reply) => {
        end();
        resolve(reply);
      },
      (error: unknown) => {
        end();
        reject(error);
      },
    );
  });
}
