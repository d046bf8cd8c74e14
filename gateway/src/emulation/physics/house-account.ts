import type { WattHours } from '../../domain/quantities.ts';
import type { HouseFlows } from './house-balance.ts';

/** Energy of a house since the world began, Wh: one sum per flow, and what is no flow. */
export interface HouseAccount extends Record<keyof HouseFlows, WattHours> {
  batteryLoss: WattHours;
  /** Put in by hand: a test or a person has set the state of charge. */
  adjusted: WattHours;
  /** In the battery at the beginning. */
  initial: WattHours;
}

export const emptyAccount = (initial: WattHours): HouseAccount => ({
  pvUsed: 0,
  pvCurtailed: 0,
  load: 0,
  import: 0,
  houseLoss: 0,
  converterLoss: 0,
  grid: 0,
  gridReceived: 0,
  gridSent: 0,
  busCharge: 0,
  spilled: 0,
  battery: 0,
  wanted: 0,
  batteryLoss: 0,
  adjusted: 0,
  initial,
});

export const FLOW_KEYS = [
  'pvUsed',
  'pvCurtailed',
  'load',
  'import',
  'houseLoss',
  'converterLoss',
  'grid',
  'gridReceived',
  'gridSent',
  'busCharge',
  'spilled',
  'battery',
  'wanted',
] as const satisfies readonly (keyof HouseFlows)[];

/** Energy that came from nowhere, Wh: 0 but for rounding (INV-8). */
export function imbalanceWh(account: HouseAccount, storedWh: WattHours): WattHours {
  const sources = account.pvUsed + account.import + account.grid + account.adjusted + account.initial;
  const sinks = account.load + account.houseLoss + account.converterLoss + account.busCharge + account.spilled;
  return sources - sinks - account.batteryLoss - storedWh;
}
