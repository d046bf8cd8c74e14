import type { HeardMessage } from '@apis-edge/gateway/client';
import type { Deal, Offer, Refusal } from '@apis-edge/gateway/domain';

/** What `apis-deal-negotiator` says of a negotiation. */
export type NegotiationEvent =
  | { readonly kind: 'request'; readonly negotiationId: string; readonly unitId: string; readonly offer: Offer }
  | { readonly kind: 'accept'; readonly negotiationId: string; readonly unitId: string; readonly offer: Offer }
  | { readonly kind: 'refusal'; readonly negotiationId: string; readonly unitId: string; readonly refusal: Refusal }
  | { readonly kind: 'choice'; readonly negotiationId: string; readonly unitId: string; readonly deal: Deal };

/** Requests and answers as they are heard; undefined for all other messages. */
export function negotiationEvent(message: HeardMessage): NegotiationEvent | undefined {
  const { unitId, key: negotiationId } = message;
  if (message.channel === 'request') return { kind: 'request', negotiationId, unitId, offer: message.envelope.body };
  if (message.channel !== 'accept') return undefined;
  const answer = message.envelope.body;
  return 'accept' in answer
    ? { kind: 'accept', negotiationId, unitId, offer: answer.accept }
    : { kind: 'refusal', negotiationId, unitId, refusal: answer.refusal };
}

/** A new deal is the choice that its requester made. */
export const choiceEvent = (deal: Deal): NegotiationEvent => ({
  kind: 'choice',
  negotiationId: deal.negotiationId,
  unitId: deal.requestUnitId,
  deal,
});
