import { AT_REST } from '../domain/device-command.ts';
import { messageOf, reasonOf } from '../domain/errors.ts';
import type { FaultCategory, FaultInput, FaultLevel } from '../domain/fault.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';

/** Category and level of a fault by its reason (control.md §1); a device that fails in any other way is hardware. */
const KINDS: Readonly<Record<string, readonly [FaultCategory, FaultLevel]>> = {
  'device.checkpoint': ['HARDWARE', 'WARN'],
  'device.degraded-stop': ['HARDWARE', 'WARN'],
  'device.unknown-mode': ['HARDWARE', 'WARN'],
  'device.voltage-not-restored': ['HARDWARE', 'WARN'],
  'device.bus-live': ['LOGIC', 'WARN'],
  'device.bad-command': ['LOGIC', 'ERROR'],
  'device.out-of-range': ['LOGIC', 'ERROR'],
  'device.too-many-steps': ['USER', 'ERROR'],
  'device.no-authorization-voltage': ['USER', 'ERROR'],
  internal: ['LOGIC', 'ERROR'],
};

/** Refusals and stops: the caller is told, and nothing is wrong with this unit. */
const REFUSALS: ReadonlySet<string> = new Set([
  'device.superseded',
  'device.busy',
  'device.closed',
  'device.no-permit',
  AT_REST,
]);
/** What a fence throws is not about the device either. */
const isRefusal = (reason: string): boolean =>
  REFUSALS.has(reason) || !(reason.startsWith('device.') || reason === 'internal');

export interface FaultBookNeeds {
  readonly clock: Clock;
  readonly log: Log;
  raise(fault: FaultInput): void;
  /** A fault that lasts is raised again after this time. */
  repeatMsec(): Milliseconds;
}

/** What makes two faults the same. */
export const keyOf = ({ reason, level }: Pick<FaultInput, 'reason' | 'level'>): string => `${reason} ${level}`;

/** Raises faults; one that lasts is told at intervals, not with every sample (control.md Q6). */
export class FaultBook {
  readonly #needs: FaultBookNeeds;
  readonly #raisedAt = new Map<string, Milliseconds>();

  constructor(needs: FaultBookNeeds) {
    this.#needs = needs;
  }

  raise(fault: Pick<FaultInput, 'category' | 'level' | 'reason' | 'message'>): void {
    const { clock, log, repeatMsec, raise } = this.#needs;
    const key = keyOf(fault);
    const now = clock.monotonic();
    const raisedAt = this.#raisedAt.get(key);
    if (raisedAt !== undefined && now - raisedAt < repeatMsec()) return;
    this.#raisedAt.set(key, now);
    log[fault.level === 'WARN' ? 'warn' : 'error']({ ...fault }, 'controller.fault');
    raise({ ...fault, extent: 'LOCAL' });
  }

  /** Faults of local safety that are over: when they come back they are told at once. */
  forgetAllBut(present: ReadonlySet<string>): void {
    for (const key of this.#raisedAt.keys()) {
      if (key.startsWith('safety.') && !present.has(key)) this.#raisedAt.delete(key);
    }
  }

  /** Raises what a caught error means, when it means a fault; `reason` where the error's own says too little. */
  raiseError(error: unknown, reason = reasonOf(error)): void {
    const message = messageOf(error);
    const [category, level] = KINDS[reason] ?? ['HARDWARE', 'ERROR'];
    if (isRefusal(reason)) this.#needs.log.info({ reason, message }, 'controller.refused');
    else this.raise({ category, level, reason, message });
  }
}
