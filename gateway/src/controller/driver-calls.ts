import type { HwConfig } from '../config/hw-config.ts';
import type { Policy } from '../config/policy.ts';
import { CONVERTER_MODES, type ConverterMode, modeOfCode } from '../domain/converter-mode.ts';
import { DeviceError, messageOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { DcdcStatus } from '../domain/unit-data.ts';
import { type Clock, sleep, withDeadline } from '../ports/clock.ts';
import type { DcdcReply, Device, DeviceReading, ModeSetting } from '../ports/device.ts';
import type { Log } from '../ports/log.ts';
import { attempt } from './attempt.ts';
import { checkWrite, writeLimits } from './write-limits.ts';

/** Pause before the second attempt; it grows with every further one (control.md Q6). */
const BACK_OFF_MSEC = 20;

export interface DriverCallsNeeds {
  readonly device: Device;
  readonly clock: Clock;
  readonly log: Log;
  policy(): Policy;
  hwConfig(): HwConfig;
}

export interface Gate {
  /** Ends the call, its attempts and its pauses. */
  readonly signal: AbortSignal;
  /** Throws when the call is no longer allowed; asked directly before each attempt (RULE-2). */
  check(): void;
}

/** The converter must echo the mode it was told (control.md §1.7); a code may be unknown here, L3 judges it. */
function checkedEcho(told: ConverterMode, status: DcdcStatus | undefined): DcdcStatus {
  const heard = modeOfCode(status?.status) ?? told;
  if (status?.operationMode === CONVERTER_MODES[told].operationMode && heard === told) return status;
  const echo = status === undefined ? 'nothing' : `${status.status} "${status.operationMode}"`;
  throw new DeviceError('device.wrong-mode', `told ${told}, the converter says ${echo}`);
}

const asDeviceError = (what: string, error: unknown): DeviceError =>
  error instanceof DeviceError ? error : new DeviceError('device.failed', `${what}: ${messageOf(error)}`);

/** Calls of one unit's driver: limits before, attempts with deadlines, echo after (control.md §1.3 rule 3, §1.7). */
export class DriverCalls {
  readonly #needs: DriverCallsNeeds;
  readonly #writes = new Set<Promise<unknown>>();

  constructor(needs: DriverCallsNeeds) {
    this.#needs = needs;
  }

  read(gate: Gate): Promise<DeviceReading> {
    return this.#attempts('read', gate, (signal) => this.#needs.device.read(signal));
  }

  readStatus(gate: Gate): Promise<DcdcReply> {
    return this.#attempts('readStatus', gate, (signal) => this.#needs.device.readStatus(signal));
  }

  /** @throws DeviceError `device.out-of-range` before anything is written, `device.wrong-mode` for another echo */
  async setMode(setting: ModeSetting, gate: Gate): Promise<DcdcReply> {
    this.#check(setting);
    const { device } = this.#needs;
    return this.#attempts('setMode', gate, async (signal) => {
      const reply = await this.#write(device.setMode(setting, signal));
      const echo = reply.status ?? (await device.readStatus(signal)).status;
      return { ...reply, status: checkedEcho(setting.mode, echo) };
    });
  }

  async setVoltage(setting: Pick<ModeSetting, 'dvg' | 'drg'>, gate: Gate): Promise<DcdcReply> {
    this.#check(setting);
    return this.#attempts('setVoltage', gate, (signal) => this.#write(this.#needs.device.setVoltage(setting, signal)));
  }

  async setCurrent(setting: Pick<ModeSetting, 'dig'>, gate: Gate): Promise<DcdcReply> {
    this.#check(setting);
    return this.#attempts('setCurrent', gate, (signal) => this.#write(this.#needs.device.setCurrent(setting, signal)));
  }

  /** Writes that the driver has not settled yet, those given up by us included (RULE-3). */
  get writesInFlight(): number {
    return this.#writes.size;
  }

  /** Resolves when no write is in flight any more; one that has not settled after `limitMsec` is given up for good. */
  async quiet(limitMsec: Milliseconds): Promise<void> {
    const settled = Promise.allSettled(this.#writes).then(() => {});
    const giveUp = (): Error => new DeviceError('device.no-reply', 'a write never settled');
    await withDeadline(this.#needs.clock, limitMsec, settled, giveUp).catch(() => this.#writes.clear());
  }

  #check(setting: Partial<ModeSetting>): void {
    checkWrite(setting, writeLimits(this.#needs.policy(), this.#needs.hwConfig()));
  }

  #write<T>(written: Promise<T>): Promise<T> {
    this.#writes.add(written);
    const forget = (): boolean => this.#writes.delete(written);
    written.then(forget, forget);
    return written;
  }

  async #attempts<T>(what: string, gate: Gate, call: (signal: AbortSignal) => Promise<T>, tried = 1): Promise<T> {
    const { clock, log, policy } = this.#needs;
    const { retryLimit, requestTimeoutMsec } = policy().controller;
    gate.signal.throwIfAborted();
    gate.check();
    try {
      return await attempt({ clock, what, limitMsec: requestTimeoutMsec, signal: gate.signal }, call);
    } catch (error) {
      gate.signal.throwIfAborted();
      log.warn({ what, tried, retryLimit, message: messageOf(error) }, 'device.attempt-failed');
      if (tried >= retryLimit) throw asDeviceError(what, error);
    }
    await sleep(clock, BACK_OFF_MSEC * tried, gate.signal);
    return this.#attempts(what, gate, call, tried + 1);
  }
}
