import type { Milliseconds } from '../../domain/quantities.ts';
import type { Entropy } from '../../ports/entropy.ts';

/** What is wrong with the mesh of brokers. */
export type NetworkTrouble =
  /**
   * Two parts that do not hear each other; `units` are one of them. `refuses`: what is between them turns connections
   * away, so that each part takes the other for ended.
   */
  | { readonly kind: 'partition'; readonly units: readonly string[]; readonly refuses?: boolean }
  /** Every message from or to these units is lost with this probability. */
  | { readonly kind: 'messageLoss'; readonly units: readonly string[]; readonly probability: number }
  /** Every message from or to these units is late by up to so much. */
  | { readonly kind: 'messageDelay'; readonly units: readonly string[]; readonly delayMsec: Milliseconds };

/** Is one of the two among the units of the trouble, and the other not? */
export const isBetween = ({ units }: NetworkTrouble, from: string, to: string): boolean =>
  units.includes(from) !== units.includes(to);

/** Messages from or to such units are late or lost, whoever is at the other end; a cut stands between its two parts only. */
const concerns = (trouble: NetworkTrouble, from: string, to: string): boolean =>
  isBetween(trouble, from, to) || (trouble.kind !== 'partition' && trouble.units.includes(from));

const USUAL_MSEC: Milliseconds = 1;

/** Delays and losses between units, as the in-memory bus asks for them. */
export class ChaosNetwork {
  readonly #entropy: Entropy;
  readonly #troubles = new Set<NetworkTrouble>();

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  begin(trouble: NetworkTrouble): void {
    this.#troubles.add(trouble);
  }

  end(trouble: NetworkTrouble): void {
    this.#troubles.delete(trouble);
  }

  get isWell(): boolean {
    return this.#troubles.size === 0;
  }

  /** Delay of a message; undefined when it is lost. */
  readonly delay = (from: string, to: string): Milliseconds | undefined => {
    let delayMsec = USUAL_MSEC;
    for (const trouble of this.#troubles) {
      if (!concerns(trouble, from, to)) continue;
      if (trouble.kind === 'partition') return undefined;
      if (trouble.kind === 'messageDelay') delayMsec += this.#entropy.next() * trouble.delayMsec;
      else if (this.#entropy.next() < trouble.probability) return undefined;
    }
    return delayMsec;
  };

  /** Nothing is wrong on the way from one unit to another. */
  isClear(from: string, to: string): boolean {
    return ![...this.#troubles].some((trouble) => concerns(trouble, from, to));
  }
}
