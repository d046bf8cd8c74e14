import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnitClient } from '../../src/client/index.ts';
import { type Figures, figuresOf } from './statistics.ts';

const APIS = new URL('../../bin/apis.js', import.meta.url).pathname;
const GIVE_UP_MSEC = 30_000;
/** An hour of emulated trading with a client attached: memory has settled by then. */
const SETTLED_MSEC = 60_000;
const SPEED = 60;

export interface DaemonFigures {
  readonly startToReadyMsec: Figures;
  /** After a minute at 60 times the speed of life, with a client that follows all units. */
  readonly rssMb: Figures;
  readonly peakRssMb: Figures;
}

/** A daemon with four emulated units as its own process, started as `npx apis gateway` starts it. */
export async function measureDaemon(runs: number): Promise<DaemonFigures> {
  const all: { ready: number; rssMb: number; peakMb: number }[] = [];
  for (let run = 0; run < runs; run += 1) all.push(await once());
  return {
    startToReadyMsec: figuresOf(all.map(({ ready }) => ready)),
    rssMb: figuresOf(
      all.map(({ rssMb }) => rssMb),
      1,
    ),
    peakRssMb: figuresOf(
      all.map(({ peakMb }) => peakMb),
      1,
    ),
  };
}

async function once(): Promise<{ ready: number; rssMb: number; peakMb: number }> {
  const data = await mkdtemp(join(tmpdir(), 'apis-bench-'));
  const startedAt = performance.now();
  const path = `${join(process.execPath, '..')}:${process.env.PATH}`;
  const child = spawn(APIS, ['gateway', '--data', data, '--speed', String(SPEED)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer): void => {
        if (String(chunk).includes('Gateway ready')) resolve();
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', (code) => reject(new Error(`the daemon ended with ${code}`)));
      setTimeout(() => reject(new Error('the daemon was not ready in time')), GIVE_UP_MSEC).unref();
    });
    const ready = performance.now() - startedAt;
    const daemon: unknown = JSON.parse(await readFile(join(data, 'daemon.json'), 'utf8'));
    const client = UnitClient.attach(firstUnitOf(daemon));
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MSEC));
    await client.close();
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    return { ready, rssMb: kilobytes(status, 'VmRSS') / 1024, peakMb: kilobytes(status, 'VmHWM') / 1024 };
  } finally {
    child.kill('SIGTERM');
    await exited;
    await rm(data, { recursive: true, force: true });
  }
}

const kilobytes = (status: string, field: string): number =>
  Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]);

function firstUnitOf(daemon: unknown): { host: string; port: number } {
  const { units } = daemon as { units: { host: string; port: number }[] }; // written by the daemon itself
  const [first] = units;
  if (first === undefined) throw new Error('the daemon has no units');
  return first;
}
