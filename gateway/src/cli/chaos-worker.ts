import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { InternalError } from '../domain/errors.ts';
import { type ChaosOptions, chaosSeed, type SeedReport } from '../emulation/chaos/chaos.ts';

/** A thread of its own for fault runs: one seed at a time. */
export class ChaosWorker {
  readonly #worker: Worker;

  constructor(options: ChaosOptions) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: { chaos: options } });
  }

  /** Runs a seed there. Rejects when the thread itself fails. */
  run(seed: number): Promise<SeedReport> {
    return new Promise((resolve, reject) => {
      const done = (report: SeedReport): void => {
        this.#worker.off('error', failed).off('exit', ended);
        resolve(report);
      };
      const failed = (error: unknown): void => reject(error);
      const ended = (code: number): void => reject(new InternalError(`the thread of seed ${seed} ended with ${code}`));
      this.#worker.once('message', done).once('error', failed).once('exit', ended);
      this.#worker.postMessage(seed);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** What a thread of this file does: it answers every seed with its report. */
const options = (workerData as { chaos?: ChaosOptions } | null)?.chaos; // only the class above sets it
if (!isMainThread && options !== undefined) {
  parentPort?.on('message', async (seed: number) => parentPort?.postMessage(await chaosSeed(seed, options)));
}
