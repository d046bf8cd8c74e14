import type { HwConfig } from '../config/hw-config.ts';
import type { Policy } from '../config/policy.ts';
import type { ConverterMode } from '../domain/converter-mode.ts';
import type { Deal } from '../domain/deal.ts';
import type { FaultInput } from '../domain/fault.ts';
import type { OperationMode } from '../domain/operation-mode.ts';
import type { Milliseconds, WattHours } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Device, DeviceReading } from '../ports/device.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { Log } from '../ports/log.ts';
import type { Pulse } from '../ports/pulse.ts';

/** Leave to be out of WAIT, as the unit holds it: which modes, and until when by the monotonic clock (INV-2). */
export interface HeldPermit {
  readonly modes: readonly ConverterMode[];
  readonly expiresAt: Milliseconds;
  /** Nobody pushes or pulls a constant current by the same grant: a reference need not wait for others (RULE-7). */
  readonly isAlone?: boolean;
}

/** What the controller of one unit needs from outside; `unit/` wires it. */
export interface ControllerNeeds {
  readonly unitId: string;
  readonly device: Device;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  policy(): Policy;
  hwConfig(): HwConfig;
  effectiveMode(): OperationMode;
  /** Open deals that involve this unit, newest copies. */
  ownDeals(): readonly Deal[];
  permit(): HeldPermit | undefined;
  raise(fault: FaultInput): void;
  /** Told by the loop that measures. */
  readonly pulse?: Pulse;
}

/** The last full reading with everything merged into it since, and how far it may be trusted. */
export interface Acquired {
  readonly reading: DeviceReading;
  /** Monotonic time at which the reading was begun: its age is never underestimated. */
  readonly at: Milliseconds;
  /** The device has not answered lately: show the values, decide nothing by them (control.md Q2). */
  readonly stale: boolean;
  /** Net energy into the battery side since this session began. */
  readonly energyWh: WattHours;
}
