import { type EnergyTotals, selfSufficiencyOf } from './energy-totals.ts';
import type { RunResult } from './run-year.ts';

export interface MonthResult {
  readonly month: string;
  readonly selfSufficiency: number;
  readonly exchangedWh: number;
}

/** What a case came to; energies in Wh over the whole community. */
export interface CaseResult {
  /** 1 − (bought − stored) / load; below 0 when the devices burn more than the sun brings. */
  readonly selfSufficiency: number;
  readonly importedWh: number;
  readonly curtailedWh: number;
  /** What reached the receiving houses over the bus. */
  readonly exchangedWh: number;
  /** Lost in converters out of waiting, at both ends. */
  readonly exchangeLossWh: number;
  readonly deals: number;
  readonly loadWh: number;
  readonly pvWh: number;
  readonly storedChangeWh: number;
  readonly months: readonly MonthResult[];
}

/** Half a Wh in a year is nothing; more digits would only be noise. */
const wh = (value: number): number => Math.round(10 * value) / 10 + 0;
const ratio = (value: number): number => Math.round(1e6 * value) / 1e6 + 0;

const monthOf = (month: string, totals: EnergyTotals): MonthResult => ({
  month,
  selfSufficiency: ratio(selfSufficiencyOf(totals)),
  exchangedWh: wh(totals.receivedWh),
});

export const caseResultOf = ({ totals, months, deals }: RunResult): CaseResult => ({
  selfSufficiency: ratio(selfSufficiencyOf(totals)),
  importedWh: wh(totals.importedWh),
  curtailedWh: wh(totals.curtailedWh),
  exchangedWh: wh(totals.receivedWh),
  exchangeLossWh: wh(totals.exchangeLossWh),
  deals,
  loadWh: wh(totals.loadWh),
  pvWh: wh(totals.pvWh),
  storedChangeWh: wh(totals.storedChangeWh),
  months: months.map((one) => monthOf(one.month, one.totals)),
});

/**
 * Part of the distance between `alone` and `pooled` that trading covers, 0 … 1 (emulator.md §8); 0 where there is none,
 * as for a single house.
 */
export function gapClosed(alone: number, apis: number, pooled: number): number {
  const gap = pooled - alone;
  return gap > 0 ? ratio(Math.min(1, Math.max(0, (apis - alone) / gap))) : 0;
}
