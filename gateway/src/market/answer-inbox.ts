import type { Milliseconds } from '../domain/quantities.ts';
import type { Accept, Refusal, Request } from '../domain/trade.ts';
import type { Clock } from '../ports/clock.ts';
import { oppositeType } from './deal-terms.ts';
import { refuse } from './outcome.ts';
import { readAnswer } from './read-message.ts';

/** How often the inbox looks whether those it waits for are still there. */
const LOOK_AGAIN_MSEC: Milliseconds = 100;

/** The answers to one request: complete as soon as everybody who is there has answered (W2). */
export class AnswerInbox {
  /** In order of arrival. */
  readonly accepts: Accept[] = [];
  readonly #request: Request;
  #waitingFor: Set<string>;
  readonly #answered = new Set<string>();
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(request: Request, expectedUnitIds: readonly string[]) {
    this.#request = request;
    this.#waitingFor = new Set(expectedUnitIds);
  }

  /** Those who have not said a word. */
  get silent(): readonly string[] {
    return [...this.#waitingFor];
  }

  /** Takes one answer; gives the reason when it is not usable: a typed no, malformed, or not the first (W16). */
  take(sender: string, body: unknown): Refusal | undefined {
    if (this.#answered.has(sender)) return refuse('message.duplicate').refusal;
    const answer = readAnswer(body, sender);
    if ('refusal' in answer) return answer.refusal;
    const accept = 'accept' in answer.ok ? answer.ok.accept : undefined;
    if (accept !== undefined && accept.type !== oppositeType(this.#request.type)) {
      return refuse('type.mismatch', { requestType: this.#request.type, acceptType: accept.type }).refusal;
    }
    if (accept !== undefined) this.accepts.push(accept);
    this.#answered.add(sender);
    this.#waitingFor.delete(sender);
    if (this.#waitingFor.size === 0) this.#wake?.();
    return 'no' in answer.ok ? answer.ok.no : undefined;
  }

  /** Stops waiting now. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Resolves when all have answered or left, at the latest after `limitMsec`, at once on `end`. Never rejects. */
  async complete(clock: Clock, limitMsec: Milliseconds, aliveMembers: () => readonly string[]): Promise<void> {
    const deadline = clock.monotonic() + limitMsec;
    while (this.#waitingFor.size > 0 && !this.#ended && clock.monotonic() < deadline) {
      await this.#pause(clock, Math.min(LOOK_AGAIN_MSEC, deadline - clock.monotonic()));
      const alive = aliveMembers();
      this.#waitingFor = new Set([...this.#waitingFor].filter((unitId) => alive.includes(unitId)));
    }
  }

  #pause(clock: Clock, delay: Milliseconds): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(delay, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
