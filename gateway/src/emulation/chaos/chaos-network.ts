import type { Milliseconds } from '../../domain/quantities.ts';
import type { Entropy } from '../../ports/entropy.ts';

/** What is wrong with the mesh of brokers. */
export type NetworkTrouble =
  /** Two parts that do not hear each other; `units` are one of them. */
  | { readonly kind: 'partition'; readonly units: readonly string[] }
  /** Every message from or to these units is lost with this probability. */
  | { readonly kind: 'messageLoss'; readonly units: readonly string[]; readonly probability: number }
  /** Every message from or to these units is late by up to so much. */
  | { readonly kind: 'messageDelay'; readonly units: readonly string[]; readonly delayMsec: Milliseconds };

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
      const concerns = trouble.units.includes(from) !== trouble.units.includes(to);
      if (trouble.kind === 'partition') {
        if (concerns) return undefined;
      } else if (concerns || trouble.units.includes(from)) {
        if (trouble.kind === 'messageDelay') delayMsec += this.#entropy.next() * trouble.delayMsec;
        else if (this.#entropy.next() < trouble.probability) return undefined;
      }
    }
    return delayMsec;
  };
}
