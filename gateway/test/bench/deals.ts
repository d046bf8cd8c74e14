import { demoPolicy } from '../../src/config/defaults.ts';
import type { Deal } from '../../src/domain/index.ts';
import { emulatedCommunity } from '../../src/emulation/emulated-community.ts';
import { VirtualClock } from '../../src/ports/index.ts';
import { mean } from './statistics.ts';

const IDS = ['E001', 'E002', 'E003', 'E004'];
const MINUTE = 60_000;

export interface DealFigures {
  readonly deals: number;
  /** Energy moved beyond what was agreed, % of the agreed. */
  readonly overshootMeanPercent: number;
  readonly overshootWorstPercent: number;
  /** The bus went dead although a deal was waiting for it. */
  readonly tornDownWhileWaiting: number;
  /** Without current between two deals of the same pair, s. */
  readonly pauseBetweenDealsSeconds: number;
  readonly wallSeconds: number;
}

/** Back-to-back deals on the virtual clock, at least `atLeast` of them; batteries are kept so that somebody always asks. */
export async function measureDeals(atLeast: number): Promise<DealFigures> {
  const startedAt = performance.now();
  const clock = new VirtualClock(Date.UTC(2020, 4, 15, 9));
  const running = emulatedCommunity({
    clock,
    seed: 11,
    units: 4,
    rsoc: [88, 86, 40, 38],
    policy: demoPolicy(IDS, { gridCurrentA: 2, amountWh: 100 }),
  });
  const finished = new Map<string, Deal>();
  let tornDown = 0;
  let wasUp = false;
  running.world.onEvent(() => {
    const isUp = IDS.some((id) => running.world.house(id).mode === 'VOLTAGE_REFERENCE');
    if (wasUp && !isUp && running.community.units.some((unit) => unit.deals().some((deal) => !deal.stopDateTime)))
      tornDown += 1;
    wasUp = isUp;
  });
  void running.community.start();
  while (finished.size < atLeast) {
    await clock.advance(MINUTE);
    for (const deal of [...running.ledgers.values()].flat()) finished.set(deal.dealId, deal);
    for (const [index, id] of IDS.entries()) running.world.set(id, { rsoc: index < 2 ? 88 : 40 });
    if (clock.monotonic() > 48 * 60 * MINUTE) throw new Error(`only ${finished.size} deals in two days`);
  }
  const completed = [...finished.values()].filter((deal) => deal.abortReason === undefined);
  const over = completed.map((deal) => 100 * ((deal.cumulateAmountWh ?? 0) / deal.dealAmountWh - 1));
  return {
    deals: completed.length,
    overshootMeanPercent: Number(mean(over).toFixed(4)),
    overshootWorstPercent: Number(Math.max(...over).toFixed(4)),
    tornDownWhileWaiting: tornDown,
    pauseBetweenDealsSeconds: pauseOf(completed),
    wallSeconds: Number(((performance.now() - startedAt) / 1000).toFixed(1)),
  };
}

const secondsOf = (stamp: string | undefined): number =>
  Date.parse(`${stamp?.replaceAll('/', '-').replace(/-(?=\d\d:)/, 'T')}Z`) / 1000;

/** Median time between the end of one deal of a pair and the start of its next. */
function pauseOf(deals: readonly Deal[]): number {
  const byPair = Map.groupBy(deals, (deal) => `${deal.dischargeUnitId}>${deal.chargeUnitId}`);
  const pauses = [...byPair.values()].flatMap((all) => {
    const sorted = all.toSorted((a, b) => secondsOf(a.startDateTime) - secondsOf(b.startDateTime));
    return sorted.slice(1).map((deal, index) => secondsOf(deal.startDateTime) - secondsOf(sorted[index]?.stopDateTime));
  });
  pauses.sort((a, b) => a - b);
  return pauses[Math.floor(pauses.length / 2)] ?? Number.NaN;
}
