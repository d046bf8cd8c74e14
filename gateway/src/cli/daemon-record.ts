import { rm } from 'node:fs/promises';
import { writeAtomically } from '../adapters/files/atomic-file.ts';
import type { DaemonFile } from '../client/index.ts';

/** `<data>/daemon.json` while a daemon runs: written once its brokers listen, gone for good once it stops. */
export class DaemonRecord {
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();
  #isRemoved = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Gives false, and writes nothing, when the daemon has stopped meanwhile. */
  async write(content: DaemonFile): Promise<boolean> {
    if (this.#isRemoved) return false;
    this.#writing = writeAtomically(this.#path, JSON.stringify(content));
    await this.#writing;
    return !this.#isRemoved;
  }

  /** Waits for a write under way, which would bring the file back. */
  async remove(): Promise<void> {
    this.#isRemoved = true;
    await this.#writing.catch(() => undefined); // its caller hears of the failure
    await rm(this.#path, { force: true });
  }
}
