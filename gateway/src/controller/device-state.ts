import { type ConverterMode, modeOfCode } from '../domain/converter-mode.ts';
import { DeviceError } from '../domain/errors.ts';
import type { Amperes, Milliseconds, Volts } from '../domain/quantities.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import type { DcdcReply, DeviceReading, ModeSetting } from '../ports/device.ts';

/** An echo further from the commanded value than converters round means that somebody else set it. */
const ROUNDING_V = 1.5;
const ROUNDING_A = 0.05;

type Setpoint = Partial<Omit<ModeSetting, 'mode'>>;

const merged = (known: DcdcReply, reply: DcdcReply): DcdcReply => ({
  ...known,
  ...(reply.status && { status: { ...known.status, ...reply.status } }),
  ...(reply.meter && { meter: { ...known.meter, ...reply.meter } }),
  ...(reply.vdis && { vdis: { ...known.vdis, ...reply.vdis } }),
  ...(reply.param && { param: { ...known.param, ...reply.param } }),
});

const isComplete = (known: DcdcReply): known is Dcdc =>
  known.status !== undefined && known.meter !== undefined && known.vdis !== undefined && known.param !== undefined;

/** What is known of the own converter: the last full reading, partial replies merged in, and what was commanded. */
export class DeviceState {
  #known: DcdcReply = {};
  #last: { readonly reading: DeviceReading; readonly at: Milliseconds } | undefined;
  #commanded: Setpoint = {};
  /** Modes besides WAIT that the converter was told (or may have been told, RULE-3); any, until it was in WAIT once. */
  #expected: ReadonlySet<ConverterMode> | undefined;
  #mayBeIn: ConverterMode | undefined;
  #intendedAt: Milliseconds = 0;

  /** A full reading; `at` is when it was begun, `longestDelayMsec` what an unanswered write may take to land. */
  acquired(reading: DeviceReading, at: Milliseconds, longestDelayMsec: Milliseconds): void {
    this.#last = { reading, at };
    this.#known = reading.dcdc;
    if (at > this.#intendedAt + longestDelayMsec) this.#mayBeIn = undefined;
    if (this.mode === 'WAIT') this.#expected ??= new Set();
    this.#forgetOverruled(reading.dcdc);
  }

  merge(reply: DcdcReply): void {
    this.#known = merged(this.#known, reply);
  }

  /** A mode write begins: until it is confirmed the converter may be in the old mode or in the new one. */
  intends(mode: ConverterMode, now: Milliseconds): void {
    this.#expected = new Set([...(this.#expected ?? []), mode]);
    this.#intendedAt = now;
    if (mode !== 'WAIT') this.#mayBeIn = mode;
  }

  /** A mode write was confirmed. */
  entered(mode: ConverterMode): void {
    this.#expected = new Set([mode]);
    this.#mayBeIn = undefined;
  }

  commanded(setpoint: Setpoint): void {
    this.#commanded = { ...this.#commanded, ...setpoint };
  }

  /** A full reading has been made. */
  get isRead(): boolean {
    return this.#last !== undefined;
  }

  /** The last full reading with all that was merged since. @throws DeviceError `device.unknown-state` before it */
  get reading(): DeviceReading {
    const { reading } = this.#lastOrThrow;
    return reading.dcdc === this.#known ? reading : { ...reading, dcdc: this.dcdc };
  }

  /** Monotonic time at which the last full reading was begun. @throws DeviceError `device.unknown-state` before it */
  get at(): Milliseconds {
    return this.#lastOrThrow.at;
  }

  /** @throws DeviceError `device.unknown-state` before anything was read */
  get dcdc(): Dcdc {
    return isComplete(this.#known) ? this.#known : unknownState();
  }

  get #lastOrThrow() {
    return this.#last ?? unknownState();
  }

  /** The mode that the converter showed last; undefined when its code is unknown. */
  get mode(): ConverterMode | undefined {
    return modeOfCode(this.#known.status?.status);
  }

  /** The mode out of WAIT that the converter shows, or may be in because a write got no answer (RULE-3). */
  get activeMode(): ConverterMode | undefined {
    return this.mode === 'WAIT' ? this.#mayBeIn : (this.mode ?? this.#mayBeIn);
  }

  /** A write out of WAIT got no answer, and no reading that is late enough has told what became of it (RULE-3). */
  get isUnsettled(): boolean {
    return this.#mayBeIn !== undefined;
  }

  isExpected(mode: ConverterMode): boolean {
    return mode === 'WAIT' || (this.#expected?.has(mode) ?? true);
  }

  /** Nothing but WAIT has been asked of the converter since it was in WAIT: that is where it belongs. */
  get isLetGo(): boolean {
    return this.#expected !== undefined && [...this.#expected].every((mode) => mode === 'WAIT');
  }

  /** Commanded voltage, else the echoed one: converters round what they echo (control.md S17, S18). */
  get dvg(): Volts {
    return this.#commanded.dvg ?? this.dcdc.vdis.dvg;
  }

  get dig(): Amperes {
    return this.#commanded.dig ?? this.dcdc.param.dig;
  }

  get drg(): number {
    return Math.max(this.#commanded.drg ?? 0, this.dcdc.vdis.drg);
  }

  #forgetOverruled({ vdis, param }: Dcdc): void {
    const { dvg, dig, drg } = this.#commanded;
    this.#commanded = {
      ...(agrees(dvg, vdis.dvg, ROUNDING_V) && { dvg, ...(drg !== undefined && { drg }) }),
      ...(agrees(dig, param.dig, ROUNDING_A) && { dig }),
    };
  }
}

function unknownState(): never {
  throw new DeviceError('device.unknown-state', 'the converter has not told its state yet');
}

const agrees = (commanded: number | undefined, echoed: number, rounding: number): commanded is number =>
  commanded !== undefined && Math.abs(commanded - echoed) <= rounding;
