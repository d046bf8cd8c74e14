import type { ConverterMode } from './converter-mode.ts';
import type { Amperes, EpochMsec, Milliseconds, Volts } from './quantities.ts';

/** A device behind a flow must be heard of at least this often, or its unit does not trade (RULE-18). */
export const WIRED_SILENCE_MSEC: Milliseconds = 1_000;
/** How often a flow says that it is there. */
export const WIRED_HEARTBEAT_MSEC: Milliseconds = 250;
/** A flow that has heard nothing from its daemon for so long puts the converter to WAIT by itself, within 3 s. */
export const WIRED_DAEMON_LOST_MSEC: Milliseconds = 2_000;

/** What the core asks of a device behind a flow; a `set` names only what changes. */
export type WiredOrder =
  | { readonly command: 'get' }
  | { readonly command: 'status' }
  | {
      readonly command: 'set';
      readonly mode?: ConverterMode;
      /** Bus voltage: target or ceiling, V. */
      readonly dvg?: Volts;
      /** Bus current, a magnitude, A. */
      readonly dig?: Amperes;
      /** Droop, a ratio. */
      readonly drg?: number;
    };

/** An order as the unit publishes it; the reply carries the same id. */
export type WiredCommand = WiredOrder & {
  readonly id: string;
  /** Strictly increasing within one process: an older `set` must not be carried out after a newer one (RULE-2). */
  readonly sequence: number;
  /** When it was said, by the clock of the unit's machine. */
  readonly time: EpochMsec;
  /** From then on: later it must neither be carried out nor answered. */
  readonly deadlineMsec: Milliseconds;
};

/** The two parts that a flow answers with: `get` needs both, the others that of the converter. */
export const WIRED_PARTS = ['dcdc', 'battery'] as const;
export type WiredPart = (typeof WIRED_PARTS)[number];
