import type { X509Certificate } from 'node:crypto';
import { type Birth, type Channel, RETAINED } from '../../domain/messages.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Role } from '../../domain/role.ts';
import { type Clock, sleep } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { BrokerConnection, type ConnectionState, type UnitAddress } from '../broker/broker-connection.ts';
import type { ClientTls } from '../broker/mqtt-socket.ts';
import { brokerProblem } from '../identity/certificate-roles.ts';
import { factsIn } from '../identity/identity-files.ts';
import type { TlsIdentity } from '../identity/tls-identity.ts';
import { NotedTroubles } from '../log/noted-troubles.ts';
import type { AnyDelivery } from './message-schemas.ts';
import { rootOf, type UnitPlace } from './mqtt-topics.ts';
import { PeerEar } from './peer-ear.ts';
import { isRefused } from './refusal.ts';

/** A unit that lives says something twice a second; a connection that is silent for so long is a dead one. */
const SILENCE_MSEC: Milliseconds = 1_500;

/** So much later than that the first word may come: it is sent when the peer has got the subscription, and takes its way. */
const FIRST_WORD_MSEC: Milliseconds = 1_000;

/** An ending process has closed all its sockets by then. */
const LOOK_AGAIN_MSEC: Milliseconds = 25;

/** What a peer keeps comes within this time after a subscription. */
const SETTLED_MSEC: Milliseconds = 200;

/** Channels whose key begins with the unit that is meant. */
const ADDRESSED: readonly Channel[] = ['command', 'reply'];

/** What of a peer concerns us: all that it says to everybody, and what it says to us. */
export const filtersOf = (peer: UnitPlace, unitId: string): readonly string[] =>
  (Object.keys(RETAINED) as Channel[]).map((channel) =>
    ADDRESSED.includes(channel) ? `${rootOf(peer)}/${channel}/${unitId}/#` : `${rootOf(peer)}/${channel}/#`,
  );

export interface PeerLinkOptions {
  /** The unit that listens. */
  readonly unitId: string;
  readonly peer: UnitPlace;
  readonly tls?: TlsIdentity;
  /** `mqtt.tls.roles`, for certificates without a role. */
  readonly roles?: Readonly<Record<string, Role>>;
  readonly clock: Clock;
  readonly log: Log;
  readonly hear: (delivery: AnyDelivery) => void;
  /** What the peer kept before is void: it is a new process, or is going to say it again. */
  readonly forget: (peerId: string) => void;
  readonly gone: (peerId: string, channel: Channel, key: string) => void;
  /** The process of this session has ended. */
  readonly vanished: (peerId: string, session: string) => void;
}

/** The process that was heard last, until it is known to have ended. */
interface Living {
  readonly session: string;
  readonly heardAt: Milliseconds;
}

const isSamePlace = (one: UnitAddress, other: UnitAddress): boolean =>
  one.host === other.host && one.port === other.port;

/** The ear at one peer's broker: a connection that is renewed when the peer falls silent, and the judgement of what is heard. */
export class PeerLink {
  readonly #options: PeerLinkOptions;
  readonly #ear: PeerEar;
  readonly #connection: BrokerConnection;
  readonly #troubles: NotedTroubles;
  #addresses: readonly UnitAddress[];
  #attempts = 0;
  #address: UnitAddress | undefined;
  #heardAt: Milliseconds;
  #connectedAt: Milliseconds | undefined;
  #hasFailed = false;
  #certificate: X509Certificate | undefined;
  /** Where the peer itself says that its broker is. */
  #home: Birth['broker'];
  #living: Living | undefined;
  #isLookingForEnd = false;

  constructor(options: PeerLinkOptions, addresses: readonly UnitAddress[]) {
    this.#options = options;
    this.#addresses = addresses;
    this.#ear = new PeerEar(options.peer);
    this.#heardAt = options.clock.monotonic();
    this.#troubles = new NotedTroubles(options.log, () => options.clock.monotonic());
    this.#connection = new BrokerConnection({
      address: () => this.#nextAddress(),
      subscribe: filtersOf(options.peer, options.unitId),
      name: options.unitId,
      tls: () => this.#tls(),
      onError: (message) =>
        this.#troubles.note(message, { peer: options.peer.unitId, message }, 'mesh.peer-unreachable'),
      mustProve: true,
      log: options.log,
      onState: (state) => this.#onState(state),
      onMessage: (topic, payload, isRetained) => this.#onMessage(topic, payload, isRetained),
    });
  }

  /** Where the peer's broker was looked for last. */
  get address(): UnitAddress | undefined {
    return this.#address;
  }

  get isConnected(): boolean {
    return this.#connection.state === 'connected';
  }

  /** True once it is known whether the peer can be reached, and what it keeps has come. */
  get isSettled(): boolean {
    if (this.#connectedAt === undefined) return this.#hasFailed;
    return this.#options.clock.monotonic() - this.#connectedAt >= SETTLED_MSEC;
  }

  /** Other places to look at when the present connection is lost. */
  moveTo(addresses: readonly UnitAddress[]): void {
    this.#addresses = addresses;
  }

  /**
   * Called again and again: a frozen process keeps its connections, so that silence is the only sign; and whose
   * certificate was revoked or has expired meanwhile is left.
   */
  check(): void {
    if (!this.isConnected) return;
    const { clock, log, peer, tls } = this.#options;
    const problem = this.#certificate && tls?.problemOf(this.#certificate);
    const isSilent = clock.monotonic() - this.#heardAt >= SILENCE_MSEC;
    if (isSilent) log.debug({ peer: peer.unitId }, 'mesh.peer-silent');
    if (isSilent || problem !== undefined) this.#connection.renew();
  }

  close(): Promise<void> {
    this.#living = undefined;
    return this.#connection.close();
  }

  /** One after the other: a unit may be announced with addresses that cannot be reached from here. */
  #nextAddress(): UnitAddress {
    const address = this.#addresses[this.#attempts++ % this.#addresses.length];
    if (address === undefined) throw new Error('no address is known');
    this.#address = address;
    return address;
  }

  #onState(state: ConnectionState): void {
    if (state === 'disconnected') {
      this.#hasFailed = true;
      void this.#lookForEnd();
    }
    if (state !== 'connected') return;
    const now = this.#options.clock.monotonic();
    this.#heardAt = now + FIRST_WORD_MSEC;
    this.#connectedAt ??= now;
    // All that the peer keeps comes again, without what it took back meanwhile.
    this.#options.forget(this.#options.peer.unitId);
  }

  /**
   * Whoever was heard a moment ago and is refused at every place has ended: a cut refuses nothing, and for a frozen
   * process the kernel answers. (A firewall that rejects looks like an end; it costs deals, and votes decide as ever.)
   * Only where the peer has said that its own process listens at one of the places: a relay may end, or a broker of
   * another program, and the unit live on. Asked twice, and again after every attempt, since the sockets of an ending
   * process do not all close at once.
   */
  async #lookForEnd(): Promise<void> {
    const { clock, log, peer, vanished } = this.#options;
    const living = this.#living;
    const home = this.#home;
    const places = this.#addresses;
    if (this.#isLookingForEnd || living === undefined || home?.isOwn !== true) return;
    if (clock.monotonic() - living.heardAt >= SILENCE_MSEC || !places.some((one) => isSamePlace(one, home))) return;
    this.#isLookingForEnd = true;
    const areRefused = async (): Promise<boolean> => (await Promise.all(places.map(isRefused))).every(Boolean);
    const hasEnded = (await areRefused()) || (await sleep(clock, LOOK_AGAIN_MSEC).then(areRefused));
    this.#isLookingForEnd = false;
    if (this.#living !== living || !hasEnded) return;
    this.#living = undefined;
    log.info({ peer: peer.unitId, session: living.session }, 'mesh.peer-ended');
    vanished(peer.unitId, living.session);
  }

  #onMessage(topic: string, payload: Uint8Array, isRetained: boolean): void {
    const { clock, hear, forget, gone, peer } = this.#options;
    const at = { now: clock.now(), monotonic: clock.monotonic() };
    const judgement = this.#ear.judge(topic, payload, isRetained, at);
    if (judgement.kind === 'refused') this.#refuse(judgement.what, judgement.why, topic);
    if ('delivery' in judgement && judgement.delivery.channel === 'birth')
      this.#home = judgement.delivery.envelope.body.broker;
    if (judgement.kind === 'gone') gone(peer.unitId, judgement.channel, judgement.key);
    if (judgement.kind === 'born') {
      forget(peer.unitId);
      for (const delivery of [judgement.delivery, ...judgement.held]) hear(delivery);
    }
    if (judgement.kind !== 'message') return;
    if (!isRetained) this.#lives(judgement.delivery.envelope.session, at.monotonic);
    hear(judgement.delivery);
  }

  #lives(session: string, now: Milliseconds): void {
    this.#heardAt = now;
    this.#living = { session, heardAt: now };
    this.#connection.proven();
  }

  #tls(): ClientTls | undefined {
    const { tls, peer, roles = {} } = this.#options;
    if (tls === undefined) return undefined;
    const rules = { clusterId: peer.clusterId, roles };
    return {
      context: tls.context,
      problem: (certificate) => {
        const problem = tls.problemOf(certificate);
        if (problem !== undefined) return `the certificate of the broker ${problem}`;
        this.#certificate = certificate;
        return brokerProblem(factsIn(certificate), peer.unitId, rules);
      },
    };
  }

  #refuse(what: string, why: string, topic: string): void {
    this.#troubles.note(
      what,
      { peer: this.#options.peer.unitId, why, topic: topic.slice(0, 200) },
      'mesh.message-refused',
    );
  }
}
