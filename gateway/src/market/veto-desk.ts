import type { Milliseconds } from '../domain/quantities.ts';
import { type DealQuestion, LONGEST_VETO_MSEC, type OnSilence } from '../domain/question.ts';
import type { Offer, Refusal } from '../domain/trade.ts';
import type { Clock } from '../ports/clock.ts';
import type { Entropy } from '../ports/entropy.ts';
import { refuse } from './outcome.ts';

export interface VetoDeskNeeds {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Puts the question to whoever may refuse. */
  say(question: DealQuestion): void;
  /** No negotiation waits longer than a part of its own time. */
  longestMsec(): Milliseconds;
}

/** A flow that wants to be asked, for as long as it goes on saying so. */
export interface VetoHolder {
  readonly onSilence: OnSilence;
  readonly limitMsec: Milliseconds;
  readonly holdMsec: Milliseconds;
}

/**
 * Asks a flow before an own request or accept is said. It may only say no: what policy and scenario forbid is not asked
 * for. Silence means what it has set, and one that is not heard of any more is not asked: trading never needs a flow.
 */
export class VetoDesk {
  readonly #needs: VetoDeskNeeds;
  readonly #open = new Map<string, (refusal: Refusal | undefined) => void>();
  #holder: VetoHolder | undefined;
  #until: Milliseconds = 0;

  constructor(needs: VetoDeskNeeds) {
    this.#needs = needs;
  }

  /** A flow wants to be asked from now on, or no more. */
  hold(holder: VetoHolder | undefined): void {
    this.#holder = holder;
    this.#until = this.#needs.clock.monotonic() + (holder?.holdMsec ?? 0);
  }

  /** Who is to be asked at this moment. */
  get holder(): VetoHolder | undefined {
    return this.#needs.clock.monotonic() < this.#until ? this.#holder : undefined;
  }

  /** Resolves with the no of the flow, or of its silence; undefined: go on. Never rejects. */
  ask(holder: VetoHolder, step: DealQuestion['step'], offer: Offer, peerUnitId?: string): Promise<Refusal | undefined> {
    const { clock, entropy, say, longestMsec } = this.#needs;
    const { onSilence } = holder;
    const limitMsec = Math.min(holder.limitMsec, LONGEST_VETO_MSEC, longestMsec());
    const id = entropy.uuid();
    return new Promise((resolve) => {
      const silent = onSilence === 'allow' ? undefined : refuse('veto.silence', { limitMsec }).refusal;
      const cancel = clock.after(limitMsec, () => settle(silent));
      const settle = (refusal: Refusal | undefined): void => {
        cancel();
        this.#open.delete(id);
        resolve(refusal);
      };
      this.#open.set(id, settle);
      const peer = peerUnitId === undefined ? {} : { peerUnitId };
      say({ id, step, offer, ...peer, time: clock.now(), limitMsec, onSilence });
    });
  }

  /** The flow's word; false when nobody waits for it any more. */
  answer(id: string, isAllowed: boolean, reason: string): boolean {
    const settle = this.#open.get(id);
    settle?.(isAllowed ? undefined : refuse('veto.flow', { reason }).refusal);
    return settle !== undefined;
  }
}
