import { closeSync, existsSync, fchmodSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { DatabaseSync } from 'node:sqlite';
import type { ExclusiveLocks } from '../../ports/exclusive-locks.ts';

const SQLITE_BUSY = 5;
/** Agents of other users on this computer lock the same file. */
const FOR_EVERYBODY = 0o666;

/**
 * Locks on permanently existing, empty files; the operating system gives them back when their process dies, kill -9
 * included. Node can lock no file by itself, its SQLite can: an exclusive transaction that never writes is the lock,
 * and it meets that of the original, which locks the whole file (control.md §2.1).
 */
export class FileLocks implements ExclusiveLocks {
  readonly #format: string;
  readonly #mode: number;
  readonly #open = new Map<string, DatabaseSync>();

  /** @param format path with `%s` for the lock's name and `{tmpdir}` for the temp directory (`fileSystemExclusiveLockFileFormat`); `mode`: who may lock */
  constructor(format: string, mode = FOR_EVERYBODY) {
    this.#mode = mode;
    this.#format = format.replaceAll('{tmpdir}', tmpdir());
  }

  tryLock(name: string): boolean {
    if (this.#open.has(name)) return true;
    const path = this.#format.replaceAll('%s', name);
    create(path, this.#mode);
    const file = new DatabaseSync(path, { timeout: 0 });
    try {
      file.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    } catch (error) {
      file.close();
      if (isBusy(error)) return false;
      throw error;
    }
    this.#open.set(name, file);
    return true;
  }

  unlock(name: string): void {
    const file = this.#open.get(name);
    this.#open.delete(name);
    file?.close();
  }
}

const isBusy = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;

/** Only when it is missing: closing a file gives back all locks that this process has on it. */
function create(path: string, mode: number): void {
  if (existsSync(path)) return;
  try {
    const descriptor = openSync(path, 'ax', mode); // x: never follows a link that somebody has laid
    fchmodSync(descriptor, mode);
    closeSync(descriptor);
  } catch (error) {
    if (!existsSync(path)) throw error; // else another process was faster
  }
}
