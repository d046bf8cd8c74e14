import { SystemClock } from '../../src/adapters/system/system-clock.ts';
import { demoPolicy } from '../../src/config/defaults.ts';
import { type EmulatedCommunity, emulatedCommunity } from '../../src/emulation/emulated-community.ts';
import { CONVERTER_PRESETS } from '../../src/emulation/physics/converter-options.ts';
import { type Figures, figuresOf } from './statistics.ts';

const IDS = ['E001', 'E002', 'E003', 'E004'];
const GIVE_UP_MSEC = 30_000;
const FLOWING_A = 0.5;

export interface Reaction {
  readonly runToRegisteredMsec: Figures;
  readonly registeredToCurrentMsec: Figures;
}

/**
 * Real time from "run" to the first registered deal, and from there to the first current, authorisation included,
 * with converters that slew at once and answer after 20 ms: what remains is our own time.
 */
export async function measureReaction(runs: number): Promise<Reaction> {
  const registered: number[] = [];
  const current: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const times = await once(run + 1);
    registered.push(times.registered);
    current.push(times.current);
  }
  return { runToRegisteredMsec: figuresOf(registered), registeredToCurrentMsec: figuresOf(current) };
}

async function once(seed: number): Promise<{ registered: number; current: number }> {
  const clock = new SystemClock(0);
  const running = emulatedCommunity({
    clock,
    seed,
    units: 4,
    rsoc: [92, 80, 55, 30],
    policy: demoPolicy(IDS, { gridCurrentA: 2, amountWh: 100, operationMode: 'stop' }),
    world: {
      converter: { ...CONVERTER_PRESETS.standard, rampSeconds: 0, voltageSlewVPerS: 0, currentSlewAPerS: 0 },
      latency: { kind: 'fixed', msec: 20 },
    },
  });
  await running.community.start();
  await running.community.ready();
  const begun = clock.monotonic();
  void running.community.units[0]?.operate({ kind: 'mode', value: 'autonomous' });
  await reached(clock, () => isRegistered(running), 'a registered deal');
  const registeredAt = clock.monotonic();
  await reached(clock, () => IDS.some((id) => running.world.house(id).ig < -FLOWING_A), 'a current');
  const flowingAt = clock.monotonic();
  await running.community.stop();
  running.world.close();
  return { registered: registeredAt - begun, current: flowingAt - registeredAt };
}

/** Both parties hold a copy. */
function isRegistered({ community }: EmulatedCommunity): boolean {
  const copies = community.units.flatMap((unit) => unit.deals().map(({ dealId }) => dealId));
  return copies.some((dealId, index) => copies.indexOf(dealId) !== index);
}

async function reached(clock: SystemClock, condition: () => boolean, what: string): Promise<void> {
  const giveUpAt = clock.monotonic() + GIVE_UP_MSEC;
  while (!condition()) {
    if (clock.monotonic() > giveUpAt) throw new Error(`no ${what} within ${GIVE_UP_MSEC} ms`);
    await new Promise<void>((resolve) => clock.after(1, resolve));
  }
}
