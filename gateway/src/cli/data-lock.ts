import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as v from 'valibot';
import { PRIVATE_MODE, writeAtomically } from '../adapters/files/atomic-file.ts';
import { FileLocks } from '../adapters/files/file-locks.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { UsageError } from './option.ts';
import { identityOf, isRunning, type ProcessIdentity, processIdentity } from './process-identity.ts';

/** Taking a lock over is a look at one file and a write of it, on a slow medium. */
const TAKEOVER_MSEC: Milliseconds = 3_000;
const POLL_MSEC: Milliseconds = 20;

/** Who holds the lock; undefined for a file that says nothing sensible, or is gone. */
async function holderOf(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const found = v.safeParse(processIdentity, JSON.parse(await readFile(path, 'utf8')));
    return found.success ? found.output : undefined;
  } catch {
    return undefined;
  }
}

/** The running process that has a data directory; undefined when none has. */
export async function lockHolder(directory: string, name = 'daemon.lock'): Promise<ProcessIdentity | undefined> {
  const found = await holderOf(join(directory, name));
  return found !== undefined && (await isRunning(found)) ? found : undefined;
}

export interface DataLock {
  release(): Promise<void>;
}

/**
 * Takes a data directory for this process: two writers would tear each other's records. A lock whose process is gone
 * is taken over. Rejects UsageError that names the process that has it.
 */
export async function lockData(directory: string, name = 'daemon.lock'): Promise<DataLock> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, name);
  const mine = JSON.stringify(await identityOf(process.pid));
  await oneAtATime(directory, name, async () => {
    const other = await lockHolder(directory, name);
    if (other !== undefined) {
      throw new UsageError(`the data directory ${directory} is in use by process ${other.pid}`);
    }
    await writeAtomically(path, mine);
  });
  return { release: () => release(path, mine) };
}

/**
 * Looking whether a lock is free and taking it are one step: of two processes that find it stale at once, the slower
 * one would take it from the faster one. The system holds this guard, and gives it back when its process dies.
 */
async function oneAtATime(directory: string, name: string, work: () => Promise<void>): Promise<void> {
  const guards = new FileLocks(join(directory, '.%s.guard'), PRIVATE_MODE);
  const end = performance.now() + TAKEOVER_MSEC;
  while (!guards.tryLock(name)) {
    if (performance.now() >= end) {
      throw new UsageError(`the data directory ${directory} is being taken by another process: ${name} is guarded`);
    }
    await pause(POLL_MSEC);
  }
  try {
    await work();
  } finally {
    guards.unlock(name);
  }
}

async function release(path: string, mine: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true });
}
