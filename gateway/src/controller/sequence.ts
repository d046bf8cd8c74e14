import type { HwConfig } from '../config/hw-config.ts';
import type { Policy } from '../config/policy.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import type { ModeSetting } from '../ports/device.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { DeviceState } from './device-state.ts';

/** One step of a command at the hardware. `isLowering` marks a voltage on the way down to WAIT: it needs no permit. */
export type Step =
  | { readonly kind: 'mode'; readonly setting: ModeSetting }
  | { readonly kind: 'voltage'; readonly dvg: number; readonly drg: number; readonly isLowering?: true }
  | { readonly kind: 'current'; readonly dig: number }
  | { readonly kind: 'status' }
  | { readonly kind: 'wait'; readonly msec: Milliseconds }
  /** Something went wrong that does not end the command. */
  | { readonly kind: 'report'; readonly reason: string; readonly error: unknown };

/** A command as the list of its steps, made while it goes; after each step it gets what is known of the converter. */
export type Sequence<Result = void> = Generator<Step, Result, Dcdc>;

/** What a sequence may look at. */
export interface SequenceContext {
  readonly policy: Policy;
  readonly hwConfig: HwConfig;
  readonly entropy: Entropy;
  readonly state: Pick<DeviceState, 'mode' | 'dvg' | 'dig' | 'drg' | 'dcdc'>;
}
