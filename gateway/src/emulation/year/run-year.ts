import { InternalError } from '../../domain/errors.ts';
import { DealBus } from './deal-bus.ts';
import { differenceOf, type EnergyTotals, sumOfTotals } from './energy-totals.ts';
import { type BankOptions, HouseBank } from './house-bank.ts';
import { MarketFloor, type MarketSettings } from './market-floor.ts';
import { DAY_SECONDS, SAMPLE_SECONDS, YEAR_BEGIN } from './year-samples.ts';

export interface RunOptions extends BankOptions {
  readonly days: number;
  /** Seconds between two looks at thresholds and markets; divides 60. */
  readonly stepSeconds: number;
  /** Undefined: the houses do not trade. */
  readonly market?: MarketSettings;
}

export interface MonthTotals {
  /** `2020-01` */
  readonly month: string;
  readonly totals: EnergyTotals;
}

export interface RunResult {
  readonly totals: EnergyTotals;
  readonly houses: readonly EnergyTotals[];
  readonly months: readonly MonthTotals[];
  /** Deals that have carried current. */
  readonly deals: number;
}

const monthAt = (day: number): string => new Date(YEAR_BEGIN + 1000 * DAY_SECONDS * day).toISOString().slice(0, 7);

/** Runs a community from the first midnight of the year on. Pure: the same options give the same result. */
export function runYear(options: RunOptions): RunResult {
  const { stepSeconds } = options;
  if (!isStep(stepSeconds))
    throw new InternalError(`expected a step that divides ${SAMPLE_SECONDS} s, got ${stepSeconds}`);
  const bank = new HouseBank(options);
  const { market, losses, days } = options;
  const bus = market && new DealBus(bank, market.policy, losses.converter);
  const floor = market && bus && new MarketFloor(market, bank, bus);
  const housesNow = (): EnergyTotals[] => Array.from({ length: bank.count }, (_, house) => bank.totals(house));
  const months: MonthTotals[] = [];
  let monthBegan = sumOfTotals(housesNow());
  for (let day = 0; day < days; day += 1) {
    runDay(day, stepSeconds, { bank, bus, floor });
    if (day + 1 < days && monthAt(day + 1) === monthAt(day)) continue;
    const now = sumOfTotals(housesNow());
    months.push({ month: monthAt(day), totals: differenceOf(now, monthBegan) });
    monthBegan = now;
  }
  return { totals: sumOfTotals(housesNow()), houses: housesNow(), months, deals: bus?.started ?? 0 };
}

interface Parts {
  readonly bank: HouseBank;
  readonly bus: DealBus | undefined;
  readonly floor: MarketFloor | undefined;
}

function runDay(day: number, stepSeconds: number, { bank, bus, floor }: Parts): void {
  const end = (day + 1) * DAY_SECONDS;
  for (let second = day * DAY_SECONDS; second < end; second += stepSeconds) {
    floor?.trade(second, stepSeconds);
    let now = second;
    while (now < second + stepSeconds) {
      bus?.settle(now);
      const until = Math.min(second + stepSeconds, bus?.nextEventAt(now) ?? Number.POSITIVE_INFINITY);
      bank.advance(now, until - now);
      bus?.accrue(until - now);
      now = until;
    }
  }
}

/** Steps must not reach over a sample point of the data. */
export const isStep = (seconds: number): boolean => seconds > 0 && SAMPLE_SECONDS % seconds === 0;
