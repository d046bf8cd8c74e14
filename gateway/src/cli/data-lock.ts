import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as v from 'valibot';
import { UsageError } from './option.ts';
import { identityOf, isRunning, type ProcessIdentity, processIdentity } from './process-identity.ts';

/** Who holds the lock; undefined for a file that says nothing sensible, or is gone. */
async function holderOf(path: string): Promise<ProcessIdentity | undefined> {
  try {
    const found = v.safeParse(processIdentity, JSON.parse(await readFile(path, 'utf8')));
    return found.success ? found.output : undefined;
  } catch {
    return undefined;
  }
}

/** A file that has just been made may not have been filled yet. */
async function settledHolderOf(path: string): Promise<ProcessIdentity | undefined> {
  for (let attempt = 0; attempt < 10; attempt += 1) {
    const found = await holderOf(path);
    if (found !== undefined) return found;
    await pause(20);
  }
  return undefined;
}

async function create(path: string, text: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx');
    await handle.writeFile(text);
    await handle.close();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
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
  for (let attempt = 0; attempt < 5; attempt += 1) {
    if (await create(path, mine)) return { release: () => release(path, mine) };
    const other = await settledHolderOf(path);
    if (other !== undefined && (await isRunning(other))) {
      throw new UsageError(`the data directory ${directory} is in use by process ${other.pid}`);
    }
    // Renamed, not removed: of two that come at once only one gets it.
    const stale = `${path}.stale-${process.pid}`;
    await rename(path, stale).catch(() => undefined);
    await rm(stale, { force: true });
  }
  throw new UsageError(`the data directory ${directory} cannot be locked: ${path} comes back again and again`);
}

async function release(path: string, mine: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true });
}
