import { DeviceError } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import type { Clock } from '../ports/clock.ts';
import type { DcdcReply, Device, DeviceReading, ModeSetting } from '../ports/device.ts';
import { type Entropy, gaussian } from '../ports/entropy.ts';
import type { HouseFaults } from './world-fault.ts';
import type { LatencyOptions } from './world-options.ts';

/** A command as it reaches the converter. */
export type ConverterWrite =
  | ({ readonly write: 'mode' } & ModeSetting)
  | ({ readonly write: 'voltage' } & Pick<ModeSetting, 'dvg' | 'drg'>)
  | ({ readonly write: 'current' } & Pick<ModeSetting, 'dig'>);

/** What a device needs from the world it stands in. */
export interface DeviceSocket {
  readonly houseId: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly latency: LatencyOptions;
  readonly faults: HouseFaults;
  dcdc(): Dcdc;
  reading(): DeviceReading;
  /** Carries a command out now. Throws `DeviceError` when the converter refuses. */
  write(command: ConverterWrite): void;
}

/** A device that says nothing lets its caller wait this long. */
const SILENCE_MSEC = 10_000;
const DUPLICATE_MSEC = 500;

function drawLatency(options: LatencyOptions, entropy: Entropy): Milliseconds {
  return options.kind === 'fixed' ? options.msec : options.medianMsec * Math.exp(options.sigma * gaussian(entropy));
}

/**
 * The device of one house: one line, one request after the other; a command acts half-way through its latency,
 * and acts even when its caller has stopped waiting (cluster-safety.md RULE-3).
 */
export class EmulatedDevice implements Device {
  readonly #socket: DeviceSocket;
  #busyUntil: Milliseconds = 0;

  constructor(socket: DeviceSocket) {
    this.#socket = socket;
  }

  readStatus(signal: AbortSignal): Promise<DcdcReply> {
    return this.#request(signal, () => {
      const { status, meter } = this.#socket.dcdc();
      return { status, meter };
    });
  }

  read(signal: AbortSignal): Promise<DeviceReading> {
    return this.#request(signal, () => this.#socket.reading());
  }

  setMode(setting: ModeSetting, signal: AbortSignal): Promise<DcdcReply> {
    return this.#command({ write: 'mode', ...setting }, signal, ({ status, meter, vdis, param }) => ({
      status,
      meter,
      vdis,
      param,
    }));
  }

  setVoltage(setting: Pick<ModeSetting, 'dvg' | 'drg'>, signal: AbortSignal): Promise<DcdcReply> {
    return this.#command({ write: 'voltage', ...setting }, signal, ({ meter, vdis }) => ({ meter, vdis }));
  }

  setCurrent(setting: Pick<ModeSetting, 'dig'>, signal: AbortSignal): Promise<DcdcReply> {
    return this.#command({ write: 'current', ...setting }, signal, ({ meter, param }) => ({ meter, param }));
  }

  #command(command: ConverterWrite, signal: AbortSignal, reply: (dcdc: Dcdc) => DcdcReply): Promise<DcdcReply> {
    let refusal: unknown;
    const act = (): void => {
      try {
        this.#socket.write(command);
      } catch (error) {
        refusal = error; // told to the caller when the answer is due
      }
    };
    return this.#request(
      signal,
      () => {
        if (refusal !== undefined) throw refusal;
        return reply(this.#socket.dcdc());
      },
      act,
    );
  }

  #request<T>(signal: AbortSignal, answer: () => T, act?: () => void): Promise<T> {
    const { clock, faults, latency, entropy, houseId } = this.#socket;
    const aborted = (): DeviceError =>
      new DeviceError('device.aborted', `${houseId}: the caller stopped waiting for the device`);
    if (signal.aborted) return Promise.reject(aborted());
    const took = drawLatency(latency, entropy);
    const now = clock.monotonic();
    const startsIn = Math.max(0, this.#busyUntil - now);
    this.#busyUntil = now + startsIn + took;
    const silent = this.#isSilent();
    if (act !== undefined && (!silent || this.#commandsAct())) this.#act(act, startsIn + took / 2);
    const delay = startsIn + (silent ? SILENCE_MSEC : took + (faults.get('lateReply')?.delayMsec ?? 0));
    return new Promise<T>((resolve, reject) => {
      const onAbort = (): void => {
        cancel();
        reject(aborted());
      };
      const cancel = clock.after(delay, () => {
        signal.removeEventListener('abort', onAbort);
        if (silent) return reject(new DeviceError('device.no-reply', `${houseId}: no answer from the device`));
        try {
          resolve(answer());
        } catch (error) {
          reject(error);
        }
      });
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  #isSilent(): boolean {
    const { faults, entropy } = this.#socket;
    if (faults.has('houseOffline')) return true;
    const fault = faults.get('noReply');
    return fault !== undefined && (fault.probability === undefined || entropy.next() < fault.probability);
  }

  #commandsAct(): boolean {
    const { faults } = this.#socket;
    return !faults.has('houseOffline') && faults.get('noReply')?.commandsAct === true;
  }

  #act(act: () => void, delay: Milliseconds): void {
    const { clock, faults } = this.#socket;
    clock.after(delay, act);
    const duplicate = faults.get('duplicate');
    if (duplicate !== undefined) clock.after(delay + (duplicate.delayMsec ?? DUPLICATE_MSEC), act);
  }
}
