import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { InternalError } from '../domain/errors.ts';
import { type ChaosOptions, chaosSeed, type SeedReport } from '../emulation/chaos/chaos.ts';
import type { Violation } from '../emulation/chaos/run-result.ts';

/** What the thread says of a seed. */
type Told = { readonly failing: Violation } | { readonly report: SeedReport };

/** A thread of its own for fault runs: one seed at a time. */
export class ChaosWorker {
  readonly #worker: Worker;

  constructor(options: ChaosOptions) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: { chaos: options } });
  }

  /** Runs a seed there, and calls `failing` before a failure is shrunk. Rejects when the thread itself fails. */
  run(seed: number, failing: (first: Violation) => void): Promise<SeedReport> {
    return new Promise((resolve, reject) => {
      const hear = (told: Told): void => {
        if ('failing' in told) {
          failing(told.failing);
          return;
        }
        this.#worker.off('message', hear).off('error', failed).off('exit', ended);
        resolve(told.report);
      };
      const failed = (error: unknown): void => reject(error);
      const ended = (code: number): void => reject(new InternalError(`the thread of seed ${seed} ended with ${code}`));
      this.#worker.on('message', hear).once('error', failed).once('exit', ended);
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
  const tell = (told: Told): void => parentPort?.postMessage(told);
  parentPort?.on('message', async (seed: number) =>
    tell({ report: await chaosSeed(seed, options, (failing) => tell({ failing })) }),
  );
}
