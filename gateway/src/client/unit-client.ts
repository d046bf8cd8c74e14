import { randomUUID } from 'node:crypto';
import {
  BrokerConnection,
  type ConnectionState,
  type TlsFiles,
  type UnitAddress,
} from '../adapters/broker/broker-connection.ts';
import { type AnyDelivery, type Heard, hear } from '../adapters/mesh/message-schemas.ts';
import { parseTopic, TOPIC_PREFIX, topicOf, type UnitPlace } from '../adapters/mesh/mqtt-topics.ts';
import { parseOperatorAnswer, problemOfOperatorBody } from '../adapters/mesh/operator-message.ts';
import type { EmulationBody, EmulationState } from '../domain/emulation.ts';
import { ConfigError, messageOf, PeerError } from '../domain/errors.ts';
import { type Birth, type Envelope, OPERATOR_ANSWER_MSEC, type OperatorBody } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { DealQuestion } from '../domain/question.ts';
import type { WiredCommand } from '../domain/wired-device.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import { type Log, silentLog } from '../ports/log.ts';
import { clientTls } from './client-tls.ts';
import { CommunityPicture, type CommunityState } from './community-picture.ts';
import { parseDealQuestion } from './deal-questions.ts';
import { EventHub } from './event-hub.ts';
import { PendingAnswers, UNKNOWN_OUTCOME } from './pending-answers.ts';
import { parseWiredCommand } from './wired-commands.ts';

export interface UnitClientOptions {
  /** Also attach to the peers named in the unit's birth; default true. */
  readonly follow?: boolean;
  readonly log?: Log;
}

/** A message as it was heard, with the unit that said it. */
export type HeardMessage = AnyDelivery & { readonly unitId: string };

export interface UnitClientEvents {
  connection: ConnectionState;
  /** Something in `state()` is different; at most once per turn of the event loop. */
  change: undefined;
  message: HeardMessage;
  /** The unit asks something of a device that a flow drives. */
  wired: WiredCommand;
  /** The unit asks before it says a request or an accept, where a `veto` has asked it to. */
  question: DealQuestion;
}

/** Where the client connects: an address, or a function that finds it anew before every attempt. */
export type AddressSource = UnitAddress | (() => UnitAddress | Promise<UnitAddress>);

/** A unit that hears the message later than this acts on stops only. */
const SEND_EXPIRY_MSEC = 5_000;
const WATCH_MSEC = 500;
const MAX_PEERS = 64;

/**
 * Attaches to one unit's broker and, by what that unit knows, to those of its community. Comes back by itself
 * after any loss, never throws outside a call, and takes no message at its word.
 */
export class UnitClient {
  readonly #log: Log;
  readonly #follow: boolean;
  readonly #home: BrokerConnection;
  readonly #peers = new Map<string, { readonly connection: BrokerConnection; readonly address: string }>();
  readonly #picture = new CommunityPicture();
  readonly #answers = new PendingAnswers();
  readonly #events: EventHub<UnitClientEvents>;
  readonly #watch: NodeJS.Timeout;
  #place: UnitPlace | undefined;
  #isHomeKnown = false;
  /** Those with which the home broker was called last; peers take the same. */
  #tlsFiles: TlsFiles | undefined;
  #changeDue = false;
  #online = '';
  #ignored = 0;
  #closed = false;

  /** Returns at once; connects, and reconnects, by itself until `close`. */
  static attach(address: AddressSource, options: UnitClientOptions = {}): UnitClient {
    return new UnitClient(address, options);
  }

  private constructor(address: AddressSource, options: UnitClientOptions) {
    this.#log = options.log ?? silentLog;
    this.#events = new EventHub(this.#log);
    this.#follow = options.follow ?? true;
    const source = typeof address === 'function' ? address : () => address;
    this.#home = this.#connect(source, undefined, (state) => this.#onHomeState(state));
    this.#watch = setInterval(() => this.#watchOnline(), WATCH_MSEC);
    this.#watch.unref();
  }

  get connection(): ConnectionState {
    return this.#home.state;
  }

  /** Messages that were refused as malformed, oversized or of a false sender (INV-11). */
  get ignoredMessages(): number {
    return this.#ignored;
  }

  /** Id of the unit at the other end, as soon as it has spoken. */
  unitId(): string | undefined {
    return this.#place?.unitId;
  }

  /** What is known now; a snapshot. */
  state(): CommunityState {
    return this.#picture.state((unitId) => this.#isConnected(unitId), Date.now());
  }

  on<E extends keyof UnitClientEvents>(event: E, handle: (value: UnitClientEvents[E]) => void): Unsubscribe {
    return this.#events.on(event, handle);
  }

  /** Resolves once the unit is connected and has said who it is; rejects PeerError `peer.timeout`. */
  ready(timeoutMsec: Milliseconds): Promise<void> {
    return this.#until(() => this.#isReady(), timeoutMsec, 'the unit did not answer');
  }

  /** Resolves once `condition` holds of the state; rejects PeerError `peer.timeout`. */
  when(condition: (state: CommunityState) => boolean, timeoutMsec: Milliseconds): Promise<void> {
    return this.#until(() => condition(this.state()), timeoutMsec, 'the state waited for did not come');
  }

  /**
   * Says something to the unit as an operator and waits for its answer. Rejects ConfigError for a body that no
   * operator may say, PeerError `peer.unreachable`, `peer.timeout` or `peer.refused` (with the unit's reason).
   * Never queued: what could not be said now is not said later.
   */
  async send(body: OperatorBody | EmulationBody): Promise<void> {
    await this.#ask(body);
  }

  /** How the unit's emulated world stands; rejects as `send` does, for a unit with a real device `peer.refused`. */
  async emulation(): Promise<EmulationState> {
    const emulation = await this.#ask({ kind: 'emulation.look' });
    if (emulation === undefined) throw new PeerError('peer.refused', this.unitId() ?? '?', 'it tells of no emulation');
    return emulation;
  }

  /**
   * Says something as the device of the unit: `heartbeat`, or a reply on `dcdc/<id>` or `battery/<id>` (RULE-18).
   * Rejects PeerError `peer.unreachable`; never queued.
   */
  async sayAsDevice(key: string, body: unknown): Promise<void> {
    const place = this.#place;
    const unreachable = (why: string): PeerError => new PeerError('peer.unreachable', this.unitId() ?? '?', why);
    if (place === undefined) throw unreachable('not connected to the unit');
    await this.#home.publish(topicOf(place, 'device', key), JSON.stringify(body)).catch((error: unknown) => {
      throw unreachable(messageOf(error));
    });
  }

  /** Ends all connections and timers; nothing is emitted afterwards. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#watch);
    this.#answers.failAll(new PeerError('peer.unreachable', this.unitId() ?? '?', 'the client was closed'));
    const peers = [...this.#peers.values()].map(({ connection }) => connection.close());
    await Promise.all([this.#home.close(), ...peers]);
  }

  async #ask(body: OperatorBody | EmulationBody): Promise<EmulationState | undefined> {
    const problem = problemOfOperatorBody(body);
    if (problem !== undefined) throw new ConfigError([{ file: 'operator message', path: '', message: problem }]);
    const place = this.#place;
    if (place === undefined || this.connection !== 'connected') {
      throw new PeerError('peer.unreachable', this.unitId() ?? '?', 'not connected to the unit');
    }
    const id = randomUUID();
    const answer = this.#answers.expect(id, place.unitId, OPERATOR_ANSWER_MSEC);
    const publish = this.#home.publish(topicOf(place, 'operator', id), JSON.stringify(this.#envelope(id, body)));
    publish.catch((error) => this.#answers.fail(id, new PeerError('peer.unreachable', place.unitId, messageOf(error))));
    return answer;
  }

  #envelope<B>(id: string, body: B): Envelope<B> {
    return { id, sender: 'client', session: id, term: 0, time: Date.now(), expiryMsec: SEND_EXPIRY_MSEC, body };
  }

  #connect(
    address: () => UnitAddress | Promise<UnitAddress>,
    expectedUnitId: string | undefined,
    onState: (state: ConnectionState) => void,
  ): BrokerConnection {
    return new BrokerConnection({
      address,
      tls: ({ tls }) => {
        if (expectedUnitId === undefined) this.#tlsFiles = tls;
        return this.#tlsFiles && clientTls(this.#tlsFiles, expectedUnitId);
      },
      subscribe: `${TOPIC_PREFIX}/#`,
      log: this.#log,
      onMessage: (topic, payload) => this.#onMessage(expectedUnitId, topic, payload),
      onState: (state) => {
        onState(state);
        this.#changed();
      },
    });
  }

  #onMessage(expectedUnitId: string | undefined, topic: string, payload: Uint8Array): void {
    const place = parseTopic(topic);
    if (place === undefined) return;
    if (place.channel === 'answer') this.#onAnswer(place.key, payload);
    else if (place.channel === 'device-command') this.#onWired(expectedUnitId, place, topic, payload);
    else if (place.channel === 'question') this.#onQuestion(expectedUnitId, place, topic, payload);
    else this.#onHeard(expectedUnitId, place, topic, hear(topic, payload));
  }

  #onHeard(expectedUnitId: string | undefined, place: UnitPlace, topic: string, heard: Heard): void {
    if (heard.kind === 'other') return;
    if (heard.kind === 'garbage') {
      this.#ignore(topic, heard.why);
      return;
    }
    if (expectedUnitId === undefined) this.#learnHome(place);
    const owner = expectedUnitId ?? this.#place?.unitId;
    // A broker speaks for its own unit only (architecture.md §3).
    if (heard.unitId !== owner) this.#ignore(topic, `this broker speaks for ${owner}`);
    else if (heard.kind === 'gone') this.#picture.forget(heard.unitId, heard.channel, heard.key);
    else this.#take(heard.unitId, heard.delivery, topic);
    this.#changed();
  }

  #take(unitId: string, delivery: AnyDelivery, topic: string): void {
    if (!this.#picture.hear(unitId, delivery, Date.now())) {
      this.#ignore(topic, 'too many units');
      return;
    }
    if (delivery.channel === 'birth' && unitId === this.unitId()) this.#followPeers(delivery.envelope.body);
    this.#emit('message', { ...delivery, unitId });
  }

  /** Devices are driven at home only. */
  #onWired(expectedUnitId: string | undefined, place: UnitPlace, topic: string, payload: Uint8Array): void {
    if (expectedUnitId !== undefined) return;
    this.#learnHome(place);
    const command = parseWiredCommand(payload);
    if (command === undefined) this.#ignore(topic, 'no command for a device');
    else this.#emit('wired', command);
  }

  /** Asked at home only. */
  #onQuestion(expectedUnitId: string | undefined, place: UnitPlace, topic: string, payload: Uint8Array): void {
    if (expectedUnitId !== undefined) return;
    this.#learnHome(place);
    const question = parseDealQuestion(payload);
    if (question === undefined) this.#ignore(topic, 'no question about a deal');
    else this.#emit('question', question);
  }

  #onAnswer(id: string, payload: Uint8Array): void {
    const answer = parseOperatorAnswer(payload);
    if (answer !== undefined) this.#answers.answer(id, answer);
  }

  /** The first word of each connection tells whose broker it is: another unit may have taken the port over. */
  #learnHome({ communityId, clusterId, unitId }: UnitPlace): void {
    if (this.#isHomeKnown) return;
    this.#isHomeKnown = true;
    if (this.#place !== undefined && this.#place.unitId !== unitId) this.#picture.drop(this.#place.unitId);
    this.#place = { communityId, clusterId, unitId };
  }

  #onHomeState(state: ConnectionState): void {
    if (state !== 'connected') {
      this.#isHomeKnown = false;
      this.#answers.failAll(this.#noAnswer('the connection was lost'));
    }
    this.#emit('connection', state);
  }

  #noAnswer(why: string): PeerError {
    return new PeerError('peer.unreachable', this.unitId() ?? '?', `${why}; ${UNKNOWN_OUTCOME}`);
  }

  /** Attaches to peers that are new or have moved, leaves those no longer named. */
  #followPeers(birth: Birth): void {
    if (!this.#follow || this.#closed) return;
    const wanted = (birth.peers ?? []).filter((peer) => peer.unitId !== birth.unitId).slice(0, MAX_PEERS);
    for (const unitId of this.#peers.keys()) {
      if (!wanted.some((peer) => peer.unitId === unitId)) this.#leavePeer(unitId);
    }
    for (const { unitId, host, port } of wanted) {
      const address = `${host}:${port}`;
      if (this.#peers.get(unitId)?.address === address) continue;
      this.#closePeer(unitId);
      const connection = this.#connect(
        () => ({ host, port }),
        unitId,
        () => {},
      );
      this.#peers.set(unitId, { connection, address });
    }
  }

  #leavePeer(unitId: string): void {
    this.#closePeer(unitId);
    this.#picture.drop(unitId);
  }

  #closePeer(unitId: string): void {
    const peer = this.#peers.get(unitId);
    this.#peers.delete(unitId);
    peer?.connection.close().catch((error) => this.#log.debug({ error: String(error) }, 'client.close-failed'));
  }

  #isConnected(unitId: string): boolean {
    const connection = unitId === this.unitId() ? this.#home : this.#peers.get(unitId)?.connection;
    return connection?.state === 'connected';
  }

  #isReady(): boolean {
    const unitId = this.unitId();
    return this.connection === 'connected' && unitId !== undefined && this.state().units[unitId]?.birth !== undefined;
  }

  #until(condition: () => boolean, timeoutMsec: Milliseconds, otherwise: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        stop();
        resolve();
      };
      const timer = setTimeout(() => {
        stop();
        reject(new PeerError('peer.timeout', this.unitId() ?? '?', `${otherwise} within ${timeoutMsec} ms`));
      }, timeoutMsec);
      const stop = this.on('change', settle);
      settle();
    });
  }

  /** Silence is a change, too, and nobody says it. */
  #watchOnline(): void {
    const now = Date.now();
    const online = this.#picture.unitIds().filter((id) => this.#picture.isOnline(id, this.#isConnected(id), now));
    const text = online.join();
    if (text === this.#online) return;
    if (!online.includes(this.unitId() ?? '')) this.#answers.failAll(this.#noAnswer('the unit has fallen silent'));
    this.#online = text;
    this.#changed();
  }

  #changed(): void {
    if (this.#changeDue) return;
    this.#changeDue = true;
    setImmediate(() => {
      this.#changeDue = false;
      this.#emit('change', undefined);
    });
  }

  #emit<E extends keyof UnitClientEvents>(event: E, value: UnitClientEvents[E]): void {
    if (!this.#closed) this.#events.emit(event, value);
  }

  #ignore(topic: string, why: string): void {
    this.#ignored += 1;
    this.#log.debug({ topic, why }, 'client.message-ignored');
  }
}
