import t from 'tap';
import { demoPolicy } from '../src/config/defaults.ts';
import type { EmulatedCommunity } from '../src/emulation/emulated-community.ts';
import { generatedYear } from '../src/emulation/generated-year.ts';
import { tooSlowWhileCounted } from './support/coverage.ts';
import { aCommunity, allWaiting, finishedDeals, HOUR, IDS, openDeals } from './support/running-community.ts';

// A day of four whole units takes its time on a busy machine.
t.setTimeout(230_000);

/** Keeps an eye on the truth of the world at every one of its events. */
function watch({ world }: EmulatedCommunity): { readonly violations: string[]; readonly handOvers: () => number } {
  const violations: string[] = [];
  let handOvers = 0;
  world.onEvent((event) => {
    const houses = world.houseIds().map((id) => world.house(id));
    const references = houses.filter(({ mode }) => mode === 'VOLTAGE_REFERENCE');
    if (references.length > 1) {
      handOvers += 1;
      if (references.length > 2 || references.some(({ drg }) => drg === 0)) {
        violations.push(`INV-1 ${references.map(({ houseId, drg }) => `${houseId} drg ${drg}`).join(', ')}`);
      }
    }
    for (const { houseId, mode, dig, demandedA } of houses) {
      if (dig > 2.3) violations.push(`INV-9 ${houseId} is told ${dig} A`);
      if (mode === 'VOLTAGE_REFERENCE' && Math.abs(demandedA) > 2.35) {
        violations.push(`INV-9 ${houseId} would have to carry ${demandedA.toFixed(2)} A after ${event.event}`);
      }
    }
  });
  return { violations, handOvers: () => handOvers };
}

t.test('24 hours of the full protocol on a generated day', { skip: tooSlowWhileCounted }, async (t) => {
  const startedAt = process.cpuUsage();
  const running = await aCommunity({
    seed: 3,
    rsoc: [90, 70, 40, 32],
    pvScale: [2, 2, 0, 0],
    world: { dataset: generatedYear(IDS, 5), meters: 'small' },
    policy: demoPolicy(IDS, { gridCurrentA: 2, amountWh: 100 }),
  });
  const { violations, handOvers } = watch(running);
  await running.clock.advance(24 * HOUR);
  void running.community.units[1]?.operate({ kind: 'mode', value: 'heteronomous' });
  await running.until(() => openDeals(running).length === 0 && allWaiting(running), 2 * HOUR, 'closing soft stop');
  const used = process.cpuUsage(startedAt);
  const cpuSeconds = (used.user + used.system) / 1e6;

  t.strictSame([...new Set(violations)].slice(0, 5), [], 'INV-1 and INV-9 hold at every event');
  const deals = finishedDeals(running);
  t.ok(deals.length >= 10, `${deals.length} deals`);
  for (const deal of deals) {
    const records = [deal.requestUnitId, deal.acceptUnitId].map(
      (id) => running.ledgers.get(id)?.filter(({ dealId }) => dealId === deal.dealId) ?? [],
    );
    t.strictSame(
      records.map((all) => all.length),
      [1, 1],
      `INV-7: ${deal.dealId} has one record at each party`,
    );
    t.strictSame(records[0], records[1], 'INV-7: and they are equal');
  }
  const energy = running.world.energy();
  t.ok(Math.abs(energy.imbalanceWh) < 1e-6 * energy.turnoverWh, `INV-8: ${energy.imbalanceWh} Wh unaccounted for`);
  const completed = deals.filter((deal) => deal.abortReason === undefined);
  const over = completed.map((deal) => (deal.cumulateAmountWh ?? 0) / deal.dealAmountWh - 1);
  const mean = over.reduce((a, b) => a + b, 0) / over.length;
  t.comment(
    `${deals.length} deals, ${completed.length} completed, ${handOvers()} events inside hand-overs, ` +
      `overshoot mean ${(100 * mean).toFixed(3)} % worst ${(100 * Math.max(...over)).toFixed(3)} %, ${cpuSeconds.toFixed(1)} s of processor time`,
  );
  t.ok(Math.abs(mean) <= 0.005);
  t.ok(cpuSeconds < 90, 'generous for a busy machine; the benchmark prints the figure');
});
