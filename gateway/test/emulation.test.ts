import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { loadDataset } from '../src/adapters/files/dataset-files.ts';
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
import type { WorldFault } from '../src/emulation/world-fault.ts';
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

/** Reason of the DeviceError that a command ends with. */
const refusalOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof DeviceError) return error.reason;
    throw error;
  }
  return 'no refusal';
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
    t.equal(
      refusalOf(() => world.command('E003', charge(1))),
      'device.tripped',
    );
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

  t.test('a current that nobody takes lifts the bus until its converter trips', async (t) => {
    const { world, after, events } = aWorld();
    world.command('E001', reference());
    world.command('E002', charge(1));
    world.inject({ kind: 'offsetCurrent', houseId: 'E002', amperes: -1.5 });
    world.command('E001', wait);
    await after(50);
    const rising = world.house('E002').vg;
    t.ok(rising > 355 && rising < 400, `rising: ${rising}`);
    await after(200);
    t.match(
      events.find(({ event }) => event === 'converter.tripped'),
      { houseId: 'E002', trip: 'over-voltage' },
    );
    near(t, world.energy().imbalanceWh, 0, 1e-9, 'balanced');
  });

  t.test('a bus that falls while a current still slews is followed in small steps', async (t) => {
    const { world, after, events } = aWorld({ converter: { ...CONVERTER_PRESETS.ideal, currentSlewAPerS: 1 } });
    world.command('E001', reference());
    world.command('E002', charge(2));
    await after(1000);
    world.command('E001', wait);
    await after(100);
    t.match(
      events.find(({ event }) => event === 'converter.tripped'),
      { houseId: 'E002', trip: 'under-voltage' },
    );
    near(t, world.energy().imbalanceWh, 0, 1e-9, 'balanced');
  });

  t.test('the capacitance of the bus is charged by its reference and never gives more than it got', async (t) => {
    const { world, after } = aWorld({ converter: 'standard' });
    world.command('E001', reference());
    await after(1500);
    const half = world.energy();
    near(t, half.bus.storedWh, (4 * 500e-6 * 175 * 175) / 2 / 3600, 1e-9, 'half-way up');
    near(t, half.houses.E001?.busCharge ?? 0, half.bus.storedWh, 1e-9, 'paid by the reference');
    await after(1500);
    world.command('E003', charge(1));
    await after(1000);
    world.command('E001', wait);
    await after(2000);
    const { bus, imbalanceWh } = world.energy();
    t.equal(bus.storedWh, 0);
    t.ok(bus.bleedWh > 0 && bus.bleedWh < 0.035, `bled: ${bus.bleedWh} Wh`);
    near(t, imbalanceWh, 0, 1e-9, 'balanced');
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
    t.equal(
      refusalOf(() => world.command('E001', { write: 'current', dig: -1 })),
      'device.bad-value',
    );
    t.equal(
      refusalOf(() => world.command('E001', reference(1, Number.NaN))),
      'device.bad-value',
    );
  });
});

t.test('faults: each has its effect, and healing undoes it (emulator.md 6.4)', async (t) => {
  /** E001 holds 350 V, E002 gives 1 A, E003 takes 1 A. */
  const running = (options: Partial<WorldOptions> = {}) => {
    const one = aWorld(options);
    one.world.command('E001', reference());
    one.world.command('E002', discharge(1));
    one.world.command('E003', charge(1));
    return one;
  };

  t.test('noReply: no answer, and the command is lost unless told otherwise', async (t) => {
    const { world, clock, after } = running();
    world.inject({ kind: 'noReply', houseId: 'E002' });
    const lost = t.rejects(world.device('E002').setCurrent({ dig: 2 }, never), {
      name: 'DeviceError',
      reason: 'device.no-reply',
    });
    await clock.advance(11_000);
    await lost;
    t.equal(world.house('E002').dig, 1);
    world.inject({ kind: 'noReply', houseId: 'E002', commandsAct: true });
    const acted = t.rejects(world.device('E002').setCurrent({ dig: 2 }, never), {
      name: 'DeviceError',
      reason: 'device.no-reply',
    });
    await after(21_000);
    await acted;
    t.equal(world.house('E002').dig, 2, 'only the answer was lost');
    world.inject({ kind: 'noReply', houseId: 'E002', probability: 0 });
    const answered = world.device('E002').readStatus(never);
    await after(1);
    t.match(await answered, { status: { status: '0x0002' } });
    world.heal({ kind: 'noReply', houseId: 'E002' });
    t.same(world.house('E002').faults, []);
  });

  t.test('lateReply: the command acts in time, the answer comes late', async (t) => {
    const { world, after } = running();
    world.inject({ kind: 'lateReply', houseId: 'E002', delayMsec: 3000 });
    let answered = false;
    const call = world
      .device('E002')
      .setCurrent({ dig: 2 }, never)
      .then(() => {
        answered = true;
      });
    await after(2999);
    t.equal(world.house('E002').ig, -2);
    t.equal(answered, false);
    await after(1);
    await call;
    t.equal(answered, true);
  });

  t.test('duplicate: an old command overwrites a newer one', async (t) => {
    const { world, after } = running();
    world.inject({ kind: 'duplicate', houseId: 'E002' });
    const device = world.device('E002');
    const first = device.setCurrent({ dig: 2 }, never);
    await after(1);
    world.heal();
    const second = device.setCurrent({ dig: 0.5 }, never);
    await after(100);
    await Promise.all([first, second]);
    t.equal(world.house('E002').dig, 0.5);
    await after(500);
    t.equal(world.house('E002').dig, 2, 'the repetition');
  });

  t.test('stuckMeter: readings stand still while the truth moves', async (t) => {
    const { world } = running();
    world.inject({ kind: 'stuckMeter', houseId: 'E002' });
    world.command('E002', { write: 'current', dig: 2 });
    near(t, world.dcdc('E002').meter.ig, -1, 1e-9, 'stuck');
    near(t, world.house('E002').ig, -2, 1e-9, 'true');
    world.heal({ kind: 'stuckMeter', houseId: 'E002' });
    near(t, world.dcdc('E002').meter.ig, -2, 1e-9, 'healed');
  });

  t.test('offsetCurrent: the converter carries more than it was told; meterOffset: it only says so', async (t) => {
    const { world } = running();
    world.inject({ kind: 'offsetCurrent', houseId: 'E003', amperes: 0.3 });
    near(t, world.house('E003').ig, 1.3, 1e-9, 'more');
    near(t, world.house('E001').ig, -0.3, 1e-6, 'and the reference covers it');
    world.heal({ kind: 'offsetCurrent', houseId: 'E003' });
    world.inject({ kind: 'meterOffset', houseId: 'E003', amperes: 0.3, volts: 5 });
    near(t, world.house('E003').ig, 1, 1e-9, 'true');
    near(t, world.dcdc('E003').meter.ig, 1.3, 1e-9, 'said');
    world.heal();
    near(t, world.dcdc('E003').meter.ig, 1, 1e-9, 'healed');
    world.inject({ kind: 'meterOffset', houseId: 'E003' });
    near(t, world.dcdc('E003').meter.ig, 1, 1e-9, 'an offset of nothing');
  });

  t.test('wrongMode: acknowledged, but another mode', async (t) => {
    const { world } = running();
    world.inject({ kind: 'wrongMode', houseId: 'E002', mode: 'CHARGE' });
    world.command('E002', discharge(1));
    t.equal(world.dcdc('E002').status.status, '0x0041');
    near(t, world.house('E002').ig, 1, 1e-9, 'charging instead');
  });

  t.test('trip and heavyAlarm: the converter stops, and takes commands again after healing and WAIT', async (t) => {
    for (const fault of [{ kind: 'trip', trip: 'over-current' }, { kind: 'heavyAlarm' }] as const) {
      const { world } = running();
      world.inject({ ...fault, houseId: 'E002' });
      t.match(world.house('E002'), { mode: 'WAIT', ig: 0 });
      near(t, world.house('E001').ig, -1, 1e-6, 'the reference covers the loss');
      world.command('E002', wait);
      t.equal(
        refusalOf(() => world.command('E002', discharge(1))),
        'device.tripped',
        'not healed yet',
      );
      t.equal(world.dcdc('E002').status.alarmState, 'Heavy alarm');
      world.heal();
      world.command('E002', wait);
      world.command('E002', discharge(1));
      near(t, world.house('E002').ig, -1, 1e-9, 'runs again');
    }
  });

  t.test('lightAlarm shows and does nothing', async (t) => {
    const { world } = running();
    world.inject({ kind: 'lightAlarm', houseId: 'E002' });
    t.equal(world.dcdc('E002').status.alarmState, 'Light alarm');
    near(t, world.house('E002').ig, -1, 1e-9, 'runs on');
  });

  t.test('refuseVoltageReference: refused with an error, the mode stays', async (t) => {
    const { world } = aWorld();
    world.inject({ kind: 'refuseVoltageReference', houseId: 'E001' });
    t.equal(
      refusalOf(() => world.command('E001', reference())),
      'device.refused',
    );
    t.equal(world.house('E001').mode, 'WAIT');
    world.heal();
    world.command('E001', reference());
    t.equal(world.house('E004').vg, 350);
  });

  t.test(
    'secondVoltageSource: a current circulates between it and the reference, and its energy is booked',
    async (t) => {
      const { world, after } = aWorld();
      world.command('E001', reference());
      world.inject({ kind: 'secondVoltageSource', houseId: 'E004', volts: 352 });
      const expected = 2 / (0.05 + 0.33 + 0.5);
      near(t, world.house('E001').ig, expected, 1e-6, 'into the reference');
      near(t, world.house('E001').demandedA, expected, 1e-6, 'as the foreign one gives');
      await after(HOUR);
      const { bus, imbalanceWh } = world.energy();
      t.ok(bus.foreignWh > expected * 350, 'foreign energy');
      near(t, imbalanceWh, 0, 1e-6, 'balanced');
      world.heal();
      near(t, world.house('E001').ig, 0, 1e-9, 'gone');
      world.inject({ kind: 'secondVoltageSource', houseId: 'E002', volts: 340, ohms: 1, limitA: 1 });
      near(t, world.house('E001').ig, -1, 1e-6, 'clipped at its own limit');
    },
  );

  t.test('leak: the currents no longer add up, and a short trips the reference', async (t) => {
    const { world, after } = running();
    world.inject({ kind: 'leak', houseId: 'E004', siemens: 0.001 });
    const sum = ['E001', 'E002', 'E003', 'E004'].reduce((total, id) => total + world.house(id).ig, 0);
    near(t, sum, -0.35, 0.001, 'what leaks');
    near(t, world.house('E001').demandedA, -0.35, 0.001, 'is asked of the reference');
    await after(HOUR);
    near(t, world.energy().bus.leakWh, 0.35 * 350, 0.2, 'and booked');
    world.inject({ kind: 'leak', houseId: 'E004', siemens: 5 });
    for (const id of ['E001', 'E003']) t.match(world.house(id), { mode: 'WAIT', trip: 'under-voltage' });
    world.command('E002', wait);
    await after(2000);
    t.equal(world.house('E001').vg, 0);
  });

  t.test('lineBreak: both parts live on their own', async (t) => {
    const { world, after } = running();
    t.same(world.branches(), ['E001-E002', 'E002-E003', 'E003-E004']);
    world.inject({ kind: 'lineBreak', branch: 'E003-E002' });
    near(t, world.house('E001').ig, 1, 1e-6, 'the near part');
    await after(1000);
    t.match(world.house('E003'), { mode: 'WAIT', trip: 'under-voltage', vg: 0 });
    world.heal({ kind: 'lineBreak', branch: 'E002-E003' });
    near(t, world.house('E003').vg, world.house('E002').vg, 1e-6, 'joined again');
    near(t, world.energy().imbalanceWh, 0, 1e-6, 'balanced');
    t.match(
      problemOf(() => world.inject({ kind: 'lineBreak', branch: 'x-y' })),
      /expected one of E001-E002/,
    );
  });

  t.test('batteryLocked: the converter trips, the house lives from the AC grid', async (t) => {
    const { world, after } = running();
    world.set('E002', { pvW: 300, loadW: 500 });
    world.inject({ kind: 'batteryLocked', houseId: 'E002' });
    t.match(world.house('E002'), { mode: 'WAIT', trip: 'battery-locked', batteryW: 0, bypass: true });
    const reading = world.device('E002').read(never);
    await after(1);
    t.equal((await reading).battery.battery_operation_status, 0);
    world.heal();
    t.equal(world.house('E002').bypass, false);
  });

  t.test('pvDead: no sun', async (t) => {
    const { world } = aWorld();
    world.set('E001', { pvW: 700 });
    world.inject({ kind: 'pvDead', houseId: 'E001' });
    t.equal(world.house('E001').pvW, 0);
    world.heal();
    t.equal(world.house('E001').pvW, 700);
  });

  t.test('houseOffline: everything off, no answers; it comes back in WAIT', async (t) => {
    const { world, after } = running({
      lossProfile: 'compat',
      converter: { ...CONVERTER_PRESETS.ideal, loss: 'compat' },
    });
    world.inject({ kind: 'houseOffline', houseId: 'E001' });
    t.match(world.house('E001'), { mode: 'WAIT', batteryW: 0, acImportW: 0, loadW: 0, pvW: 0, wb: 0 });
    t.equal(
      refusalOf(() => world.command('E001', wait)),
      'device.no-reply',
    );
    const call = t.rejects(world.device('E001').setMode({ mode: 'WAIT', dvg: 350, dig: 0, drg: 0 }, never), {
      name: 'DeviceError',
      reason: 'device.no-reply',
    });
    await after(11_000);
    await call;
    world.heal();
    t.match(world.house('E001'), { mode: 'WAIT' });
    t.ok(world.house('E001').acImportW > 50);
  });

  t.test('overheat: the converter trips when it gets too hot, at the right time', async (t) => {
    const { world, after, events } = running({ converter: { ...CONVERTER_PRESETS.ideal, loss: 'eza-like' } });
    world.inject({ kind: 'overheat', houseId: 'E002', ambientC: 80 });
    await after(10_000);
    t.equal(world.house('E002').mode, 'DISCHARGE');
    await after(HOUR);
    t.match(
      events.find(({ event }) => event === 'converter.tripped'),
      { houseId: 'E002', trip: 'over-temperature' },
    );
    t.ok(world.house('E002').tmp > 70);
    world.heal();
    await after(2 * HOUR);
    t.ok(world.house('E002').tmp < 30, 'cools down again');
  });

  t.test('overheat does nothing to a converter without protection, and time goes on', async (t) => {
    const { world, after } = aWorld({ converter: 'compat' });
    world.command('E001', reference());
    world.inject({ kind: 'overheat', houseId: 'E001', ambientC: 90 });
    await after(2 * HOUR);
    t.match(world.house('E001'), { mode: 'VOLTAGE_REFERENCE', vg: 350 });
    t.ok(world.house('E001').tmp > 90);
  });

  t.test('clockSkew moves the time of the device; reboot changes nothing', async (t) => {
    const { world, after, events } = running();
    world.inject({ kind: 'clockSkew', houseId: 'E002', offsetMsec: -3_600_000 });
    world.inject({ kind: 'reboot', houseId: 'E002' });
    const reading = world.device('E002').read(never);
    await after(1);
    t.equal((await reading).time, '2021/05/31-23:00:00');
    near(t, world.house('E002').ig, -1, 1e-9, 'runs on');
    t.same(events.filter(({ event }) => event === 'fault.injected').length, 2);
  });
});

t.test('emulated-device.ts', async (t) => {
  t.test('answers in the shape of the driver: status, voltage and current replies (control.md 1.6)', async (t) => {
    const { world, after } = aWorld({ meters: 'quantised' });
    const device = world.device('E001');
    const calls = [
      device.setMode({ mode: 'VOLTAGE_REFERENCE', dvg: 350, dig: 2.3, drg: 0 }, never),
      device.setVoltage({ dvg: 345, drg: 0.039 }, never),
      device.setCurrent({ dig: 2 }, never),
      device.readStatus(never),
    ] as const;
    await after(10);
    const [modeReply, voltage, current, status] = await Promise.all(calls);
    t.match(modeReply, {
      status: { status: '0x0014', operationMode: 'Grid Autonomy', alarmState: 'No alarm' },
      meter: { vg: 350 },
      vdis: { dvg: 350 },
      param: { dig: 2.3 },
    });
    t.same(Object.keys(voltage), ['meter', 'vdis']);
    t.same(voltage.vdis, { dvg: 345, drg: 0.039 });
    t.same(Object.keys(current), ['meter', 'param']);
    t.same(Object.keys(status), ['status', 'meter']);
    const reading = device.read(never);
    await after(1);
    t.match(await reading, {
      battery: { rsoc: Number, battery_operation_status: 3 },
      emu: { ups_operation_mode: { mode: 2 } },
      time: '2021/06/01-00:00:00',
    });
  });

  t.test('takes one request after the other, each with its latency; commands act half-way', async (t) => {
    const { world, after } = aWorld({ latency: { kind: 'fixed', msec: 100 } });
    const device = world.device('E001');
    const order: string[] = [];
    void device.setMode({ mode: 'VOLTAGE_REFERENCE', dvg: 350, dig: 2, drg: 0 }, never).then(() => order.push('mode'));
    void device.setCurrent({ dig: 1 }, never).then(() => order.push('current'));
    await after(49);
    t.equal(world.house('E001').mode, 'WAIT');
    await after(1);
    t.equal(world.house('E001').mode, 'VOLTAGE_REFERENCE');
    t.same(order, []);
    await after(50);
    t.same(order, ['mode']);
    t.equal(world.house('E001').dig, 2);
    await after(50);
    t.equal(world.house('E001').dig, 1);
    await after(50);
    t.same(order, ['mode', 'current']);
  });

  t.test('latency is log-normal around 20 ms', async (t) => {
    const { world, clock } = aWorld({ latency: { kind: 'log-normal', medianMsec: 20, sigma: 0.3 } });
    const took: number[] = [];
    for (let index = 0; index < 200; index += 1) {
      const from = clock.monotonic();
      let done = false;
      void world
        .device('E001')
        .readStatus(never)
        .then(() => {
          done = true;
        });
      await clock.runUntil(() => done, 1000);
      took.push(clock.monotonic() - from);
    }
    took.sort((one, other) => one - other);
    near(t, took[100] ?? 0, 20, 2, 'median');
    t.ok((took[0] ?? 0) > 5 && (took[199] ?? 0) < 80);
  });

  t.test('an aborted call rejects, but its command may still act (RULE-3)', async (t) => {
    const { world, after } = aWorld({ latency: { kind: 'fixed', msec: 100 } });
    const abort = new AbortController();
    const call = t.rejects(
      world.device('E001').setMode({ mode: 'VOLTAGE_REFERENCE', dvg: 350, dig: 2, drg: 0 }, abort.signal),
      { name: 'DeviceError', reason: 'device.aborted' },
    );
    await after(20);
    abort.abort();
    await call;
    await after(30);
    t.equal(world.house('E001').mode, 'VOLTAGE_REFERENCE');
    await t.rejects(
      world.device('E001').read(abort.signal),
      { name: 'DeviceError', reason: 'device.aborted' },
      'aborted before',
    );
  });

  t.test('a refusal reaches the caller as a DeviceError', async (t) => {
    const { world, after } = aWorld();
    const call = t.rejects(world.device('E001').setCurrent({ dig: -1 }, never), DeviceError);
    await after(1);
    await call;
  });
});

t.test('the whole world', async (t) => {
  const command: fc.Arbitrary<ConverterWrite> = fc.oneof(
    fc.record({
      write: fc.constant('mode' as const),
      mode: fc.constantFrom<ConverterMode[]>('WAIT', 'VOLTAGE_REFERENCE', 'VOLTAGE_REFERENCE', 'CHARGE', 'DISCHARGE'),
      dvg: fc.constantFrom(310, 350, 365, 380, 420),
      dig: fc.constantFrom(0, 0.5, 1, 2.3, 7),
      drg: fc.constantFrom(0, 0.039),
    }),
    fc.record({
      write: fc.constant('voltage' as const),
      dvg: fc.constantFrom(290, 330, 370),
      drg: fc.constantFrom(0, 0.039),
    }),
    fc.record({ write: fc.constant('current' as const), dig: fc.constantFrom(0, 1, 2.3) }),
  );
  const house = fc.constantFrom('E001', 'E002', 'E003', 'E004');
  const fault: fc.Arbitrary<WorldFault> = fc.oneof(
    fc.record({ kind: fc.constant('leak' as const), houseId: house, siemens: fc.constantFrom(0.001, 0.02) }),
    fc.record({ kind: fc.constant('secondVoltageSource' as const), houseId: house, volts: fc.constantFrom(330, 360) }),
    fc.record({ kind: fc.constant('offsetCurrent' as const), houseId: house, amperes: fc.constantFrom(-0.5, 0.5) }),
    fc.record({
      kind: fc.constantFrom(
        'batteryLocked' as const,
        'pvDead' as const,
        'houseOffline' as const,
        'heavyAlarm' as const,
      ),
      houseId: house,
    }),
    fc.record({ kind: fc.constant('overheat' as const), houseId: house, ambientC: fc.constantFrom(60, 75) }),
    fc.record({ kind: fc.constant('lineBreak' as const), branch: fc.constantFrom('E001-E002', 'E002-E003') }),
  );
  const step = fc.record({
    waitMsec: fc.constantFrom(0, 1, 37, 1000, 60_000, HOUR, 5 * HOUR),
    house,
    action: fc.oneof(
      { weight: 6, arbitrary: fc.record({ command }) },
      { weight: 1, arbitrary: fc.record({ rsoc: fc.constantFrom(0, 1, 19.9, 30, 50, 99, 100) }) },
      { weight: 2, arbitrary: fc.record({ fault }) },
      { weight: 1, arbitrary: fc.constant({ heal: true as const }) },
    ),
  });

  t.test('energy is never created, whatever is commanded and broken (INV-8)', async (t) => {
    const dataset = generatedYear(['a', 'b', 'c', 'd']);
    let worst = 0;
    const run = async (
      steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
      preset: 'standard' | 'ideal' | 'compat',
      battery: 'ideal' | 'real',
    ) => {
      const { world, after } = aWorld({ dataset, converter: preset, battery, lossProfile: 'compat' });
      for (const { waitMsec, house: houseId, action } of steps) {
        await after(waitMsec);
        try {
          if ('command' in action) world.command(houseId, action.command);
          else if ('rsoc' in action) world.set(houseId, { rsoc: action.rsoc });
          else if ('fault' in action) world.inject(action.fault);
          else world.heal();
        } catch (error) {
          if (!(error instanceof DeviceError)) throw error; // refusals are part of the game
        }
      }
      await after(HOUR);
      const { imbalanceWh, turnoverWh, houses, bus } = world.energy();
      worst = Math.max(worst, Math.abs(imbalanceWh) / turnoverWh);
      if (!(Math.abs(imbalanceWh) <= 1e-6 * turnoverWh)) throw new Error(`${imbalanceWh} Wh from nowhere`);
      // Joining a dead part to a floating one lifts it for nothing: at most what the capacitance holds, 0.04 Wh.
      if (bus.bleedWh < -0.05) throw new Error(`the capacitance of the bus gave ${-bus.bleedWh} Wh that it never got`);
      for (const { stored } of Object.values(houses)) {
        if (!(stored >= -1e-3 && stored <= 4800 + 1e-3)) throw new Error(`a battery holds ${stored} Wh`);
      }
      world.close();
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 25 }),
        fc.constantFrom('standard', 'ideal', 'compat'),
        fc.constantFrom('ideal', 'real'),
        run,
      ),
      { numRuns: 120, seed: 3 },
    );
    t.comment(`worst imbalance: ${worst} of the turnover`);
    t.pass();
  });

  t.test('the same seed gives the same events, byte for byte, another seed others', async (t) => {
    const run = async (seed: number): Promise<string> => {
      const { world, clock, after } = aWorld({
        entropy: new SeededEntropy(seed),
        dataset: generatedYear(['a']),
        converter: 'standard',
        meters: 'field',
        latency: { kind: 'log-normal', medianMsec: 20, sigma: 0.3 },
      });
      const lines: string[] = [];
      world.onEvent((event) => lines.push(JSON.stringify(event)));
      const device = world.device('E001');
      void device.setMode({ mode: 'VOLTAGE_REFERENCE', dvg: 350, dig: 2.3, drg: 0 }, never);
      await after(5000);
      for (let index = 0; index < 50; index += 1) {
        clock.after(index * 700, () => void device.read(never).then(({ dcdc }) => lines.push(JSON.stringify(dcdc))));
        clock.after(
          index * 900,
          () =>
            void world
              .device('E002')
              .setMode({ mode: index % 2 ? 'CHARGE' : 'DISCHARGE', dvg: 380, dig: 1, drg: 0 }, never)
              .catch(() => {}),
        );
      }
      await after(12 * HOUR);
      return lines.join('\n');
    };
    const first = await run(5);
    t.equal(await run(5), first);
    t.not(await run(6), first);
    t.ok(first.length > 5000);
  });

  t.test('needs no loop: a quiet day costs a few events, and a closed world none', async (t) => {
    const { world, clock } = aWorld();
    let steps = 0;
    while ((clock.nextAt() ?? Infinity) < 24 * HOUR && (await clock.step())) steps += 1;
    t.ok(steps < 40, `${steps} events`);
    world.close();
    t.equal(clock.nextAt(), undefined);
    await clock.advance(HOUR);
    near(t, world.house('E001').rsoc, 50, 1e-9, 'still answers');
    const forget = world.onEvent(() => t.fail('was told to forget'));
    forget();
    world.set('E001', { rsoc: 10 });
  });

  t.test('houses come and go at the end of a running bus', async (t) => {
    for (const kind of ['line', 'star'] as const) {
      const { world, after } = aWorld({ network: { kind } });
      world.command('E001', reference());
      world.command('E002', charge(1));
      await after(1000);
      t.equal(world.addHouse(), 'E005');
      near(t, world.house('E005').vg, world.house('E001').vg, 0.5, 'it sees the bus');
      world.command('E005', discharge(1));
      near(t, world.house('E005').ig, -1, 1e-9, 'and takes part');
      await after(HOUR);
      world.removeHouse();
      t.same(world.houseIds(), ['E001', 'E002', 'E003', 'E004']);
      near(t, world.house('E001').ig, -1, 1e-6, 'the reference covers the loss');
      t.equal(world.addHouse({ id: 'guest', rsoc: 70 }), 'guest');
      near(t, world.house('guest').rsoc, 70, 1e-9, 'as asked for');
      near(t, world.energy().imbalanceWh, 0, 1e-6, 'balanced');
      t.match(
        problemOf(() => world.addHouse({ id: 'E001' })),
        /id of its own/,
      );
    }
    const { world } = aWorld({ houses: 1 });
    t.match(
      problemOf(() => world.removeHouse()),
      /keep at least one house/,
    );
    const given = aWorld({
      houses: 2,
      network: { kind: 'branches', branches: [{ from: 'E001', to: 'E002', ohms: 1 }] },
    });
    t.match(
      problemOf(() => given.world.addHouse()),
      /expected a line or a star/,
    );
  });

  t.test('a line stays broken when a house joins, and a house takes its faults along', async (t) => {
    const { world } = aWorld();
    world.command('E001', reference());
    world.inject({ kind: 'lineBreak', branch: 'E001-E002' });
    world.inject({ kind: 'leak', houseId: 'E004', siemens: 0.001 });
    world.addHouse();
    t.equal(world.house('E001').ig, 0);
    world.removeHouse();
    world.removeHouse();
    world.heal();
    near(t, world.house('E003').vg, 350, 1e-6, 'no leak left');
    near(t, world.house('E001').ig, 0, 1e-9, 'none at all');
  });

  t.test('a long bus of a hundred houses still balances', async (t) => {
    const { world, after } = aWorld({ houses: 100, converter: 'standard', dataset: generatedYear(['a', 'b']) });
    world.command('E050', reference(2.3));
    await after(4000);
    for (const id of world.houseIds().slice(0, 20))
      world.command(id, Number(id.slice(1)) % 2 ? discharge(0.5) : charge(0.5));
    await after(HOUR);
    const { imbalanceWh, turnoverWh } = world.energy();
    t.ok(Math.abs(imbalanceWh) < 1e-9 * turnoverWh, `${imbalanceWh} of ${turnoverWh} Wh`);
    t.equal(world.house('E010').mode, 'CHARGE');
  });
});

t.test('datasets (emulator.md 3)', async (t) => {
  const solarRow = Array.from({ length: 24 }, (_, hour) => (hour === 12 ? 1000 : 0)).join(',');
  const header = 'i,id,y,m,d,k,h0000';
  const loadRow = (customer: number, kw: readonly number[]): string => `0,${customer},0,0,0,0,${kw.join(',')}`;
  const flat = (kw: number): number[] => new Array<number>(48).fill(kw);
  const daily = (row: string, days = 365): string => `${row}\n`.repeat(days);

  t.test('sun: 24 values per day, linear in between, the end of the year leads back to its start', async (t) => {
    const text = [solarRow, `${solarRow.replace(/0$/, '240')}`, ''].join('\r\n');
    const solar = parseSolar({ name: 'solar.csv', text });
    t.equal(solar.length, 48);
    const year = new SampledYear(solar, new Map());
    const at = (hours: number): number => Date.UTC(2021, 0, 1) + hours * HOUR;
    near(t, year.solarW(at(12.25)), 750, 1e-6, 'a quarter past noon');
    near(t, year.solarW(at(47.75)), 60, 1e-6, 'wraps to the first sample');
    near(t, year.solarW(Date.UTC(2022, 0, 1, 12)), 1000, 1e-6, 'every year anew');
    t.equal(year.nextSampleAt(at(12.25)), at(12.5));
    t.equal(year.nextSampleAt(at(12.5)), at(13));
    t.throws(() => year.loadW('E001', 0), RangeError);
  });

  t.test('loads: every half-hour counts, customers are E-numbers, and only those needed are read', async (t) => {
    const kw = flat(0.2);
    kw[1] = 0.4;
    const text = [header, loadRow(1, kw), loadRow(7, flat(1.5)), loadRow(1, flat(1e-1)), ''].join('\n');
    const loads = parseLoads({ name: 'load.csv', text });
    t.same([...loads.keys()], ['E001', 'E007']);
    const year = new SampledYear(new Float32Array(24), loads);
    near(t, year.loadW('E001', Date.UTC(2021, 0, 1, 0, 30)), 400, 1e-3, 'the second half-hour');
    near(t, year.loadW('E001', Date.UTC(2021, 0, 1, 0, 15)), 300, 1e-3, 'linear in between');
    near(t, year.loadW('E001', Date.UTC(2021, 0, 2)), 100, 1e-3, 'the second day');
    t.same([...parseLoads({ name: 'load.csv', text }, 1).keys()], ['E001']);
  });

  t.test('a dataset is a year of 365 or 366 days, for the sun and for every home that is read (INV-11)', async (t) => {
    const files = (sunDays: number, homes: readonly number[]) => ({
      solar: { name: 'sun.csv', text: daily(solarRow, sunDays) },
      loads: {
        name: 'load.csv',
        text: `${header}\n${homes.map((days, home) => daily(loadRow(home + 1, flat(0.1)), days)).join('')}`,
      },
    });
    const problem = (...given: Parameters<typeof files>): string => problemOf(() => parseDataset(files(...given)));
    t.equal(problem(365, [365, 365]), 'no problem');
    t.equal(problem(366, [366, 365]), 'no problem', 'a leap year');
    const wanted = 'expected a whole year, one row for each of 365 or 366 days';
    t.equal(problem(3, [365]), `sun.csv: ${wanted}, got 3`);
    t.equal(problem(365, [365, 364]), `load.csv home E002: ${wanted}, got 364`);
    t.equal(problem(367, [730]), `sun.csv: ${wanted}, got 367\nload.csv home E001: ${wanted}, got 730`);
    t.equal(problem(365, [1, 1, 1, 1, 1, 1, 1]).split('\n').length, 5, 'enough to see what is wrong');
    t.same(parseDataset(files(365, [365, 1]), 1).homes, ['E001'], 'a home that nobody uses may be short');
  });

  t.test('bad files are refused with file, line and column (INV-11)', async (t) => {
    const solar = (text: string): string => problemOf(() => parseSolar({ name: 'sun.csv', text }));
    const load = (row: string): string =>
      problemOf(() => parseLoads({ name: 'load.csv', text: `${header}\n${row}\n` }));
    t.equal(
      solar(`${solarRow}\n${solarRow.replace('1000', 'sunny')}`),
      'sun.csv:2 column 13: expected a number of 0 or more, got sunny',
    );
    t.equal(
      solar(solarRow.replace('1000', '1e300')),
      'sun.csv:1 column 13: expected at most 1000000 for a house, got 1e+300',
    );
    t.equal(solar(solarRow.replace('1000', '-3')), 'sun.csv:1 column 13: expected a number of 0 or more, got -3');
    t.equal(solar(solarRow.replace('1000', '')), 'sun.csv:1 column 13: expected a number of 0 or more, got nothing');
    t.equal(solar(solarRow.replace('1000', '1.2.3')), 'sun.csv:1 column 13: expected a number of 0 or more, got 1.2.3');
    t.match(solar(solarRow.replace('1000', 'x'.repeat(99))), /got x{40}…$/);
    t.equal(solar('1,2,3\n'), 'sun.csv:1: expected 24 columns, got 3');
    t.equal(solar(`${solarRow},5`), 'sun.csv:1 column 25: expected 24 columns, got more');
    t.equal(solar(''), 'sun.csv:1: expected one row of 24 values per day, got an empty file');
    t.equal(load(loadRow(1, flat(0.1).slice(1))), 'load.csv:2: expected 54 columns, got 53');
    t.equal(load('0,abc,0,0,0,0'), 'load.csv:2 column 2: expected a number of 0 or more, got abc');
    t.equal(load('\r'), 'load.csv:1: expected a header and one row per customer and day, got none');
    t.equal(
      load(loadRow(1, flat(0.1)).replace(/0\.1$/, '')),
      'load.csv:2 column 54: expected a number of 0 or more, got nothing',
    );
    t.equal(solar(solarRow.replace('1000', ' 1e3 ')), 'no problem', 'spaces and exponents are fine');
  });

  t.test('finds the files of a folder, gzipped or not, and names what is missing', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'apis-dataset-'));
    t.teardown(() => rm(folder, { recursive: true }));
    await t.rejects(loadDataset(folder), /\*solar\*.csv or .* got an empty folder/);
    await writeFile(join(folder, 'my_solar_2021.csv'), daily(solarRow));
    await t.rejects(
      loadDataset(folder),
      /expected one file \*load\*\.csv or \*load\*\.csv\.gz, got my_solar_2021\.csv/,
    );
    await writeFile(join(folder, 'my_load.csv.gz'), gzipSync(`${header}\n${daily(loadRow(1, flat(1)))}`));
    t.same(parseDataset(await loadDataset(folder)).homes, ['E001']);
    await writeFile(join(folder, 'a_load.csv'), 'x');
    await t.rejects(loadDataset(folder), /expected one file \*load.* got a_load\.csv, my_load\.csv\.gz/);
    await rm(join(folder, 'a_load.csv'));
    await writeFile(join(folder, 'my_load.csv.gz'), 'not gzip');
    await t.rejects(loadDataset(folder), /my_load\.csv\.gz: expected a readable file/);
    await t.rejects(loadDataset(join(folder, 'nowhere')), /expected a folder with a dataset/);
  });

  const shared = fileURLToPath(new URL('../../../shared/data', import.meta.url));
  t.test(
    'the recorded dataset loads within a second and sums up as documented (emulator.md 7)',
    { skip: !existsSync(shared) && 'needs ../shared/data' },
    async (t) => {
      const from = process.hrtime.bigint();
      const dataset = parseDataset(await loadDataset(shared));
      const msec = Number(process.hrtime.bigint() - from) / 1e6;
      t.comment(`loaded in ${msec.toFixed(0)} ms`);
      t.equal(dataset.homes.length, 100);
      let sun = 0;
      for (let hour = 0; hour < 8760; hour += 1) sun += dataset.solarW(Date.UTC(2021, 0, 1) + hour * HOUR) / 1000;
      near(t, sun, 4257.5, 0.1, 'kWh of sun a year');
    },
  );

  t.test('the generated year is a plausible one, and the seed decides it', async (t) => {
    const year = generatedYear(['a', 'b', 'c']);
    const mean = (value: (at: number) => number, fromDay: number, days: number, hours: readonly number[]): number => {
      let sum = 0;
      for (let day = fromDay; day < fromDay + days; day += 1)
        for (const hour of hours) sum += value(Date.UTC(2021, 0, 1 + day, hour));
      return sum / days / hours.length;
    };
    const allDay = Array.from({ length: 24 }, (_, hour) => hour);
    for (const home of year.homes) {
      const load = (at: number): number => year.loadW(home, at);
      const dailyKwh = (24 * mean(load, 0, 365, allDay)) / 1000;
      t.ok(dailyKwh >= 7.5 && dailyKwh <= 15.5, `${home}: ${dailyKwh} kWh a day`);
      t.ok(mean(load, 0, 365, [19]) > 2 * mean(load, 0, 365, [3]), 'evening peak');
      t.ok(mean(load, 0, 365, [7]) > mean(load, 0, 365, [10]), 'morning peak');
    }
    t.equal(year.solarW(Date.UTC(2021, 5, 1, 0)), 0, 'dark at night');
    t.ok(
      mean((at) => year.solarW(at), 150, 60, allDay) > 1.2 * mean((at) => year.solarW(at), 330, 35, allDay),
      'summer',
    );
    const clouds = Array.from({ length: 30 }, (_, day) => year.solarW(Date.UTC(2021, 5, 1 + day, 12)));
    t.ok(Math.max(...clouds) > 1.8 * Math.min(...clouds), 'clouds');
    t.equal(generatedYear(['b']).loadW('b', 1e12), year.loadW('b', 1e12), 'a home does not depend on its neighbours');
    t.not(generatedYear(['b'], 2).loadW('b', 1e12), year.loadW('b', 1e12));
    t.throws(() => year.loadW('z', 0), RangeError);
  });
});
