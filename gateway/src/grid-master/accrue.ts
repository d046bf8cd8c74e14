import { type Deal, isStarted, slaveSideMustBeActive, unitOnSide } from '../domain/deal.ts';
import type { Milliseconds, WattHours, Watts } from '../domain/quantities.ts';
import { parseTimestamp } from '../domain/timestamp.ts';
import { type EnergySample, energyBetweenWh, energyOfWh, referenceSign, shareOf } from './cumulation.ts';
import type { DealChange } from './deal-marks.ts';
import type { Grid } from './grid.ts';

const referenceUnitOf = (grid: Grid, deal: Deal): string => unitOnSide(deal, grid.policy.gridMaster.deal.referenceSide);

const signOf = (grid: Grid): 1 | -1 => referenceSign(grid.policy.gridMaster.deal.referenceSide);

const shareAmong = (grid: Grid, deals: readonly Deal[], deal: Deal): number =>
  shareOf(deals, deal, grid.policy.gridMaster.deal.referenceSide);

/** The power of the reference unit's battery that belongs to a deal, + towards its amount. */
export function dealPowerW(grid: Grid, deal: Deal): Watts | undefined {
  const sample = grid.units.energySample(referenceUnitOf(grid, deal));
  return sample && signOf(grid) * sample.batteryPowerW * shareAmong(grid, grid.deals.all(), deal);
}

/** Energy since the record's own time text: for a deal taken over from a former grid master (control.md §4.9). */
function sinceRecordWh(grid: Grid, deal: Deal, sample: EnergySample): WattHours {
  const from = parseTimestamp(String(deal.cumulateDateTime));
  const to = parseTimestamp(grid.timeOf(deal));
  return from === undefined || to === undefined ? 0 : energyOfWh(sample.batteryPowerW, to - from);
}

function accrueDeal(grid: Grid, deals: readonly Deal[], deal: Deal): void {
  const progress = grid.deals.progress(deal.dealId);
  const sample = grid.units.energySample(referenceUnitOf(grid, deal));
  if (sample === undefined) return;
  if (progress.sample !== undefined && sample.at <= progress.sample.at) return;
  const energyWh =
    progress.sample === undefined ? sinceRecordWh(grid, deal, sample) : energyBetweenWh(progress.sample, sample);
  const amountWh = progress.amountWh + signOf(grid) * energyWh * shareAmong(grid, deals, deal);
  grid.deals.note(deal.dealId, { amountWh, sample });
}

/**
 * Adds what the reference units have counted meanwhile to all running deals. Called before anything changes the
 * shares, so that every interval is split by the currents that flowed in it; or afterwards, with the deals of before.
 */
export function accrue(grid: Grid, deals: readonly Deal[] = grid.deals.all()): void {
  for (const deal of deals) if (isStarted(deal) && slaveSideMustBeActive(deal)) accrueDeal(grid, deals, deal);
}

/** The energy so far, as fields of the record. */
export function cumulated(grid: Grid, deal: Deal): DealChange {
  const progress = grid.deals.progress(deal.dealId);
  if (!isStarted(deal)) return {};
  return { cumulateDateTime: grid.timeOf(deal), cumulateAmountWh: progress.amountWh };
}

/** Age of what a deal's amount is based on; without end while there is nothing. */
export const sampleAgeMsec = (grid: Grid, deal: Deal): Milliseconds => {
  const sample = grid.units.energySample(referenceUnitOf(grid, deal));
  return sample === undefined ? Number.POSITIVE_INFINITY : grid.now - sample.at;
};

/** Reads the reference unit of a deal now and takes the energy in, by the shares among `deals`. */
export async function accrueFresh(grid: Grid, deal: Deal, deals?: readonly Deal[]): Promise<void> {
  await grid.read(referenceUnitOf(grid, deal), 'unit');
  accrue(grid, deals);
}
