import type { HeardMessage } from '@apis-edge/gateway/client';
import type { Offer } from '@apis-edge/gateway/domain';
import { negotiationEvent } from './negotiation.ts';
import type { RefusalNote } from './page-message.ts';

const KEPT_NOTES = 60;
const KEPT_REQUESTS = 300;

/** Who refused whom and why, out of the messages that are heard; the same no again is counted, not listed again. */
export class RefusalBook {
  readonly #requests = new Map<string, Offer>();
  readonly #notes = new Map<string, RefusalNote>();

  hear(message: HeardMessage): void {
    const event = negotiationEvent(message);
    if (event?.kind === 'request') this.#remember(event.negotiationId, event.offer);
    if (event?.kind === 'refusal') this.#note(event.negotiationId, event.unitId, event.refusal);
  }

  /** The latest last. */
  notes(): readonly RefusalNote[] {
    return [...this.#notes.values()];
  }

  #remember(negotiationId: string, offer: Offer): void {
    this.#requests.set(negotiationId, offer);
    const [oldest] = this.#requests.keys();
    if (oldest !== undefined && this.#requests.size > KEPT_REQUESTS) this.#requests.delete(oldest);
  }

  #note(negotiationId: string, acceptUnitId: string, refusal: RefusalNote['refusal'] | undefined): void {
    const request = this.#requests.get(negotiationId);
    // Without the request nobody knows whom it was said to; and a peer may say anything (INV-11).
    if (request === undefined || typeof refusal?.reason !== 'string') return;
    const { unitId: requestUnitId, type, amountWh, dateTime } = request;
    const key = [requestUnitId, acceptUnitId, type, refusal.reason].join(' ');
    const count = (this.#notes.get(key)?.count ?? 0) + 1;
    this.#notes.delete(key);
    this.#notes.set(key, { requestUnitId, acceptUnitId, wanted: { type, amountWh }, refusal, at: dateTime, count });
    const [oldest] = this.#notes.keys();
    if (oldest !== undefined && this.#notes.size > KEPT_NOTES) this.#notes.delete(oldest);
  }
}
