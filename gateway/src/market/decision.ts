import type { Deal } from '../domain/deal.ts';
import { messageOf } from '../domain/errors.ts';
import type { EpochMsec } from '../domain/quantities.ts';
import type { Offer, Refusal } from '../domain/trade.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import type { MarketNeeds } from './needs.ts';

/**
 * Where a decision was taken: own request, answer to another's, choice among accepts, proposal to (as requester) or
 * by (as acceptor) a peer, the finished deal, or a message that was not even looked at.
 */
export type DecisionStep = 'request' | 'answer' | 'choice' | 'proposal' | 'deal' | 'message';

/** One decision with its reason and numbers: the answer to "why (not) this deal?". */
export interface Decision {
  readonly at: EpochMsec;
  readonly unitId: string;
  readonly step: DecisionStep;
  readonly negotiationId?: string;
  readonly peerUnitId?: string;
  /** What set it off, e.g. `timer`. */
  readonly why?: string;
  /** What was offered, or chosen. */
  readonly offer?: Offer;
  readonly deal?: Deal;
  /** Present when it was a no. */
  readonly refusal?: Refusal;
}

export type DecisionInput = Omit<Decision, 'at' | 'unitId'>;

/** Tells every decision to the log and to whoever listens. */
export class DecisionReport {
  readonly #needs: Pick<MarketNeeds, 'unitId' | 'clock' | 'log'>;
  readonly #handlers = new Set<(decision: Decision) => void>();

  constructor(needs: Pick<MarketNeeds, 'unitId' | 'clock' | 'log'>) {
    this.#needs = needs;
  }

  onDecision(handle: (decision: Decision) => void): Unsubscribe {
    this.#handlers.add(handle);
    return () => this.#handlers.delete(handle);
  }

  report(input: DecisionInput): void {
    const { unitId, clock, log } = this.#needs;
    const decision: Decision = { at: clock.now(), unitId, ...input };
    const level = input.step === 'message' ? 'warn' : input.step === 'deal' ? 'info' : 'debug';
    log[level](decision, `market.${input.step}`);
    for (const handle of [...this.#handlers]) this.#tell(handle, decision);
  }

  /** A listener that throws must not break a negotiation. */
  #tell(handle: (decision: Decision) => void, decision: Decision): void {
    try {
      handle(decision);
    } catch (error) {
      this.#needs.log.error({ unitId: decision.unitId, message: messageOf(error) }, 'market.listener-failed');
    }
  }
}
