import { CONVERTER_MODES, type ConverterMode, CURRENT_SIGN } from '../../src/domain/converter-mode.ts';
import { DeviceError } from '../../src/domain/errors.ts';
import type { DcdcMeter, DcdcStatus } from '../../src/domain/unit-data.ts';
import { type Clock, sleep } from '../../src/ports/clock.ts';
import type { DcdcReply, Device, DeviceReading, ModeSetting } from '../../src/ports/device.ts';

export type CallName = 'read' | 'readStatus' | 'setMode' | 'setVoltage' | 'setCurrent';
/** What becomes of a call: done; refused; done but never answered; neither done nor answered; thrown as no DeviceError. */
export type Fate = 'done' | 'refused' | 'unanswered' | 'lost' | 'crashed';

/**
 * A converter for unit tests, written by hand: obeys at the end of its latency, alone on a bus that follows it at
 * once, and misbehaves on demand. Every call is noted as text with its parameters.
 */
export class FakeConverter implements Device {
  readonly calls: string[] = [];
  readonly writes: string[] = [];
  latencyMsec = 20;
  /** Decides what becomes of a call; the text is the one noted. */
  fate: (name: CallName, text: string) => Fate = () => 'done';
  /** A driver that ends a call when it is told to; otherwise it goes on regardless. */
  obeysAbort = true;
  mode: ConverterMode = 'WAIT';
  dvg = 350;
  dig = 0;
  drg = 0;
  rsoc = 50;
  batteryOperationStatus: number | null | undefined = 3;
  /** Voltage of the bus when somebody else holds it. */
  busV = 0;
  /** Current of the reference; that of a constant-current mode follows from `dig`. */
  referenceA = 0;
  /** Values and fields that replace the true ones in every reply. */
  meter: Partial<DcdcMeter> = {};
  status: Partial<DcdcStatus> = {};
  /** Blocks that replies to writes leave out. */
  silentAbout: ReadonlySet<keyof DcdcReply> = new Set();
  /** How the converter rounds what it echoes. */
  echo: (value: number) => number = (value) => value;
  /** A device that tells of what it did unasked has this before its controller starts; most have not. */
  onTrouble?: NonNullable<Device['onTrouble']>;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get truth(): DcdcMeter {
    const vg = this.mode === 'VOLTAGE_REFERENCE' ? this.dvg : this.busV;
    const ig = this.mode === 'VOLTAGE_REFERENCE' ? this.referenceA : CURRENT_SIGN[this.mode] * this.dig;
    return { vg, ig, wg: vg * ig, vb: 50, ib: (vg * ig) / 50, wb: vg * ig, tmp: 25 };
  }

  read(signal: AbortSignal): Promise<DeviceReading> {
    return this.#call('read', '', signal, () => ({
      dcdc: this.#dcdc(),
      battery: { rsoc: this.rsoc, battery_operation_status: this.batteryOperationStatus ?? null },
    }));
  }

  readStatus(signal: AbortSignal): Promise<DcdcReply> {
    return this.#call('readStatus', '', signal, () => {
      const { status, meter } = this.#dcdc();
      return { status, meter };
    });
  }

  setMode({ mode, dvg, dig, drg }: ModeSetting, signal: AbortSignal): Promise<DcdcReply> {
    return this.#write('setMode', `${mode} ${dvg} ${dig} ${drg}`, signal, () => {
      this.mode = mode;
      this.#set({ dvg, dig, drg });
      return this.#dcdc();
    });
  }

  setVoltage({ dvg, drg }: Pick<ModeSetting, 'dvg' | 'drg'>, signal: AbortSignal): Promise<DcdcReply> {
    return this.#write('setVoltage', `${dvg} ${drg}`, signal, () => {
      this.#set({ dvg, drg });
      const { meter, vdis } = this.#dcdc();
      return { meter, vdis };
    });
  }

  setCurrent({ dig }: Pick<ModeSetting, 'dig'>, signal: AbortSignal): Promise<DcdcReply> {
    return this.#write('setCurrent', `${dig}`, signal, () => {
      this.#set({ dig });
      const { meter, param } = this.#dcdc();
      return { meter, param };
    });
  }

  #set(setpoint: Partial<Pick<ModeSetting, 'dvg' | 'dig' | 'drg'>>): void {
    Object.assign(this, setpoint);
  }

  #dcdc() {
    const { code, operationMode, runningState } = CONVERTER_MODES[this.mode];
    return {
      status: { status: code, operationMode, runningState, alarmState: 'No alarm', ...this.status },
      meter: { ...this.truth, ...this.meter },
      vdis: { dvg: this.echo(this.dvg), drg: this.drg },
      param: { dig: this.echo(this.dig) },
    };
  }

  #write(name: CallName, text: string, signal: AbortSignal, change: () => DcdcReply): Promise<DcdcReply> {
    this.writes.push(`${name} ${text}`);
    return this.#call(name, text, signal, () => {
      const reply = change();
      return Object.fromEntries(
        Object.entries(reply).filter(([block]) => !this.silentAbout.has(block as keyof DcdcReply)),
      );
    });
  }

  async #call<T>(name: CallName, text: string, signal: AbortSignal, act: () => T): Promise<T> {
    const noted = `${name} ${text}`.trim();
    this.calls.push(noted);
    const fate = this.fate(name, noted);
    const heard = this.obeysAbort ? signal : undefined;
    await sleep(this.#clock, this.latencyMsec, heard);
    if (fate === 'refused') throw new DeviceError('device.refused', `${noted} refused`);
    if (fate === 'crashed') throw new Error(`${noted} crashed`);
    if (fate === 'done') return act();
    if (fate === 'unanswered') act();
    return sleep(this.#clock, 3_600_000, heard).then(act);
  }
}
