import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Figures, figuresOf } from './statistics.ts';

const APIS = new URL('../../bin/apis.js', import.meta.url).pathname;
const GIVE_UP_MSEC = 30_000;
/** The community has traded for a while by then. */
const SETTLED_MSEC = 8_000;

export interface DaemonFigures {
  readonly startToReadyMsec: Figures;
  readonly rssMb: Figures;
}

/** A daemon with four emulated units as its own process: from its start to trading-ready, and its memory while trading. */
export async function measureDaemon(runs: number): Promise<DaemonFigures> {
  const ready: number[] = [];
  const rss: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const figures = await once();
    ready.push(figures.ready);
    rss.push(figures.rssMb);
  }
  return { startToReadyMsec: figuresOf(ready), rssMb: figuresOf(rss, 1) };
}

async function once(): Promise<{ ready: number; rssMb: number }> {
  const data = await mkdtemp(join(tmpdir(), 'apis-bench-'));
  const startedAt = performance.now();
  const child = spawn(process.execPath, [APIS, 'gateway', '--data', data, '--speed', '10'], { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    await untilFile(join(data, 'daemon.json'), startedAt + GIVE_UP_MSEC);
    const ready = performance.now() - startedAt;
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MSEC));
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
    return { ready, rssMb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024 };
  } finally {
    child.kill('SIGTERM');
    await exited;
    await rm(data, { recursive: true, force: true });
  }
}

/** The daemon writes this file when every unit is trading-ready. */
async function untilFile(path: string, giveUpAt: number): Promise<void> {
  for (;;) {
    const found = await readFile(path).catch(() => undefined);
    if (found !== undefined) return;
    if (performance.now() > giveUpAt) throw new Error(`${path} was not written in time`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
