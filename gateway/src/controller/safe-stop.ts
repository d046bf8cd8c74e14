import type { Policy } from '../config/policy.ts';
import { type ConverterMode, modeOfCode } from '../domain/converter-mode.ts';
import { ConfigError, DeviceError, messageOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { type Clock, sleep } from '../ports/clock.ts';
import type { Device } from '../ports/device.ts';
import { waitSetting } from './ramp-down.ts';

export interface SafeStopOptions {
  /** Opens the driver; tried again as long as it rejects. */
  readonly open: (signal: AbortSignal) => Promise<Device>;
  readonly clock: Clock;
  /** What the WAIT command carries; may be empty when the policy cannot be read (control.md S11). */
  readonly policy: Partial<Pick<Policy, 'operationGridVoltageV'>>;
  readonly limitMsec: Milliseconds;
  /** A constant current goes on for so long, so that its partner is balanced first (RULE-9); default 0. */
  readonly currentDelayMsec?: Milliseconds;
}

export interface SafeStopResult {
  /** Mode in which the converter was found; undefined when it did not tell before it was stopped. */
  readonly was: ConverterMode | undefined;
  readonly tookMsec: Milliseconds;
}

/** An orphaned reference holds the bus so long: the constant-current units that hang on it go to WAIT first (RULE-7). */
const REFERENCE_DELAY_MSEC: Milliseconds = 1_500;
/** One call of the driver; a slow one is given up and made again. */
const CALL_MSEC: Milliseconds = 1_000;
const AGAIN_MSEC: Milliseconds = 100;
/** A write that the dead owner had sent may land behind the first WAIT (RULE-3), so it is said and checked twice. */
const SETTLE_MSEC: Milliseconds = 300;

/**
 * Puts a converter to WAIT without the core, and believes only what it reads back (RULE-7, RULE-11). Call it when no
 * other process drives the converter any more. Rejects `DeviceError` `device.stop-failed` after `limitMsec`,
 * and `ConfigError` at once when the driver cannot be opened for good.
 */
export async function safeStop(options: SafeStopOptions): Promise<SafeStopResult> {
  const { clock, limitMsec, currentDelayMsec = 0 } = options;
  const driver = new PatientDriver(options);
  const beganAt = clock.monotonic();
  const was = await driver.until(beganAt + Math.min(REFERENCE_DELAY_MSEC, limitMsec), () => driver.mode());
  const mayHold = was === undefined || was === 'VOLTAGE_REFERENCE';
  const delayMsec = mayHold ? REFERENCE_DELAY_MSEC : was === 'WAIT' ? 0 : currentDelayMsec;
  await sleep(clock, Math.max(0, beganAt + delayMsec - clock.monotonic()));
  const isDone = await driver.until(beganAt + limitMsec, async () => {
    await driver.wait();
    await sleep(clock, SETTLE_MSEC);
    await driver.wait();
    return true as const;
  });
  const tookMsec = clock.monotonic() - beganAt;
  if (isDone) return { was, tookMsec };
  throw new DeviceError('device.stop-failed', `not in WAIT after ${tookMsec / 1000} s: ${driver.lastProblem}`);
}

/** A driver that is opened and asked again and again. */
class PatientDriver {
  readonly #options: SafeStopOptions;
  #device: Device | undefined;
  lastProblem = 'no answer';

  constructor(options: SafeStopOptions) {
    this.#options = options;
  }

  /** What `attempt` gives, tried until `end`; undefined when it never succeeded. */
  async until<T>(end: Milliseconds, attempt: () => Promise<T>): Promise<T | undefined> {
    const { clock } = this.#options;
    do {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof ConfigError) throw error; // trying again does not mend it
        this.lastProblem = messageOf(error);
        await sleep(clock, AGAIN_MSEC);
      }
    } while (clock.monotonic() < end);
    return undefined;
  }

  /** @throws DeviceError when it does not tell, undefined for a mode that is none of ours */
  async mode(): Promise<ConverterMode | undefined> {
    const { status } = await this.#call((device, signal) => device.readStatus(signal));
    return modeOfCode(status?.status);
  }

  /** Writes WAIT and reads it back. @throws DeviceError when the converter does not agree */
  async wait(): Promise<void> {
    const { operationGridVoltageV = Number.NaN } = this.#options.policy;
    await this.#call((device, signal) => device.setMode(waitSetting({ operationGridVoltageV }), signal));
    const mode = await this.mode();
    if (mode !== 'WAIT') throw new DeviceError('device.wrong-mode', `expected WAIT, got ${mode ?? 'an unknown mode'}`);
  }

  async #call<T>(call: (device: Device, signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, open } = this.#options;
    const late = new AbortController();
    const cancel = clock.after(CALL_MSEC, () => late.abort(new DeviceError('device.no-reply', 'it took too long')));
    const isLate = new Promise<never>((_resolve, reject) => {
      late.signal.addEventListener('abort', () => reject(late.signal.reason), { once: true });
    });
    const attempt = async (): Promise<T> => {
      this.#device ??= await open(late.signal);
      return call(this.#device, late.signal);
    };
    try {
      return await Promise.race([attempt(), isLate]);
    } finally {
      cancel();
    }
  }
}
