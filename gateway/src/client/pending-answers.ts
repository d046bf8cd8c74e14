import type { OperatorAnswer } from '../adapters/mesh/operator-message.ts';
import type { EmulationState } from '../domain/emulation.ts';
import { PeerError } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';

/** For the person who asked: a word that nobody answers may have been heard. */
export const UNKNOWN_OUTCOME = 'whether it was carried out is not known';

interface Pending {
  readonly unitId: string;
  readonly timer: NodeJS.Timeout;
  readonly resolve: (emulation: EmulationState | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** Messages that wait for their answer, each with its deadline. */
export class PendingAnswers {
  readonly #pending = new Map<string, Pending>();

  /** Resolves with the answer `ok`, and what it tells of the emulation; rejects PeerError `peer.refused` or, after `deadline`, `peer.timeout`. */
  expect(id: string, unitId: string, deadline: Milliseconds): Promise<EmulationState | undefined> {
    return new Promise((resolve, reject) => {
      const late = new PeerError(
        'peer.timeout',
        unitId,
        `${unitId} did not answer within ${deadline} ms; ${UNKNOWN_OUTCOME}`,
      );
      const timer = setTimeout(() => this.fail(id, late), deadline);
      this.#pending.set(id, { unitId, timer, resolve, reject });
    });
  }

  /** An answer nobody waits for (another client's, a late one) is none of ours. */
  answer(id: string, answer: OperatorAnswer): void {
    const pending = this.#take(id);
    if (answer.ok) pending?.resolve(answer.emulation);
    else pending?.reject(new PeerError('peer.refused', pending.unitId, answer.message));
  }

  fail(id: string, error: Error): void {
    this.#take(id)?.reject(error);
  }

  failAll(error: Error): void {
    for (const id of [...this.#pending.keys()]) this.fail(id, error);
  }

  #take(id: string): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }
}
