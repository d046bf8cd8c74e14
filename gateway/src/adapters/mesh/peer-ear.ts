import type { Channel } from '../../domain/messages.ts';
import type { EpochMsec, Milliseconds } from '../../domain/quantities.ts';
import { type Allowance, TokenBucket } from '../broker/token-bucket.ts';
import { MessageAge } from './message-age.ts';
import { type AnyDelivery, hear } from './message-schemas.ts';
import { parseTopic, type UnitPlace } from './mqtt-topics.ts';
import { bodyProblem } from './peer-schemas.ts';

/** What a peer may say: some ten messages a second are usual, and all that it keeps comes at once after a connect. */
const PEER_ALLOWANCE: Allowance = { perSecond: 100, burst: 600 };
/** What can wait for the birth of its session. */
const MOST_HELD = 600;
const REMEMBERED_SESSIONS = 16;

/**
 * Signs of life, which are repeated all the time: worth nothing when they are old (a thawed process reads what waited
 * in its sockets) or were kept for us (cluster-safety.md, "Words").
 */
const LONGEST_AGE_MSEC: Partial<Record<Channel, Milliseconds>> = { election: 1_000, grid: 1_000 };

export type Judgement =
  | { readonly kind: 'message'; readonly delivery: AnyDelivery }
  /** A new process of the peer: what its former one kept is void. */
  | { readonly kind: 'born'; readonly delivery: AnyDelivery; readonly held: readonly AnyDelivery[] }
  | { readonly kind: 'gone'; readonly channel: Channel; readonly key: string }
  /** Came late, or waits for the birth of its session; nobody has done anything wrong. */
  | { readonly kind: 'nothing' }
  /** `what` is one of a few, `why` tells the case. */
  | { readonly kind: 'refused'; readonly what: string; readonly why: string };

const NOTHING: Judgement = { kind: 'nothing' };
const refused = (why: string, what = why): Judgement => ({ kind: 'refused', what, why });

/** Now, by two clocks. */
export interface Moment {
  readonly now: EpochMsec;
  readonly monotonic: Milliseconds;
}

/**
 * Judges what stands on the broker of one peer (architecture.md §3, "a message handler never trusts content"): only
 * what the peer itself says, now, in the session of its newest birth, in the shape of the channel, and not too much.
 */
export class PeerEar {
  readonly #peer: UnitPlace;
  readonly #allowance = new TokenBucket(PEER_ALLOWANCE);
  readonly #held = new Map<string, AnyDelivery>();
  #age = new MessageAge();
  #session: string | undefined;
  #former: readonly string[] = [];

  constructor(peer: UnitPlace) {
    this.#peer = peer;
  }

  /** Session of the newest birth. */
  get session(): string | undefined {
    return this.#session;
  }

  judge(topicText: string, payload: Uint8Array, isRetained: boolean, at: Moment): Judgement {
    if (!this.#allowance.take(at.monotonic)) return refused('too many messages');
    const topic = parseTopic(topicText);
    if (topic === undefined || !this.#isPeers(topic)) return refused('topic of somebody else');
    const heard = hear(topicText, payload);
    if (heard.kind === 'garbage') return refused(heard.why, heard.what);
    if (heard.kind === 'other') return refused('topic of no channel');
    if (heard.kind === 'gone') {
      this.#held.delete(topicText);
      return heard;
    }
    const problem = bodyProblem(heard.delivery.channel, heard.delivery.envelope.body);
    if (problem !== undefined) return refused(problem, `body of ${heard.delivery.channel}`);
    return this.#judgeSession(topicText, heard.delivery, isRetained, at);
  }

  #isPeers(topic: UnitPlace): boolean {
    const { communityId, clusterId, unitId } = this.#peer;
    return topic.unitId === unitId && topic.clusterId === clusterId && topic.communityId === communityId;
  }

  #judgeSession(topic: string, delivery: AnyDelivery, isRetained: boolean, at: Moment): Judgement {
    const { session } = delivery.envelope;
    if (isRetained && LONGEST_AGE_MSEC[delivery.channel] !== undefined) return NOTHING;
    if (this.#former.includes(session)) return NOTHING;
    if (delivery.channel === 'birth' && session !== this.#session) return this.#born(delivery, at);
    if (session === this.#session) return this.#judgeAge(delivery, isRetained, at);
    if (this.#held.size < MOST_HELD) this.#held.set(topic, delivery);
    return NOTHING;
  }

  #born(delivery: AnyDelivery & { readonly channel: 'birth' }, at: Moment): Judgement {
    const { session, body } = delivery.envelope;
    if (body.unitId !== this.#peer.unitId || body.session !== session) return refused('birth of somebody else');
    if (this.#session !== undefined) this.#former = [...this.#former, this.#session].slice(-REMEMBERED_SESSIONS);
    this.#session = session;
    this.#age = new MessageAge();
    const held = [...this.#held.values()].filter((one) => one.envelope.session === session);
    this.#held.clear();
    return { kind: 'born', delivery: this.#timed(delivery, 0, at), held: held.map((one) => this.#timed(one, 0, at)) };
  }

  #judgeAge(delivery: AnyDelivery, isRetained: boolean, at: Moment): Judgement {
    const { uptimeMsec, expiryMsec } = delivery.envelope;
    if (uptimeMsec === undefined) return refused('no time of the sender');
    const age = this.#age[isRetained ? 'of' : 'note'](uptimeMsec, at.monotonic);
    const limit = expiryMsec ?? LONGEST_AGE_MSEC[delivery.channel];
    if (limit !== undefined && age > limit) return NOTHING;
    return { kind: 'message', delivery: this.#timed(delivery, age, at) };
  }

  /** From here on the time of a message is told by our own clock. */
  #timed<D extends AnyDelivery>(delivery: D, age: Milliseconds, { now }: Moment): D {
    return { ...delivery, envelope: { ...delivery.envelope, time: now - age } };
  }
}
