/** Randomness as the core sees it: the only source of it there, so that a seed repeats a run. */
export interface Entropy {
  /** Uniform in [0, 1). */
  next(): number;
  /** Random version-4 UUID. */
  uuid(): string;
}

/** Standard normal deviate (Box–Muller). */
export function gaussian(entropy: Entropy): number {
  const radius = Math.sqrt(-2 * Math.log(1 - entropy.next()));
  return radius * Math.cos(2 * Math.PI * entropy.next());
}

/** 32-bit hash of a text (FNV-1a): turns a label into a stream of its own. */
const hash = (text: string): number => {
  let value = 0x811c9dc5;
  for (const char of text) value = Math.imul(value ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return value >>> 0;
};

/** Reproducible generator (mulberry32); `fork` gives an independent stream that only its label decides. */
export class SeededEntropy implements Entropy {
  readonly #seed: number;
  #state: number;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#state = this.#seed;
  }

  fork(label: string): SeededEntropy {
    return new SeededEntropy(hash(`${this.#seed}/${label}`));
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  uuid(): string {
    const hex = (digits: number): string =>
      Array.from({ length: digits }, () => Math.floor(this.next() * 16).toString(16)).join('');
    const variant = '89ab'.charAt(Math.floor(this.next() * 4));
    return `${hex(8)}-${hex(4)}-4${hex(3)}-${variant}${hex(3)}-${hex(12)}`;
  }
}
