import { emulatedCommunity } from '../../src/emulation/emulated-community.ts';
import { generatedYear } from '../../src/emulation/generated-year.ts';
import { VirtualClock } from '../../src/ports/index.ts';

export interface DayFigures {
  readonly wallSeconds: number;
  readonly deals: number;
  /** Energy that came from nowhere, as a part of what came in (INV-8). */
  readonly energyImbalance: number;
}

/** 24 hours of `units` full units on the virtual clock. */
export async function measureDay(units: number): Promise<DayFigures> {
  const startedAt = performance.now();
  const clock = new VirtualClock(Date.UTC(2020, 4, 15, 9));
  const ids = Array.from({ length: units }, (_, index) => `E${String(index + 1).padStart(3, '0')}`);
  const rsoc = ids.map((_, index) => [90, 70, 40, 32][index % 4] ?? 50);
  const pvScale = ids.map((_, index) => (index % 4 < 2 ? 2 : 0));
  const running = emulatedCommunity({
    clock,
    seed: 3,
    units,
    rsoc,
    pvScale,
    world: { dataset: generatedYear(ids, 5) },
  });
  void running.community.start();
  await clock.advance(24 * 3_600_000);
  const energy = running.world.energy();
  return {
    wallSeconds: Number(((performance.now() - startedAt) / 1000).toFixed(1)),
    deals: [...running.ledgers.values()].flat().length / 2,
    energyImbalance: Math.abs(energy.imbalanceWh) / energy.turnoverWh,
  };
}
