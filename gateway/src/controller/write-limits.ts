import type { HwConfig } from '../config/hw-config.ts';
import type { Policy } from '../config/policy.ts';
import { DeviceError } from '../domain/errors.ts';
import type { ModeSetting } from '../ports/device.ts';

/** What a write may set: amperes, volts, droop ratio. */
export interface WriteLimits {
  readonly gridCurrentCapacityA: number;
  readonly minV: number;
  readonly maxV: number;
}

export const writeLimits = (policy: Policy, hwConfig: HwConfig): WriteLimits => ({
  gridCurrentCapacityA: hwConfig.gridCurrentCapacityA,
  minV: policy.operationGridVoltageVRange.min,
  maxV: policy.operationGridVoltageVRange.max,
});

/** Sums of binary fractions come out a hair off their decimal value; that hair is no violation. */
const HAIR = 1e-6;

function inRange(name: string, value: number, min: number, max: number, limit: string): void {
  if (value >= min - HAIR && value <= max + HAIR) return;
  throw new DeviceError('device.out-of-range', `${name} ${value} is not within ${min} to ${max} (${limit})`);
}

/**
 * Refuses a value outside the limits before it reaches the driver (INV-9). The voltage of WAIT is free: a stop
 * depends on no policy value (control.md S11).
 * @throws DeviceError `device.out-of-range` with the value and the limit
 */
export function checkWrite(setting: Partial<ModeSetting>, limits: WriteLimits): void {
  const { mode, dvg, dig, drg } = setting;
  if (dig !== undefined) inRange('dig', dig, 0, limits.gridCurrentCapacityA, 'gridCurrentCapacityA');
  if (drg !== undefined) inRange('drg', drg, 0, 1, 'a ratio');
  if (dvg === undefined) return;
  if (mode === 'WAIT') inRange('dvg', dvg, 0, Number.MAX_VALUE, 'a voltage');
  else inRange('dvg', dvg, limits.minV, limits.maxV, 'operationGridVoltageVRange');
}
