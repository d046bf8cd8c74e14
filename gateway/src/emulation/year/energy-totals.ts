import type { WattHours } from '../../domain/quantities.ts';

/** What has flowed in one house, or in all together, since the beginning; all ≥ 0 except `storedChangeWh`. */
export interface EnergyTotals {
  /** What the sun would have given. */
  readonly pvWh: WattHours;
  readonly curtailedWh: WattHours;
  readonly loadWh: WattHours;
  /** Bought from the AC grid, device losses included. */
  readonly importedWh: WattHours;
  readonly houseLossWh: WattHours;
  /** Lost in converters that wait. */
  readonly standbyLossWh: WattHours;
  /** Lost in converters that hold the voltage, charge or discharge. */
  readonly exchangeLossWh: WattHours;
  readonly sentWh: WattHours;
  readonly receivedWh: WattHours;
  /** Pushed into a full battery with no PV left to cut. */
  readonly spilledWh: WattHours;
  readonly storedChangeWh: WattHours;
}
export type Flow = keyof EnergyTotals;

export const FLOWS = [
  'pvWh',
  'curtailedWh',
  'loadWh',
  'importedWh',
  'houseLossWh',
  'standbyLossWh',
  'exchangeLossWh',
  'sentWh',
  'receivedWh',
  'spilledWh',
  'storedChangeWh',
] as const satisfies readonly Flow[];

/** Totals made flow by flow. */
export const totalsOf = (amountOf: (flow: Flow) => WattHours): EnergyTotals =>
  // Object.fromEntries forgets the keys; FLOWS lists them all.
  Object.fromEntries(FLOWS.map((flow) => [flow, amountOf(flow)])) as unknown as EnergyTotals;

export const sumOfTotals = (all: readonly EnergyTotals[]): EnergyTotals =>
  totalsOf((flow) => all.reduce((sum, one) => sum + one[flow], 0));

export const differenceOf = (later: EnergyTotals, earlier: EnergyTotals): EnergyTotals =>
  totalsOf((flow) => later[flow] - earlier[flow]);

/** What came in and was neither used, lost, sent nor stored: 0 but for rounding (INV-8). */
export const imbalanceWh = (e: EnergyTotals): WattHours =>
  e.pvWh +
  e.importedWh +
  e.receivedWh -
  (e.curtailedWh + e.loadWh + e.houseLossWh + e.standbyLossWh + e.exchangeLossWh) -
  (e.sentWh + e.spilledWh + e.storedChangeWh);

/** 1 − (bought − stored) / load, the original's `ssr_real` (emulator.md §8); 0 when nothing was used. */
export const selfSufficiencyOf = ({ importedWh, storedChangeWh, loadWh }: EnergyTotals): number =>
  loadWh > 0 ? 1 - (importedWh - storedChangeWh) / loadWh : 0;
