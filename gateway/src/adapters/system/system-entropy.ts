import { randomFillSync, randomUUID } from 'node:crypto';
import type { Entropy } from '../../ports/entropy.ts';

/** Randomness of the operating system. */
export class SystemEntropy implements Entropy {
  readonly #words = new Uint32Array(2);

  next(): number {
    randomFillSync(this.#words);
    const [high = 0, low = 0] = this.#words;
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53; // all 53 bits of a double in [0, 1)
  }

  uuid(): string {
    return randomUUID();
  }
}
