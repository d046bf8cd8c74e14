import { readFile, rename } from 'node:fs/promises';
import type { Adapter } from 'lowdb';
import { messageOf } from '../../domain/errors.ts';
import { writeAtomically } from './atomic-file.ts';
import { hasCode, isMissing } from './file-error.ts';

/** Something about a file that its owner should know. */
export interface FileReport {
  /** `leftover`: a write was cut off, its temp is kept as `.left`; `recovered`: the backup was used; `lost`: nothing was usable. */
  readonly kind: 'leftover' | 'recovered' | 'lost';
  readonly path: string;
  readonly message: string;
}

/** No JSON, or a place on the medium that cannot be read; a lack of rights or of handles is no damage. */
const isDamage = (error: unknown): boolean => error instanceof SyntaxError || hasCode(error, 'EIO');

/** What stands in a JSON file: its value, nothing, or a reason why it cannot be used. */
type Found = { readonly value: unknown } | { readonly missing: true } | { readonly problem: string };

async function find(path: string): Promise<Found> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return { value };
  } catch (error) {
    if (isMissing(error)) return { missing: true };
    if (isDamage(error)) return { problem: messageOf(error) };
    throw error;
  }
}

/**
 * lowdb's adapter for a small JSON file that survives power loss (architecture.md §8): written atomically, with one
 * backup that stands in for a file that cannot be read. The unusable file is kept as `.corrupt` for a person.
 */
export class DurableFile implements Adapter<unknown> {
  readonly #path: string;
  readonly #report: (report: FileReport) => void;

  constructor(path: string, report: (report: FileReport) => void) {
    this.#path = path;
    this.#report = report;
  }

  /** The record; null when there is none, also when what was there is lost (reported). */
  async read(): Promise<unknown> {
    await this.#setLeftoverAside();
    const main = await find(this.#path);
    if ('value' in main) return main.value;
    const backup = await find(`${this.#path}.bak`);
    // Before the next write would make it the backup and so drop the last good one.
    if ('problem' in main) await rename(this.#path, `${this.#path}.corrupt`);
    const problem = 'problem' in main ? main.problem : 'the file is missing';
    if ('value' in backup) {
      this.#say('recovered', `${problem}; the backup is used`);
      return backup.value;
    }
    if ('problem' in main || 'problem' in backup) this.#say('lost', `${problem}; there is no usable backup`);
    return null;
  }

  async write(record: unknown): Promise<void> {
    await this.writeText(JSON.stringify(record));
  }

  /** Writes a record that is already text. */
  async writeText(text: string): Promise<void> {
    await writeAtomically(this.#path, text, true);
  }

  async #setLeftoverAside(): Promise<void> {
    try {
      await rename(`${this.#path}.tmp`, `${this.#path}.left`);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    this.#say('leftover', 'a write was cut off before it was complete; what was written is kept as .left');
  }

  #say(kind: FileReport['kind'], message: string): void {
    this.#report({ kind, path: this.#path, message });
  }
}
