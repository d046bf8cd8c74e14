import type { Milliseconds } from '../domain/quantities.ts';

/** When each of the last messages of a running number was sent; what was sent before them is forgotten. */
export class SentTimes {
  readonly #size: number;
  /** Each number where its remainder says, until a later one takes the place. */
  #sent: { readonly number: number; readonly at: Milliseconds }[] = [];

  /** Remembers `size` messages. */
  constructor(size: number) {
    this.#size = size;
  }

  note(number: number, at: Milliseconds): void {
    this.#sent[number % this.#size] = { number, at };
  }

  at(number: number): Milliseconds | undefined {
    const sent = this.#sent[number % this.#size];
    return sent?.number === number ? sent.at : undefined;
  }

  forget(): void {
    this.#sent = [];
  }
}
