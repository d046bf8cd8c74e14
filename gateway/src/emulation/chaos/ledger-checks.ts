import type { Deal } from '../../domain/deal.ts';
import type { WattHours } from '../../domain/quantities.ts';
import { NEVER } from '../../domain/timestamp.ts';
import type { Finding } from './finding.ts';

export type Ledgers = ReadonlyMap<string, ReadonlyMap<string, Deal>>;

const finding = (invariant: 'INV-7' | 'INV-8', subject: string, message: string): Finding => ({
  invariant,
  subject,
  message,
  toleranceMsec: 0,
});

const differences = (a: Deal, b: Deal): readonly string[] => {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])] as (keyof Deal)[]; // keys of two deals
  return names.filter((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
};

/** INV-7: every deal that was started has one record at each party, and the two are equal. To be asked when all is over. */
export function recordsMissing(started: ReadonlyMap<string, Deal>, ledgers: Ledgers): readonly Finding[] {
  return [...started.values()].flatMap((deal): Finding[] => {
    if (deal.startDateTime === NEVER) return [];
    const parties = [deal.requestUnitId, deal.acceptUnitId];
    const records = parties.map((unitId) => ledgers.get(unitId)?.get(deal.dealId));
    const missing = parties.filter((_, index) => records[index] === undefined);
    if (missing.length > 0) {
      return [
        finding('INV-7', deal.dealId, `deal ${deal.dealId} was started and has no record at ${missing.join(', ')}`),
      ];
    }
    const [first, second] = records as [Deal, Deal]; // neither is missing
    const names = differences(first, second);
    if (names.length === 0) return [];
    const shown = names.map(
      (name) => `${name} ${JSON.stringify(first[name as keyof Deal])} / ${JSON.stringify(second[name as keyof Deal])}`,
    );
    return [
      finding(
        'INV-7',
        deal.dealId,
        `the two records of deal ${deal.dealId} (${parties.join(', ')}) differ: ${shown.join('; ')}`,
      ),
    ];
  });
}

/** Relative error that meters and the time between two samples may bring. */
const METER_ERROR = 0.02;
/** What one deal may be off by beyond that: the moments between its last sample and its end. */
const PER_DEAL_WH: WattHours = 1.5;

/** What a run says about energy. */
export interface EnergyTruth {
  /** Of the physics, with its whole turnover. */
  readonly imbalanceWh: WattHours;
  readonly turnoverWh: WattHours;
  /** Through the converters into the batteries, all houses together. */
  readonly chargedWh: WattHours;
  /** What lying or silent meters may have hidden. */
  readonly excusedWh: WattHours;
}

/** INV-8: the physics keeps its books, and the ledgers say what flowed into the batteries of the charging sides. */
export function energyOff(ledgers: Ledgers, energy: EnergyTruth): readonly Finding[] {
  const found: Finding[] = [];
  if (Math.abs(energy.imbalanceWh) > 1e-6 * energy.turnoverWh + 1e-6) {
    found.push(finding('INV-8', 'physics', `${energy.imbalanceWh} Wh came from nowhere, of ${energy.turnoverWh} Wh`));
  }
  const deals = new Map([...ledgers.values()].flatMap((ledger) => [...ledger]));
  const told = [...deals.values()].reduce((sum, deal) => sum + (deal.cumulateAmountWh ?? 0), 0);
  const allowedWh = METER_ERROR * energy.chargedWh + PER_DEAL_WH * deals.size + energy.excusedWh;
  if (Math.abs(told - energy.chargedWh) > allowedWh) {
    found.push(
      finding(
        'INV-8',
        'ledger',
        `the ledgers say ${told.toFixed(1)} Wh, ${energy.chargedWh.toFixed(1)} Wh flowed (± ${allowedWh.toFixed(1)})`,
      ),
    );
  }
  for (const deal of deals.values()) {
    const limitWh = deal.dealAmountWh * (1 + METER_ERROR) + PER_DEAL_WH;
    const amountWh = deal.cumulateAmountWh ?? 0;
    if (amountWh > limitWh + energy.excusedWh || amountWh < -PER_DEAL_WH - energy.excusedWh) {
      found.push(
        finding('INV-8', deal.dealId, `deal ${deal.dealId} says ${amountWh.toFixed(2)} Wh of ${deal.dealAmountWh}`),
      );
    }
  }
  return found;
}
