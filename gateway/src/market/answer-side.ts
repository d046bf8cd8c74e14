import type { Milliseconds } from '../domain/quantities.ts';
import type { Accept, Answer, Refusal, Request } from '../domain/trade.ts';
import type { Delivery } from '../ports/bus.ts';
import { decideAccept } from './decide.ts';
import { type Outcome, refuse } from './outcome.ts';
import { type Promised, Promises } from './promises.ts';
import { isId, readOffer } from './read-message.ts';
import type { TradingDesk } from './trading-desk.ts';
import type { VetoHolder } from './veto-desk.ts';

/** Answers the requests of other units, each with an accept or a typed no (market §3.2 S4, S5). */
export class AnswerSide {
  readonly #desk: TradingDesk;
  readonly #promises: Promises;
  /** Negotiations whose answer waits for the word of a flow. */
  readonly #asking = new Set<string>();

  constructor(desk: TradingDesk) {
    this.#desk = desk;
    this.#promises = new Promises(desk.needs.clock);
  }

  /** What this unit promised a requester in a negotiation, while it may be held to it. */
  promisedTo(requestUnitId: string, negotiationId: string): Promised | undefined {
    return this.#promises.find(requestUnitId, negotiationId);
  }

  /** The promise has become a deal: it is good for no other. */
  fulfilled(promised: Promised): void {
    this.#promises.take(promised);
  }

  handle({ key, envelope }: Delivery<'request'>): void {
    const { sender, body } = envelope;
    const { needs } = this.#desk;
    if (sender === needs.unitId) return;
    const unusable = this.#unusable(sender, key);
    if (unusable !== undefined) {
      this.#reportMessage(sender, unusable);
      return;
    }
    const request = readOffer(body, sender);
    if ('ok' in request) {
      this.#answer(key, request.ok);
      return;
    }
    this.#reportMessage(sender, request.refusal);
    // Told as well, so that the sender need not wait for the end of its time.
    this.#publish(key, request);
  }

  /** Messages that get no answer: from strangers, without the id to answer to, or answered already. */
  #unusable(sender: string, negotiationId: string): Refusal | undefined {
    if (!this.#desk.isMember(sender)) return refuse('message.not-member', { unitId: sender }).refusal;
    if (!isId(negotiationId)) return refuse('message.malformed', { field: 'negotiationId' }).refusal;
    if (this.#asking.has(negotiationId)) return refuse('message.duplicate').refusal;
    if (this.#promises.find(sender, negotiationId) !== undefined) return refuse('message.duplicate').refusal;
    return undefined;
  }

  #answer(negotiationId: string, request: Request): void {
    const accept = this.#decide(request);
    const { holder } = this.#desk.veto;
    if ('ok' in accept && holder !== undefined) void this.#askFirst(holder, negotiationId, request, accept.ok);
    else this.#say(negotiationId, request, accept);
  }

  #decide(request: Request): Outcome<Accept> {
    const { needs, backoff } = this.#desk;
    const refusal = needs.obstacleWith?.(request.unitId) ?? backoff.refusal(request.unitId);
    return refusal === undefined ? decideAccept(this.#desk.situation(), request) : { refusal };
  }

  /** A flow may refuse; what it lets pass is decided anew, for time has passed. */
  async #askFirst(holder: VetoHolder, negotiationId: string, request: Request, accept: Accept): Promise<void> {
    this.#asking.add(negotiationId);
    const refusal = await this.#desk.veto.ask(holder, 'accept', accept, request.unitId);
    this.#asking.delete(negotiationId);
    this.#say(negotiationId, request, refusal === undefined ? this.#decide(request) : { refusal });
  }

  #say(negotiationId: string, request: Request, accept: Outcome<Accept>): void {
    if ('ok' in accept) this.#promises.give({ negotiationId, request, accept: accept.ok }, this.#promiseMsec());
    this.#desk.report({
      step: 'answer',
      negotiationId,
      peerUnitId: request.unitId,
      ...('ok' in accept ? { offer: accept.ok } : accept),
    });
    this.#publish(negotiationId, accept);
  }

  /** A requester waits once for answers and once for the registration, so long a promise is worth keeping. */
  #promiseMsec(): Milliseconds {
    return 2 * this.#desk.negotiationTimeoutMsec();
  }

  #publish(negotiationId: string, outcome: Outcome<Accept>): void {
    const { bus, unitId } = this.#desk.needs;
    const answer: Answer = 'ok' in outcome ? { unitId, accept: outcome.ok } : { unitId, refusal: outcome.refusal };
    bus.publish('accept', negotiationId, answer, { expiryMsec: this.#desk.negotiationTimeoutMsec() });
  }

  #reportMessage(sender: string, refusal: Refusal): void {
    this.#desk.report({ step: 'message', peerUnitId: sender, refusal });
  }
}
