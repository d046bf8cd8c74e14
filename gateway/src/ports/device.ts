import type { ConverterMode } from '../domain/converter-mode.ts';
import type { DeviceError } from '../domain/errors.ts';
import type { Amperes, Volts } from '../domain/quantities.ts';
import type { BatteryState, Dcdc, EmuData } from '../domain/unit-data.ts';
import type { Unsubscribe } from './bus.ts';

/** What a mode command sets: `dvg` target or ceiling, `dig` current magnitude, `drg` droop ratio (0 = stiff). */
export interface ModeSetting {
  readonly mode: ConverterMode;
  readonly dvg: Volts;
  readonly dig: Amperes;
  readonly drg: number;
}

/** Parts of `dcdc` that a reply carries, to be merged into what is known (control.md §1.6). */
export type DcdcReply = Partial<Pick<Dcdc, 'status' | 'meter' | 'vdis' | 'param'>>;

/**
 * A bidirectional DC/DC converter. Every call is one attempt, ends by itself or by the signal, and rejects
 * with `DeviceError` when the converter does not answer or refuses; retries are the controller's business.
 */
export interface Converter {
  readStatus(signal: AbortSignal): Promise<DcdcReply>;
  setMode(setting: ModeSetting, signal: AbortSignal): Promise<DcdcReply>;
  setVoltage(setting: Pick<ModeSetting, 'dvg' | 'drg'>, signal: AbortSignal): Promise<DcdcReply>;
  setCurrent(setting: Pick<ModeSetting, 'dig'>, signal: AbortSignal): Promise<DcdcReply>;
}

/** One full reading of a house's devices. */
export interface DeviceReading {
  readonly dcdc: Dcdc;
  readonly battery: BatteryState;
  readonly emu?: EmuData;
  /** Time text of the device, where it has a clock of its own (control.md §1.2). */
  readonly time?: string;
}

export interface Battery {
  /** Reads battery and converter together, as the drivers do in one request. */
  read(signal: AbortSignal): Promise<DeviceReading>;
}

export interface Device extends Converter, Battery {
  /** The device stands behind a flow: it never holds the bus voltage, and is trusted no longer than it is heard (RULE-18). */
  readonly isWired?: true;
  /** Tells of what the device did unasked: each is a fault, and the converter goes to WAIT. */
  onTrouble?(handle: (error: DeviceError) => void): Unsubscribe;
}
