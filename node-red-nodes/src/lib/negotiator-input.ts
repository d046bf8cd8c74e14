import type { OperatorBody } from '@apis-edge/gateway/domain';
import { idIn, isObject } from './loose-object.ts';

type Scenario = Extract<OperatorBody, { kind: 'scenario' }>['value'];
type Injection = Omit<Extract<OperatorBody, { kind: 'deal.request' }>, 'kind'>;

export interface NegotiatorMessage {
  readonly payload?: unknown;
  /** Left alone by nodes in between: which question is answered. */
  readonly question?: unknown;
}

/** The word on a question: true or false, or an object with `allow` and a `reason`. Throws with what was expected (INV-11). */
function verdictOf({ payload, question }: NegotiatorMessage): OperatorBody {
  const id = idIn(payload) ?? idIn(question);
  if (id === undefined) throw new Error('expected the id of the question in payload.id or msg.question.id, got none');
  const allow = isObject(payload) ? payload.allow : payload;
  if (typeof allow !== 'boolean')
    throw new Error(`payload.allow: expected true or false, got ${JSON.stringify(allow)?.slice(0, 80)}`);
  const reason = isObject(payload) && typeof payload.reason === 'string' ? { reason: payload.reason } : {};
  return { kind: 'verdict', id, allow, ...reason };
}

function injectionOf({ payload }: NegotiatorMessage): OperatorBody {
  if (!isObject(payload))
    throw new Error(`payload: expected an object with type, got ${JSON.stringify(payload)?.slice(0, 80)}`);
  return { kind: 'deal.request', ...(payload as unknown as Injection) }; // the client judges each field before it is sent
}

/** What a message is to the unit, by its topic. A scenario is judged by the unit as it judges a file. */
const BY_TOPIC: Readonly<Record<string, (message: NegotiatorMessage) => OperatorBody>> = {
  scenario: ({ payload }) => ({ kind: 'scenario', value: payload as Scenario }),
  deal: injectionOf,
  decision: verdictOf,
};

/** Undefined for a topic that means nothing here. */
export const negotiatorWord = (topic: unknown, message: NegotiatorMessage): OperatorBody | undefined =>
  typeof topic === 'string' && Object.hasOwn(BY_TOPIC, topic) ? BY_TOPIC[topic]?.(message) : undefined;
