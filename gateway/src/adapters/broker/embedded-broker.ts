import { Aedes, type AedesPublishPacket, type Client, type ConnectPacket, type PublishPacket } from 'aedes';
import { messageOf } from '../../domain/errors.ts';
import { NotedTroubles } from '../log/noted-troubles.ts';
import { MAX_MESSAGE_BYTES, parseTopic, type UnitPlace } from '../mesh/mqtt-topics.ts';
import type { Broker, HearClient } from './broker.ts';
import { type ClientPacket, type InboundChannel, refusalOf } from './broker-access.ts';
import type { UnitAddress } from './broker-connection.ts';
import { BrokerDoor, CONNECT_TIMEOUT_MSEC, type DoorOptions, type Guest } from './broker-door.ts';
import { limitPacketSize } from './packet-size-limit.ts';
import './unprepared-numbers.ts';

export interface EmbeddedBrokerOptions extends DoorOptions {
  readonly place: UnitPlace;
  /** Channels on which clients are heard. */
  readonly open: readonly InboundChannel[];
  readonly hear: HearClient;
}

/** Who reads no further is left: one slow screen must not hold up the others. */
const DRAIN_TIMEOUT_MSEC = 2_000;

/** Messages of one client (QoS 2) that wait for his word that they may be forgotten; each is kept in memory. */
const MAX_UNRELEASED = 20;
/** Topic filters of one client; a peer has about twenty, a screen one. */
const MAX_SUBSCRIPTIONS = 200;

/** The broker's memory of retained messages: a public property of it that its types leave out. */
const retainedOf = (broker: Aedes): { storeRetained(packet: PublishPacket): Promise<void> } =>
  (broker as unknown as { persistence: { storeRetained(packet: PublishPacket): Promise<void> } }).persistence;

/** Topic filters by which a client hears at present: a public property, too, that the types leave out. */
const filtersOf = (client: Client): readonly string[] =>
  Object.keys((client as unknown as { subscriptions: object }).subscriptions);

/** The unit's own broker, MQTT 3.1.1 (architecture.md §3): clients may hear everything and say what their role allows. */
export class EmbeddedBroker implements Broker {
  readonly #options: EmbeddedBrokerOptions;
  readonly #aedes: Aedes;
  readonly #door: BrokerDoor;
  readonly #troubles: NotedTroubles;

  /** Opens it; rejects with the error of `listen`, e.g. code EADDRINUSE. */
  static async open(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
    const aedes = await Aedes.createBroker({
      drainTimeout: DRAIN_TIMEOUT_MSEC,
      connectTimeout: CONNECT_TIMEOUT_MSEC,
      maxInflightInbound: MAX_UNRELEASED,
      concurrency: 0, // without end: what waits for one slow client holds up no other
    });
    const broker = new EmbeddedBroker(options, aedes);
    try {
      await broker.#door.listen();
    } catch (error) {
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      throw error;
    }
    return broker;
  }

  private constructor(options: EmbeddedBrokerOptions, aedes: Aedes) {
    this.#options = options;
    this.#aedes = aedes;
    this.#troubles = new NotedTroubles(options.log);
    aedes.preConnect = (client, packet, done) => done(null, this.#greet(client, packet));
    aedes.authorizePublish = (client, packet, done) => done(this.#refusalOf(client, packet));
    aedes.authorizeSubscribe = (client, subscription, done) => {
      done(filtersOf(client).length < MAX_SUBSCRIPTIONS ? null : new Error('too many subscriptions'), subscription);
    };
    aedes.on('publish', (packet, client) => this.#onPublish(packet, client));
    aedes.on('clientError', (client, error) => this.#onTrouble(client, error));
    aedes.on('connectionError', (client, error) => this.#onTrouble(client, error));
    this.#door = new BrokerDoor(options, this.#troubles, (socket) =>
      aedes.handle(limitPacketSize(socket, MAX_MESSAGE_BYTES)),
    );
  }

  get address(): UnitAddress {
    return this.#door.address;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    await this.#door.close();
  }

  /**
   * Not as one retained publish: the broker stores that asynchronously first, a later message overtakes it, and its
   * duplicate filter then drops the former.
   */
  send(topic: string, text: string, retain: boolean): void {
    if (this.#aedes.closed) return;
    const packet = { cmd: 'publish', topic, payload: Buffer.from(text), qos: 0, dup: false } as const;
    const failed = (error: unknown): void => {
      this.#options.log.warn({ topic, message: messageOf(error) }, 'broker.publish-failed');
    };
    if (retain)
      retainedOf(this.#aedes)
        .storeRetained({ ...packet, retain })
        .catch(failed);
    this.#aedes.publish({ ...packet, retain: false }, (error) => error && failed(error));
  }

  #guestOf(client: Client | null): Guest | undefined {
    return client === null ? undefined : this.#door.guestOf(client.conn);
  }

  /**
   * Ids of clients are made unlike those of everybody else: taking over a connection is for its owner only. Every
   * session is a clean one, whatever was asked for: nothing is kept for a client that may never come again, and no
   * message reaches anybody late (cluster-safety.md, "Words").
   */
  #greet(client: Client, packet: ConnectPacket): boolean {
    const name = this.#guestOf(client)?.name;
    packet.clean = true;
    if (packet.clientId !== '') packet.clientId = `${name}/${packet.clientId}`;
    return name !== undefined;
  }

  /** A refusal ends the connection (MQTT 3.1.1 has no milder one). */
  #refusalOf(client: Client | null, packet: ClientPacket): Error | null {
    if (client === null) return null;
    const guest = this.#guestOf(client);
    if (guest === undefined) return new Error('nobody knows this client');
    if (!guest.allowance.take(performance.now())) return new Error('too many messages');
    const refusal = refusalOf(this.#options.place, guest.role, this.#options.open, packet);
    return refusal === undefined ? null : new Error(refusal);
  }

  #onPublish(packet: AedesPublishPacket, client: Client | null): void {
    if (client === null) return;
    const topic = parseTopic(packet.topic);
    if (topic?.channel !== 'operator' && topic?.channel !== 'device') return;
    this.#options.hear(topic.channel, topic.key, Buffer.from(packet.payload));
  }

  #onTrouble(client: Client | null, { message }: Error): void {
    const name = this.#guestOf(client)?.name;
    // Who has left while something was on the way to him has done nothing wrong.
    if (name === undefined) this.#options.log.debug({ message }, 'broker.client-left');
    else this.#troubles.note(`${name} ${message}`, { client: name, message }, 'broker.client-failed');
  }
}
