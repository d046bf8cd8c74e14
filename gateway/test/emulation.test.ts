import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { loadDataset } from '../src/adapters/dataset-files.ts';
import { ConfigError, DeviceError } from '../src/domain/errors.ts';
import type { ConverterMode } from '../src/domain/index.ts';
import { SampledYear } from '../src/emulation/dataset.ts';
import { parseDataset, parseLoads, parseSolar } from '../src/emulation/dataset-csv.ts';
import type { ConverterWrite } from '../src/emulation/emulated-device.ts';
import { generatedYear } from '../src/emulation/generated-year.ts';
import { IDEAL_BATTERY, REAL_BATTERY } from '../src/emulation/physics/battery-model.ts';
import { CONVERTER_LOSSES } from '../src/emulation/physics/converter-loss.ts';
import { CONVERTER_PRESETS } from '../src/emulation/physics/converter-options.ts';
import { firstCrossing, integralOf, rootsOf, valueAtFraction } from '../src/emulation/physics/flow.ts';
import { latchesAt } from '../src/emulation/physics/house-latches.ts';
import { METER_PRESETS, Meter } from '../src/emulation/physics/meter.ts';
import {
  type NetworkInput,
  type NetworkSolution,
  type Source,
  solveNetwork,
} from '../src/emulation/physics/network-solver.ts';
import { Thermal } from '../src/emulation/physics/thermal.ts';
import { Topology } from '../src/emulation/physics/topology.ts';
import { World } from '../src/emulation/world.ts';
import type { WorldEvent } from '../src/emulation/world-event.ts';
import type { FaultTarget, HouseFaultKind, WorldFault } from '../src/emulation/world-fault.ts';
import type { WorldOptions } from '../src/emulation/world-options.ts';
import { SeededEntropy } from '../src/ports/entropy.ts';
import { VirtualClock } from '../src/ports/virtual-clock.ts';

const HOUR = 3_600_000;
const never = new AbortController().signal;

/** A world on a virtual clock, with exact meters and no latency unless told otherwise. */
function aWorld(options: Partial<WorldOptions> = {}) {
  const clock = new VirtualClock(Date.UTC(2021, 5, 1));
  const events: WorldEvent[] = [];
  const world = new World({
    clock,
    entropy: new SeededEntropy(7),
    houses: 4,
    converter: 'ideal',
    lossProfile: 'none',
    meters: 'exact',
    latency: { kind: 'fixed', msec: 0 },
    ...options,
  });
  world.onEvent((event) => events.push(event));
  return { clock, world, events, after: (msec: number) => clock.advance(msec) };
}

const mode = (to: ConverterMode, dig = 0, dvg = 350, drg = 0): ConverterWrite => ({
  write: 'mode',
  mode: to,
  dvg,
  dig,
  drg,
});
const reference = (dig = 2.3, dvg = 350, drg = 0): ConverterWrite => mode('VOLTAGE_REFERENCE', dig, dvg, drg);
const discharge = (dig: number, ceiling = 380): ConverterWrite => mode('DISCHARGE', dig, ceiling);
const charge = (dig: number): ConverterWrite => mode('CHARGE', dig);
const wait = mode('WAIT');

const near = (t: Test, found: number, wanted: number, tolerance: number, message: string): void => {
  t.ok(Math.abs(found - wanted) <= tolerance, `${message}: ${found} should be ${wanted} ± ${tolerance}`);
};

const problemOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'no problem';
};

t.test('flow.ts', async (t) => {
  t.test('integrates constants, lines and parabolas exactly', async (t) => {
    const parabola = (x: number): number => 3 - 5 * x + 7 * x * x;
    const flow = { start: parabola(0), middle: parabola(0.5), end: parabola(1) };
    near(t, valueAtFraction(flow, 0.3), parabola(0.3), 1e-12, 'value');
    near(t, integralOf(flow, 0.3), 3 * 0.3 - (5 * 0.09) / 2 + (7 * 0.027) / 3, 1e-12, 'integral');
  });

  t.test('finds the zeros of lines and parabolas', async (t) => {
    t.same(rootsOf({ start: -1, middle: 0, end: 1 }), [0.5]);
    t.same(rootsOf({ start: 1, middle: 1, end: 1 }), []);
    t.same(rootsOf({ start: 1, middle: 2, end: 3 }), []);
    t.same(rootsOf({ start: 1, middle: 2, end: 1 }), [], 'a parabola with zeros outside only');
    t.same(rootsOf({ start: 1, middle: 0.5, end: 1 }), [], 'a parabola above zero');
    const [low = 0, high = 0] = rootsOf({ start: 3 / 16, middle: -1 / 16, end: 3 / 16 });
    near(t, low, 0.25, 1e-12, 'first zero');
    near(t, high, 0.75, 1e-12, 'second zero');
  });

  t.test('finds the first crossing of a level, and only changes of side', async (t) => {
    const up = { start: 1, middle: 1, end: 1 };
    near(t, firstCrossing(up, 10, 2, 11) ?? -1, 0.5, 1e-12, 'half-way');
    t.equal(firstCrossing(up, 10, 2, 12.1), undefined, 'too far');
    t.equal(firstCrossing(up, 10, 2, 10), undefined, 'standing on it');
    const hill = { start: 1, middle: 0, end: -1 };
    near(t, firstCrossing(hill, 0, 1, 0.24) ?? -1, 0.4, 1e-9, 'on the way up');
    t.equal(firstCrossing(hill, 0, 1, 0.26), undefined, 'over the top');
    near(t, firstCrossing(hill, 0.1, 1, 0.0999) ?? 1, 1, 1e-3, 'only after coming back');
  });
});

t.test('network-solver.ts', async (t) => {
  const line = (nodes: number, ohms = 0.5) => ({
    parent: Array.from({ length: nodes }, (_, node) => node - 1),
    ohms: Array.from({ length: nodes }, (_, node) => (node === 0 ? 0 : ohms)),
  });
  const zeros = (size: number): number[] => new Array<number>(size).fill(0);
  const aNetwork = (nodes: number, sources: readonly Source[], more: Partial<NetworkInput> = {}): NetworkInput => ({
    forest: line(nodes),
    drawA: zeros(nodes),
    leakS: zeros(nodes),
    sources,
    beforeV: zeros(nodes),
    ...more,
  });
  const holds = (node: number, volts: number, limit = 10): Source => ({
    node,
    volts,
    siemens: 20,
    low: -limit,
    high: limit,
  });

  t.test('drops i·R along the line behind the voltage reference (emulator.md 6.1)', async (t) => {
    const { volts, sourceA } = solveNetwork(aNetwork(3, [holds(0, 350)], { drawA: [0, 0, 2] }));
    near(t, volts[0] ?? 0, 350 - 2 / 20, 1e-9, 'at the reference');
    near(t, volts[2] ?? 0, 350 - 2 / 20 - 2, 1e-9, 'at the far end');
    near(t, sourceA[0] ?? 0, -2, 1e-9, 'the reference gives it');
  });

  t.test('clips a reference at its limit, and lets the ceiling of a discharger take over', async (t) => {
    const driver: Source = { node: 1, volts: 380, siemens: 20, low: -2, high: 0 };
    const { volts, sourceA, regions } = solveNetwork(aNetwork(2, [holds(0, 350, 1.5), driver]));
    t.same(regions, [1, 0]);
    near(t, sourceA[0] ?? 0, 1.5, 1e-9, 'the reference takes its limit');
    near(t, sourceA[1] ?? 0, -1.5, 1e-9, 'the discharger gives less than told');
    near(t, volts[1] ?? 0, 380 - 1.5 / 20, 1e-9, 'near its ceiling');
  });

  t.test('reports a part that nobody can balance', async (t) => {
    const { unbalancedA, volts } = solveNetwork(
      aNetwork(2, [holds(0, 350, 1)], { drawA: [0, 3], beforeV: [340, 340] }),
    );
    near(t, unbalancedA.get(0) ?? 0, 2, 1e-9, 'short of 2 A');
    near(t, volts[0] ?? 0, 340, 1e-9, 'stays where it was');
  });

  t.test('two stiff references of different voltage fight at their limits, somewhere in between', async (t) => {
    const { sourceA, volts } = solveNetwork(
      aNetwork(2, [holds(0, 350, 2.3), holds(1, 365, 2.3)], { beforeV: [350, 350] }),
    );
    near(t, sourceA[0] ?? 0, 2.3, 1e-9, 'the lower one takes');
    near(t, sourceA[1] ?? 0, -2.3, 1e-9, 'the higher one gives');
    t.ok((volts[0] ?? 0) > 350 && (volts[1] ?? 0) < 365, 'between both');
  });

  t.test('keeps the laws of Kirchhoff and every characteristic on any tree with any devices', async (t) => {
    const device = fc.record({
      node: fc.nat(7),
      volts: fc.integer({ min: 250, max: 400 }),
      siemens: fc.constantFrom(0.3, 2, 20, 1e4),
      limit: fc.integer({ min: 1, max: 70 }),
      kind: fc.constantFrom('reference', 'driver'),
    });
    const input = fc.record({
      parents: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
      ohms: fc.array(fc.constantFrom(0, 0.1, 1), { minLength: 8, maxLength: 8 }),
      devices: fc.array(device, { minLength: 1, maxLength: 8 }),
      draws: fc.array(fc.integer({ min: -30, max: 30 }), { minLength: 8, maxLength: 8 }),
      leaks: fc.array(fc.constantFrom(0, 0, 0, 0.01), { minLength: 8, maxLength: 8 }),
      break: fc.constantFrom(-1, 3, 5),
    });
    fc.assert(
      fc.property(input, (given) => {
        const parent = given.parents.map((value, node) => (node === 0 || node === given.break ? -1 : value % node));
        const sources = given.devices.map((one): Source => {
          const limit = one.limit / 10;
          return {
            node: one.node,
            volts: one.volts,
            siemens: one.siemens,
            low: -limit,
            high: one.kind === 'driver' ? 0 : limit,
          };
        });
        const network = {
          forest: { parent, ohms: given.ohms },
          drawA: given.draws.map((tenth) => tenth / 10),
          leakS: given.leaks,
          sources,
          beforeV: zeros(8).map(() => 350),
        };
        checkLaws(network, solveNetwork(network));
      }),
      { numRuns: 600, seed: 11 },
    );
    t.pass();
  });
});

/** Throws when a solution breaks a law; parts that are reported as unbalanced are exempt from the current law only. */
function checkLaws(network: NetworkInput, solution: NetworkSolution): void {
  const { parent, ohms } = network.forest;
  const rootOf: number[] = [];
  for (const [node, up] of parent.entries()) rootOf.push(up < 0 ? node : (rootOf[up] ?? node));
  const netA = network.drawA.map((draw, node) => draw + (network.leakS[node] ?? 0) * (solution.volts[node] ?? 0));
  network.sources.forEach((source, index) => {
    const amperes = solution.sourceA[index] ?? 0;
    netA[source.node] = (netA[source.node] ?? 0) + amperes;
    if (solution.unbalancedA.has(rootOf[source.node] ?? -1)) return;
    const free = ((solution.volts[source.node] ?? 0) - source.volts) * source.siemens;
    const wanted = Math.max(source.low, Math.min(source.high, free));
    if (Math.abs(wanted - amperes) > 1e-5)
      throw new Error(`source ${index} carries ${amperes}, its characteristic says ${wanted}`);
  });
  for (let node = parent.length - 1; node >= 0; node -= 1) {
    const up = parent[node] ?? -1;
    if (up < 0) {
      const unbalanced = solution.unbalancedA.get(node) ?? 0;
      if (Math.abs((netA[node] ?? 0) - unbalanced) > 1e-5)
        throw new Error(`root ${node} is out of balance by ${netA[node]}`);
      continue;
    }
    if (Math.abs((netA[node] ?? 0) - (solution.branchA[node] ?? 0)) > 1e-5)
      throw new Error(`currents do not add up at ${node}`);
    const dropV = (solution.volts[up] ?? 0) - (solution.volts[node] ?? 0);
    if (Math.abs(dropV - (ohms[node] ?? 0) * (solution.branchA[node] ?? 0)) > 1e-6)
      throw new Error(`the line to ${node} breaks Ohm's law`);
    netA[up] = (netA[up] ?? 0) + (netA[node] ?? 0);
  }
}

t.test('topology.ts', async (t) => {
  const houses = ['E001', 'E002', 'E003'];

  t.test('builds lines, stars and custom trees with junctions', async (t) => {
    t.same(new Topology({ kind: 'line' }, houses).branchNames(), ['E001-E002', 'E002-E003']);
    t.same(new Topology({ kind: 'star', ohmsPerSpan: 0.2 }, houses).branchNames(), [
      'E001-junction',
      'junction-E002',
      'junction-E003',
    ]);
    const custom = new Topology(
      {
        kind: 'branches',
        branches: [
          { from: 'x', to: 'E003', ohms: 1 },
          { from: 'E001', to: 'x', ohms: 2 },
          { from: 'E002', to: 'x', ohms: 0 },
        ],
      },
      houses,
    );
    t.same(custom.nodes, ['E001', 'x', 'E003', 'E002']);
    t.same(custom.forest(), { parent: [-1, 0, 1, 1], ohms: [0, 2, 1, 0] });
  });

  t.test('refuses meshes, lone houses, impossible resistances and unknown lines (INV-11)', async (t) => {
    const mesh = [
      { from: 'E001', to: 'E002', ohms: 1 },
      { from: 'E002', to: 'E003', ohms: 1 },
      { from: 'E003', to: 'E001', ohms: 1 },
    ];
    t.match(
      problemOf(() => new Topology({ kind: 'branches', branches: mesh }, houses)),
      /expected a radial network, got 3 branches for 3 nodes/,
    );
    t.match(
      problemOf(() => new Topology({ kind: 'branches', branches: mesh.slice(0, 1) }, houses)),
      /no way to E003/,
    );
    t.match(
      problemOf(() => new Topology({ kind: 'line', ohmsPerSpan: -1 }, houses)),
      /expected a resistance of 0 Ω or more, got -1/,
    );
    t.match(
      problemOf(() => new Topology({ kind: 'line' }, houses).setBroken('E001-E003', true)),
      /expected one of E001-E002, E002-E003, got E001-E003/,
    );
  });
});

t.test('models of parts', async (t) => {
  t.test('the real battery loses energy both ways and rises with charge (emulator.md 6.3)', async (t) => {
    t.equal(IDEAL_BATTERY.voltage(0.1, -700), 48);
    t.equal(IDEAL_BATTERY.loss(0.1, -700), 0);
    t.ok(REAL_BATTERY.voltage(0.9, 0) > REAL_BATTERY.voltage(0.1, 0), 'open circuit');
    t.ok(REAL_BATTERY.voltage(0.5, 700) > REAL_BATTERY.voltage(0.5, 0), 'charging lifts it');
    t.ok(REAL_BATTERY.voltage(0.5, -700) < REAL_BATTERY.voltage(0.5, 0), 'discharging lowers it');
    for (const charge of [0, 0.02, 0.5, 0.97, 1]) {
      const efficiency = (700 - REAL_BATTERY.loss(charge, 700)) / (700 + REAL_BATTERY.loss(charge, -700));
      t.ok(efficiency > 0.92 && efficiency < 1, `round trip of ${efficiency} at ${charge}`);
    }
  });

  t.test('converter losses follow their profile (emulator.md 1.5, 6.2)', async (t) => {
    t.equal(CONVERTER_LOSSES.compat('WAIT', 0), 4.5);
    t.equal(CONVERTER_LOSSES.compat('CHARGE', 350), 71);
    t.equal(CONVERTER_LOSSES.compat('VOLTAGE_REFERENCE', 700), 55);
    near(t, CONVERTER_LOSSES['eza-like']('DISCHARGE', -700), 37.92, 1e-9, 'at 700 W');
    near(t, CONVERTER_LOSSES['eza-like']('CHARGE', 2300), 108.32, 1e-9, 'at 2300 W');
    t.equal(CONVERTER_LOSSES['eza-like']('WAIT', 0), 4.5);
    t.equal(CONVERTER_LOSSES.none('CHARGE', 700), 0);
  });

  t.test('the latches of a house have the hysteresis of emulator.md 1.4', async (t) => {
    const off = { bypass: false, acCharging: false };
    const on = { bypass: true, acCharging: true };
    t.same(latchesAt(off, 30.1), off);
    t.same(latchesAt(off, 30), { bypass: true, acCharging: false });
    t.same(latchesAt(off, 20), on);
    t.same(latchesAt(on, 24.9), on);
    t.same(latchesAt(on, 25), { bypass: true, acCharging: false });
    t.same(latchesAt(on, 35), off);
  });

  t.test('a converter warms up towards ambient plus loss, and tells when it will be too hot', async (t) => {
    const thermal = new Thermal(20);
    thermal.heat(0, 100);
    near(t, thermal.celsius(0), 20, 1e-9, 'cold at first');
    near(t, thermal.celsius(1e9), 32, 1e-9, 'warm in the end');
    t.equal(thermal.reachesAt(33), Infinity);
    near(t, thermal.celsius(thermal.reachesAt(30)), 30, 1e-9, 'on time');
    t.equal(thermal.reachesAt(19), 0, 'already');
  });

  t.test('meters err by a fixed gain and offset and a little noise, or not at all', async (t) => {
    const truth = { vg: 350, ig: 2, wg: 700, vb: 48, ib: 14, wb: 672, tmp: 25 };
    t.same(new Meter(METER_PRESETS.exact, new SeededEntropy(1)).read(truth), truth);
    const field = new Meter(METER_PRESETS.field, new SeededEntropy(1));
    const readings = Array.from({ length: 200 }, () => field.read(truth));
    const mean = readings.reduce((sum, { ig }) => sum + ig, 0) / readings.length;
    t.ok(Math.abs(mean - 2) < 2.5 * (0.02 + 0.005 * 2), 'within the errors of emulator.md 6.4');
    t.ok(
      readings.some(({ ig }) => ig !== readings[0]?.ig),
      'noise',
    );
    t.ok(
      readings.every(({ ig }) => Math.abs(Math.round(ig * 100) - ig * 100) < 1e-9),
      'steps of 0.01',
    );
    t.ok(
      readings.every(({ vg }) => Math.abs(vg - 350) < 3),
      'volts',
    );
    const dead = field.read({ ...truth, vg: 0, ig: 0, wg: 0 });
    t.equal(dead.vg, 0, 'a dead bus reads zero');
    field.shift(5, 1);
    near(t, field.read(truth).ig, mean + 1, 0.06, 'shifted by a fault');
  });
});

t.test('house: exact flows', async (t) => {
  t.test('an idle house burns what the original burns (emulator.md 1.5)', async (t) => {
    const { world } = aWorld({ lossProfile: 'compat', converter: 'compat' });
    const battery = world.house('E001');
    near(t, battery.batteryW, -(17.5 + 129 + 4.5), 1e-9, 'battery mode');
    near(t, battery.acImportW, 57, 1e-9, 'transformer');
    world.set('E001', { rsoc: 28, loadW: 100 });
    const bypass = world.house('E001');
    t.equal(bypass.bypass, true);
    near(t, bypass.batteryW, -22, 1e-9, 'bypass');
    near(t, bypass.acImportW, 100 + 124 + 6, 1e-9, 'load from the AC grid');
    world.set('E001', { rsoc: 15 });
    near(t, world.house('E001').batteryW, 150 - 22, 1e-9, 'AC charging');
    near(t, world.house('E001').acImportW, 100 + 124 + 6 + 160, 1e-9, 'and its price');
  });

  t.test('the field profile draws what the Okinawa log shows (emulator.md 6.3)', async (t) => {
    const { world } = aWorld({ lossProfile: 'field' });
    world.set('E001', { loadW: 300 });
    near(t, world.house('E001').batteryW, -(300 + 172), 1e-9, 'battery mode');
    near(t, world.house('E001').acImportW, 39, 1e-9, 'p2');
    world.set('E001', { rsoc: 25 });
    near(t, world.house('E001').acImportW, 300 + 124, 1e-9, 'p2 in bypass');
  });

  t.test('charge follows the power exactly, however often one looks', async (t) => {
    const watched = aWorld();
    const alone = aWorld();
    for (const { world } of [watched, alone]) world.set('E001', { loadW: 480 });
    for (let second = 0; second < 3600; second += 1) {
      await watched.after(1000);
      watched.world.house('E001');
    }
    await alone.after(HOUR);
    t.equal(watched.world.house('E001').energyWh, alone.world.house('E001').energyWh, 'to the last bit');
    near(t, alone.world.house('E001').energyWh, 2400 - 480, 1e-9, '480 Wh less');
  });

  t.test('a sun that rises in a line gives a parabola of charge', async (t) => {
    const dataset = new SampledYear(Float32Array.from([0, 1000, 1000]), new Map([['a', new Float32Array(48)]]));
    const clock = new VirtualClock(Date.UTC(2021, 0, 1));
    const world = new World({
      clock,
      entropy: new SeededEntropy(1),
      houses: 1,
      dataset,
      lossProfile: 'none',
      converter: 'ideal',
    });
    await clock.advance(HOUR / 2);
    near(t, world.house('E001').pvW, 500, 1e-9, 'half-way up');
    near(t, world.house('E001').energyWh, 2400 + 125, 1e-6, 'half of half of half');
    await clock.advance(HOUR / 2);
    near(t, world.house('E001').energyWh, 2400 + 500, 1e-6, 'the triangle');
  });

  t.test('switches to bypass and AC charging exactly on the threshold, and back', async (t) => {
    const { world, after, events, clock } = aWorld();
    world.set('E001', { loadW: 960 });
    await after(HOUR + 1);
    const on = events.find(({ event }) => event === 'house.bypass');
    near(t, on?.at ?? 0, Date.UTC(2021, 5, 1) + HOUR, 0.01, 'after (50 % − 30 %) · 4800 Wh / 960 W');
    t.equal(world.house('E001').bypass, true);
    near(t, world.house('E001').rsoc, 30, 1e-6, 'the load is off the battery');
    world.set('E001', { rsoc: 20 });
    t.equal(world.house('E001').acCharging, true);
    await after((HOUR * (0.05 * 4800)) / 150 + 1);
    t.equal(world.house('E001').acCharging, false, 'until 25 %');
    world.set('E001', { pvW: 4800 });
    await after(HOUR / 10 + 1);
    t.equal(world.house('E001').bypass, false, 'until 35 %');
    t.ok(clock.monotonic() > 0);
    t.same(
      events.filter((one) => one.event === 'house.ac-charging').map((one) => 'on' in one && one.on),
      [true, false],
    );
  });

  t.test('a full battery cuts the sun, an empty one buys (emulator.md 1.5)', async (t) => {
    const { world, after, events } = aWorld();
    world.set('E001', { rsoc: 99, pvW: 1000, loadW: 200 });
    await after(HOUR);
    const full = world.house('E001');
    t.equal(full.rsoc, 100);
    near(t, full.pvW, 200, 1e-9, 'only the load is served');
    near(t, full.pvAvailableW, 1000, 1e-9, 'the rest is cut');
    near(t, world.energy().houses.E001?.pvCurtailed ?? 0, 800 - 48, 1e-6, 'and booked');
    world.set('E001', { loadW: 1500 });
    await after(HOUR / 10);
    near(t, world.house('E001').energyWh, 4800 - 50, 1e-6, 'it leaves the top when the load is higher');
    world.set('E002', { rsoc: 1 });
    world.command('E001', reference());
    world.command('E002', discharge(2));
    await after(HOUR);
    const empty = world.house('E002');
    near(t, empty.rsoc, 0, 1e-9, 'empty');
    near(t, empty.acImportW - 150, 2 * empty.vg - 150, 1e-6, 'the AC grid feeds the bus');
    t.match(events.filter(({ event }) => event === 'battery.full')[0], { houseId: 'E001' });
    t.match(
      events.filter(({ event }) => event === 'battery.empty'),
      [{ houseId: 'E002' }],
    );
  });

  t.test('energy pushed into a full battery is spilled, not created', async (t) => {
    const { world, after } = aWorld();
    world.set('E002', { rsoc: 100 });
    world.command('E001', reference());
    world.command('E002', charge(2));
    await after(HOUR);
    t.equal(world.house('E002').rsoc, 100);
    near(t, world.energy().houses.E002?.spilled ?? 0, 2 * world.house('E002').vg, 1e-6, 'spilled');
  });

  t.test('a full battery stays on top until the sun is lower than the load', async (t) => {
    const solar = Float32Array.from([1000, 0, 0]);
    const dataset = new SampledYear(solar, new Map([['a', Float32Array.from({ length: 48 }, () => 250)]]));
    const clock = new VirtualClock(Date.UTC(2021, 0, 1));
    const world = new World({
      clock,
      entropy: new SeededEntropy(1),
      houses: [{ id: 'E001', rsoc: 100 }],
      dataset,
      lossProfile: 'none',
      converter: 'ideal',
    });
    await clock.advance(0.75 * HOUR);
    near(t, world.house('E001').energyWh, 4800, 1e-6, 'until 250 W are left');
    await clock.advance(0.25 * HOUR);
    near(t, world.house('E001').energyWh, 4800 - 31.25, 1e-5, 'then it falls in a parabola');
  });

  t.test('refuses settings that cannot be (INV-11)', async (t) => {
    const { world } = aWorld();
    t.match(
      problemOf(() => world.set('E001', { rsoc: 101 })),
      /rsoc: expected 0 … 100 %, got 101/,
    );
    t.match(
      problemOf(() => world.set('E001', { pvW: -1 })),
      /pvW: expected .* got -1/,
    );
    t.match(
      problemOf(() => world.set('E001', { loadW: Number.NaN })),
      /loadW: expected .* got NaN/,
    );
    t.match(
      problemOf(() => world.house('E009')),
      /expected one of E001, E002, E003, E004, got E009/,
    );
    t.match(
      problemOf(() => aWorld({ houses: 0 })),
      /at least one house/,
    );
    t.match(
      problemOf(() => aWorld({ houses: [{ id: 'a' }, { id: 'a' }] })),
      /id of its own/,
    );
    t.match(
      problemOf(() => aWorld({ houses: [{ id: 'a', rsoc: -1 }] })),
      /houses.a.rsoc: expected 0 … 100 %, got -1/,
    );
    t.match(
      problemOf(() => aWorld({ houses: [{ id: 'a', capacityWh: 0 }] })),
      /houses.a.capacityWh: expected 1 … 1e9 Wh, got 0/,
    );
    t.match(
      problemOf(() => aWorld({ houses: [{ id: 'a', home: 'x' }], dataset: generatedYear(['y']) })),
      /houses.a.home: expected one of y, got x/,
    );
    t.match(
      problemOf(() => aWorld({ dataset: generatedYear([]) })),
      /home: expected one of \(no homes\), got nothing/,
    );
  });

  t.test('gives sun and load back to the dataset, scaled and shifted per house', async (t) => {
    const noon = Date.UTC(2021, 5, 1, 12);
    const dataset = generatedYear(['a', 'b']);
    const clock = new VirtualClock(noon);
    const houses = [{ id: 'E001' }, { id: 'E002', home: 'a', pvScale: 0.5, loadScale: 2, pvShiftMinutes: 90 }];
    const world = new World({
      clock,
      entropy: new SeededEntropy(1),
      houses,
      dataset,
      lossProfile: 'none',
      converter: 'ideal',
    });
    near(t, world.house('E001').pvW, dataset.solarW(noon), 1e-6, 'sun');
    near(t, world.house('E001').loadW, dataset.loadW('a', noon), 1e-6, 'load');
    near(t, world.house('E002').pvW, dataset.solarW(noon - 1.5 * HOUR) / 2, 1e-6, 'half a sun, later');
    near(t, world.house('E002').loadW, 2 * dataset.loadW('a', noon), 1e-6, 'twice the load');
    world.set('E001', { pvW: 5, loadW: 6 });
    t.same([world.house('E001').pvW, world.house('E001').loadW], [5, 6]);
    world.set('E001', { pvW: null, loadW: null });
    near(t, world.house('E001').pvW, dataset.solarW(noon), 1e-6, 'back again');
  });
});

t.test('bus: voltage references, lines and limits (emulator.md 6.1)', async (t) => {
  t.test('2 A at 350 V lose what they lose in the original (emulator.md 1.6)', async (t) => {
    const { world, after } = aWorld({ converter: 'compat', network: { kind: 'line', ohmsPerSpan: 0 } });
    world.command('E001', reference());
    await after(121_000);
    world.command('E002', discharge(2));
    near(t, world.house('E002').wg, -700, 1e-2, 'sender at the bus');
    near(t, world.house('E002').wb, -755, 1e-2, 'sender at the battery');
    near(t, world.house('E001').wb, 645, 1e-2, 'the reference receives');
    world.command('E002', charge(1));
    near(t, world.house('E002').wb, 279, 1e-2, 'charging');
  });

  t.test('the ramp takes 120 s in compat, rampSeconds otherwise, no time when ideal', async (t) => {
    const compat = aWorld({ converter: 'compat' });
    compat.world.command('E001', reference());
    await compat.after(60_000);
    near(t, compat.world.house('E004').vg, 175, 1e-6, 'half-way');
    await compat.after(60_000);
    near(t, compat.world.house('E004').vg, 350, 1e-6, 'there');
    compat.world.command('E001', { write: 'voltage', dvg: 320, drg: 0 });
    near(t, compat.world.house('E004').vg, 320, 1e-6, 'lowering is at once');
    compat.world.command('E001', { write: 'voltage', dvg: 360, drg: 0 });
    await compat.after(6_667);
    near(t, compat.world.house('E004').vg, 340, 0.01, 'raising is as slow as the ramp');
    const standard = aWorld({ converter: 'standard' });
    standard.world.command('E001', reference());
    await standard.after(1_500);
    near(t, standard.world.house('E002').vg, 175, 1e-6, 'half-way in 1.5 s');
    await standard.after(1_500);
    standard.world.command('E001', { write: 'voltage', dvg: 310, drg: 0 });
    await standard.after(50);
    near(t, standard.world.house('E002').vg, 330, 1e-6, '400 V/s while up');
    const ideal = aWorld();
    ideal.world.command('E001', reference());
    t.equal(ideal.world.house('E004').vg, 350);
  });

  t.test('currents slew, and the far end of the line sees the drop', async (t) => {
    const { world, after } = aWorld({ converter: { ...CONVERTER_PRESETS.ideal, currentSlewAPerS: 10 } });
    world.command('E001', reference());
    world.command('E004', charge(2));
    await after(100);
    near(t, world.house('E004').ig, 1, 1e-9, 'half of it after 0.1 s');
    near(t, world.house('E001').ig, -1, 1e-9, 'the reference follows');
    await after(100);
    near(t, world.house('E004').ig, 2, 1e-9, 'all of it');
    near(t, world.house('E004').vg, 350 - 2 * 0.05 - 3 * 0.11 * 2, 1e-9, 'inner resistance and three spans');
    near(t, world.house('E002').vg, 350 - 2 * 0.05 - 0.11 * 2, 1e-9, 'one span');
    world.command('E004', { write: 'current', dig: 1 });
    await after(50);
    near(t, world.house('E004').ig, 1.5, 1e-9, 'slews down too');
    near(t, world.house('E001').demandedA, -1.5, 1e-9, 'what is asked of the reference');
  });

  t.test('two drooped references share the current; stiff ones fight, and it shows (INV-1)', async (t) => {
    const { world } = aWorld({ network: { kind: 'line', ohmsPerSpan: 0 } });
    world.command('E001', reference(2.3, 350, 0.039));
    world.command('E002', reference(2.3, 350, 0.039));
    world.command('E003', charge(1));
    near(t, world.house('E001').ig, -0.5, 1e-6, 'half');
    near(t, world.house('E002').ig, -0.5, 1e-6, 'half');
    world.command('E003', wait);
    world.command('E001', reference(2.3, 350));
    world.command('E002', reference(2.3, 360));
    near(t, world.house('E001').ig, 2.3, 1e-6, 'circulating current into the lower one');
    near(t, world.house('E002').ig, -2.3, 1e-6, 'out of the higher one');
    near(t, world.house('E001').demandedA, 2.3, 1e-6, 'as the other gives');
  });

  t.test(
    'a reference beyond its limit clips, its demand shows, and the ceiling of the dischargers bounds the bus (RULE-9)',
    async (t) => {
      const { world } = aWorld();
      world.command('E001', reference(1.5));
      world.command('E002', discharge(1));
      world.command('E003', discharge(1));
      const held = world.house('E001');
      near(t, held.ig, 1.5, 1e-6, 'at its limit');
      near(t, held.demandedA, 2, 1e-9, 'asked for more');
      t.ok(held.vg > 375 && held.vg <= 380, `the bus is at the ceiling: ${held.vg}`);
      t.equal(world.house('E002').trip, undefined);
    },
  );

  t.test('the bus collapses when its reference leaves a charger behind, which trips (INV-3)', async (t) => {
    const { world, after, events } = aWorld();
    world.command('E001', reference());
    world.command('E003', charge(1));
    world.command('E001', wait);
    await after(20);
    const falling = world.house('E003').vg;
    t.ok(falling < 345 && falling > 300, `falling: ${falling}`);
    near(t, world.house('E003').ig, 1, 1e-9, 'the capacitance feeds it');
    await after(200);
    t.match(
      events.find(({ event }) => event === 'converter.tripped'),
      { houseId: 'E003', trip: 'under-voltage' },
    );
    t.equal(world.house('E003').mode, 'WAIT');
    t.equal(world.dcdc('E003').status.alarmState, 'Heavy alarm');
    await after(1000);
    t.equal(world.house('E003').vg, 0, 'dead');
    t.throws(() => world.command('E003', charge(1)), { reason: 'device.tripped' });
    world.command('E003', wait);
    t.equal(world.dcdc('E003').status.alarmState, 'No alarm', 'WAIT takes the trip back');
  });

  t.test('a charger on a dead bus trips at once, a discharger cannot raise one', async (t) => {
    const { world } = aWorld();
    for (const command of [charge(1), discharge(1)]) {
      world.command('E002', command);
      t.match(world.house('E002'), { mode: 'WAIT', trip: 'under-voltage', ig: 0 });
      world.command('E002', wait);
    }
  });

  t.test('a ceiling above the trip limit ends in an over-voltage trip', async (t) => {
    const { world, events } = aWorld();
    world.command('E001', reference());
    world.command('E002', discharge(1, 420));
    world.command('E003', charge(0.5));
    world.command('E001', wait);
    const trips = events.filter(({ event }) => event === 'converter.tripped');
    t.ok(
      trips.some((one) => 'trip' in one && one.trip === 'over-voltage'),
      'tripped',
    );
    t.equal(world.house('E002').mode, 'WAIT');
  });

  t.test('constant-current converters trip when the reference moves the bus past their limits', async (t) => {
    const { world, after, events } = aWorld({ converter: { ...CONVERTER_PRESETS.ideal, voltageSlewVPerS: 100 } });
    world.command('E001', reference());
    await after(1000);
    world.command('E002', charge(1));
    world.command('E001', { write: 'voltage', dvg: 280, drg: 0 });
    await after(490);
    t.equal(world.house('E002').mode, 'CHARGE', 'at 301 V still on');
    await after(20);
    t.match(events.at(-1), { event: 'converter.tripped', houseId: 'E002', trip: 'under-voltage' });
    t.equal(world.house('E001').mode, 'VOLTAGE_REFERENCE', 'the reference follows its own aim');
  });

  t.test('in compat nothing trips, and without a reference the bus is dead at once (emulator.md 1.6)', async (t) => {
    const { world, after } = aWorld({ converter: 'compat' });
    world.command('E001', reference());
    await after(121_000);
    world.command('E002', charge(2));
    world.command('E001', wait);
    t.match(world.house('E002'), { mode: 'CHARGE', vg: 0, ig: 0, wb: -71 });
  });

  t.test('too much current in the battery trips the converter', async (t) => {
    const { world } = aWorld({ converter: { ...CONVERTER_PRESETS.ideal, batteryLimitA: 10 } });
    world.command('E001', reference());
    world.command('E002', discharge(2));
    t.match(world.house('E001'), { mode: 'WAIT', trip: 'over-current' });
  });

  t.test('the device refuses numbers no converter takes', async (t) => {
    const { world } = aWorld();
    t.throws(() => world.command('E001', { write: 'current', dig: -1 }), {
      name: 'DeviceError',
      reason: 'device.bad-value',
    });
    t.throws(() => world.command('E001', reference(1, Number.NaN)), { reason: 'device.bad-value' });
  });
});
