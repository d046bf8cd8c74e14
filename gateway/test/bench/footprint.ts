import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EmulatorClient } from '../../src/client/emulator-client.ts';
import { emulatedCommunity } from '../../src/emulation/emulated-community.ts';
import { houseIds } from '../../src/emulation/world-options.ts';
import { VirtualClock } from '../../src/ports/virtual-clock.ts';
import { apisBin } from '../support/process.ts';
import { type SeparateHouses, separateHouses } from '../support/separate-houses.ts';
import { type Figures, figuresOf } from './statistics.ts';

/** From the start of a gateway until its memory has settled. */
const SETTLE_MSEC = 30_000;
const MEASURE_MSEC = 30_000;
const HOUR_MSEC = 3_600_000;
const VIRTUAL_MSEC = 600_000;
/** Of a house that discharges by the scenario, and of one that charges. */
const RSOCS = [90, 30];
const CLOCK_TICKS_PER_SECOND = 100;

export interface MeshFigures {
  readonly units: number;
  readonly rssMb: Figures;
  /** Of one core, per unit, at the speed of life. */
  readonly cpuPercent: Figures;
  /** Begun in the meantime: what was measured is a community that trades. */
  readonly deals: number;
}

export interface FootprintFigures {
  /** Gateways of one unit each, as separate processes. */
  readonly meshes: readonly MeshFigures[];
  /** 50 units in one process, ten minutes of virtual time. */
  readonly virtual: { readonly units: number; readonly rssMb: number; readonly timesLife: number };
}

/** What separate gateways need in a mesh of each size, and how far one process carries in virtual time. */
export async function measureFootprint(sizes: readonly number[] = [4, 19]): Promise<FootprintFigures> {
  const meshes: MeshFigures[] = [];
  for (const units of sizes) meshes.push(await measureMesh(units));
  const virtual = await measureVirtual(50);
  process.stderr.write(`${tableOf(meshes, virtual)}\n`);
  return { meshes, virtual };
}

/** What two gateways need at the end of an hour of trading at the speed of life, and of a core in all of it. */
export const measureHour = (): Promise<MeshFigures> => measureMesh(2, HOUR_MSEC);

async function measureMesh(units: number, measureMsec = MEASURE_MSEC): Promise<MeshFigures> {
  const directory = await mkdtemp(join(tmpdir(), 'apis-footprint-'));
  const houses = await separateHouses(directory, { count: units });
  const children: ChildProcess[] = [];
  try {
    await houses.emulator.says('out', /Emulator ready/);
    await unbalance(houses);
    for (const { config, data } of houses.houses) children.push(gateway(config, data));
    await pause(SETTLE_MSEC + units * 1_000);
    const before = await Promise.all(children.map(cpuSeconds));
    await pause(measureMsec);
    const after = await Promise.all(children.map(cpuSeconds));
    const rss = await Promise.all(children.map(rssMb));
    const cpu = after.map((seconds, index) => ((seconds - (before[index] ?? 0)) / (measureMsec / 1_000)) * 100);
    const deals = await dealsIn(directory);
    if (deals === 0) throw new Error(`${units} units made no deal: what was measured is an idle community`);
    return { units, rssMb: figuresOf(rss, 1), cpuPercent: figuresOf(cpu, 2), deals };
  } finally {
    await end(children, houses);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Every other house has much, the next one little: they have something to share. */
async function unbalance({ houses, emulatorPort: port }: SeparateHouses): Promise<void> {
  const emulator = new EmulatorClient(() => ({ host: '127.0.0.1', port }));
  for (const [index, { unitId }] of houses.entries()) await emulator.override(unitId, { rsoc: RSOCS[index % 2] ?? 50 });
}

/** As a user starts it: compiled, with the flags of `bin/apis.js`. */
const gateway = (config: string, data: string): ChildProcess =>
  spawn(apisBin, ['gateway', '--config', config, '--data', data], {
    stdio: 'ignore',
    env: { ...process.env, PATH: `${join(process.execPath, '..')}:${process.env.PATH}` },
  });

async function end(children: readonly ChildProcess[], { emulator }: SeparateHouses): Promise<void> {
  const ended = children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(ended);
  emulator.child.kill('SIGTERM');
  await emulator.ended;
}

/** Deals of which a party has a record, running or finished. */
async function dealsIn(directory: string): Promise<number> {
  const files = await readdir(directory, { recursive: true });
  const records = files.filter((file) => /[/]deals[/].*[.]json$/.test(file));
  return new Set(records.map((file) => basename(file))).size;
}

async function cpuSeconds({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const [user = 0, system = 0] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user + system) / CLOCK_TICKS_PER_SECOND;
}

async function rssMb({ pid }: ChildProcess): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

async function measureVirtual(units: number): Promise<FootprintFigures['virtual']> {
  const clock = new VirtualClock(Date.UTC(2020, 4, 15, 9));
  const rsoc = houseIds(units).map((_id, index) => 30 + ((index * 37) % 65));
  const { community } = emulatedCommunity({ clock, seed: 1, units, rsoc });
  void community.start();
  const startedAt = performance.now();
  await clock.advance(VIRTUAL_MSEC);
  const timesLife = Math.round(VIRTUAL_MSEC / (performance.now() - startedAt));
  return { units, rssMb: Math.round(process.memoryUsage.rss() / 2 ** 20), timesLife };
}

function tableOf(meshes: readonly MeshFigures[], virtual: FootprintFigures['virtual']): string {
  const rows = meshes.map(
    ({ units, rssMb: rss, cpuPercent: cpu, deals }) =>
      `${String(units).padStart(5)}  ${rss.median.toFixed(1).padStart(10)}  ${rss.worst.toFixed(1).padStart(9)}  ${cpu.median.toFixed(2).padStart(12)}  ${String(deals).padStart(5)}`,
  );
  const last = `${virtual.units} units in virtual time: ${virtual.rssMb} MB, ${virtual.timesLife} times the speed of life`;
  return ['units  median MB   worst MB  median CPU %  deals', ...rows, last].join('\n');
}
