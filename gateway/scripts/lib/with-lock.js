import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { inRoot } from './paths.js';
import { say } from './say.js';

const POLL_MSEC = 200;

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Process id in a lock; undefined while its owner is between the two steps of taking it. */
const ownerOf = (lock) => {
  try {
    return Number(readFileSync(`${lock}/pid`, 'utf8')) || undefined;
  } catch {
    return undefined;
  }
};

/** A directory appears atomically and complete: it is made aside and renamed, which fails when a filled one is there. */
const tryTake = (lock) => {
  const aside = `${lock}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  writeFileSync(`${aside}/pid`, String(process.pid));
  try {
    renameSync(aside, lock);
    return true;
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return false;
    throw error;
  }
};

/**
 * Runs `action` while no other process runs one under the same name in this checkout. A lock whose owner is gone is
 * taken over.
 * @template T
 * @param {string} name
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
export const withLock = async (name, action) => {
  const lock = inRoot(`.cache/${name}.lock`);
  let told = false;
  while (!tryTake(lock)) {
    const owner = ownerOf(lock);
    if (owner !== undefined && !isAlive(owner)) rmSync(lock, { recursive: true, force: true });
    if (!told) say(`waiting for process ${owner ?? '?'}, which is busy with the same`);
    told = true;
    await wait(POLL_MSEC);
  }
  try {
    return await action();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
};
