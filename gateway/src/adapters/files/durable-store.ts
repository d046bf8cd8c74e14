import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { Low } from 'lowdb';
import { InternalError } from '../../domain/errors.ts';
import type { Store } from '../../ports/store.ts';
import { removeDurably } from './atomic-file.ts';
import { DurableFile, type FileReport } from './durable-file.ts';
import { isMissing } from './file-error.ts';

/** Each part of a key is a plain file name: no way out of the directory. */
const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;
const RECORD = /\.json(\.bak)?$/;

/** Writes of one key: the one under way, and the newest that waits behind it (text, or undefined to remove). */
interface Writes {
  running: Promise<void>;
  next?: { text: string | undefined; done: Promise<void> };
}

/**
 * Records as JSON files below one directory, `<directory>/<key>.json`. Writes of one key happen one after the other,
 * and of those that wait only the newest; each `save` resolves when its record, or a later one, is durable.
 */
export class DurableStore implements Store {
  readonly #directory: string;
  readonly #report: (report: FileReport) => void;
  readonly #writes = new Map<string, Writes>();
  readonly #outdated = new Set<string>();

  /** `report` hears of recovered and lost records, and of what a cut-off write has left. */
  constructor(directory: string, report: (report: FileReport) => void) {
    this.#directory = directory;
    this.#report = report;
  }

  async load(key: string): Promise<unknown> {
    const path = this.#pathOf(key);
    await this.#idle(key);
    const report = (report: FileReport): void => {
      if (report.kind !== 'leftover') this.#outdated.add(key);
      this.#report(report);
    };
    const db = new Low<unknown>(new DurableFile(path, report), null);
    await db.read();
    return db.data ?? undefined;
  }

  isOutdated(key: string): boolean {
    return this.#outdated.has(key);
  }

  save(key: string, record: unknown): Promise<void> {
    return this.#write(key, JSON.stringify(record));
  }

  remove(key: string): Promise<void> {
    return this.#write(key, undefined);
  }

  async list(prefix: string): Promise<readonly string[]> {
    await Promise.all([...this.#writes.keys()].map((key) => this.#idle(key)));
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    if (folder !== '' && !KEY.test(folder.slice(0, -1))) throw new InternalError(`not a key prefix: ${prefix}`);
    const keys = (await this.#files(join(this.#directory, folder)))
      .filter((path) => RECORD.test(path))
      .map((path) => relative(this.#directory, path).split(sep).join('/').replace(RECORD, ''));
    return [...new Set(keys)].filter((key) => key.startsWith(prefix)).sort();
  }

  async #files(folder: string): Promise<readonly string[]> {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((error): Dirent[] => {
      if (isMissing(error)) return [];
      throw error;
    });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  #pathOf(key: string): string {
    if (!KEY.test(key)) throw new InternalError(`not a key: ${JSON.stringify(key)}`);
    return join(this.#directory, `${key}.json`);
  }

  async #write(key: string, text: string | undefined): Promise<void> {
    const path = this.#pathOf(key);
    const writes = this.#writes.get(key);
    if (writes === undefined) return this.#begin(key, path, text);
    if (writes.next !== undefined) {
      writes.next.text = text;
      return writes.next.done;
    }
    const next = { text, done: Promise.resolve() };
    // Whatever became of the write before (its caller hears of it), this one is tried.
    next.done = writes.running.catch(() => {}).then(() => this.#begin(key, path, next.text));
    writes.next = next;
    return next.done;
  }

  #begin(key: string, path: string, text: string | undefined): Promise<void> {
    const work = text === undefined ? removeDurably(path) : new DurableFile(path, this.#report).writeText(text);
    const writes: Writes = { running: work };
    this.#writes.set(key, writes);
    const forget = (): void => {
      if (this.#writes.get(key) === writes && writes.next === undefined) this.#writes.delete(key);
    };
    return work.finally(forget);
  }

  async #idle(key: string): Promise<void> {
    for (let writes = this.#writes.get(key); writes !== undefined; writes = this.#writes.get(key)) {
      await (writes.next?.done ?? writes.running).catch(() => {}); // its own caller hears of a failure
    }
  }
}
