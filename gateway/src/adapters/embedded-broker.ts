import { createServer, type Server, type Socket } from 'node:net';
import { Aedes, type AedesPublishPacket, type Client, type ConnectPacket, type PublishPacket } from 'aedes';
import { messageOf } from '../domain/errors.ts';
import type { Log } from '../ports/log.ts';
import type { Broker, HearClient } from './broker.ts';
import { type ClientRole, type InboundChannel, refusalOf } from './broker-access.ts';
import type { UnitAddress } from './broker-connection.ts';
import { MAX_MESSAGE_BYTES, parseTopic, type UnitPlace } from './mqtt-topics.ts';
import { NotedTroubles } from './noted-troubles.ts';
import { limitPacketSize } from './packet-size-limit.ts';
import { type Allowance, TokenBucket } from './token-bucket.ts';

export interface EmbeddedBrokerOptions {
  readonly place: UnitPlace;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly log: Log;
  /** Channels on which clients are heard. */
  readonly open: readonly InboundChannel[];
  readonly hear: HearClient;
}

/** Clients of one unit: peers, Node-RED, a few screens. */
const MAX_CONNECTIONS = 100;
/** A connection that says nothing is somebody's mistake or worse. */
const CONNECT_TIMEOUT_MSEC = 5_000;
/** Who reads no further is left: one slow screen must not hold up the others. */
const DRAIN_TIMEOUT_MSEC = 2_000;
/** What one client may say; readings of a device come a few times a second. */
const CLIENT_ALLOWANCE: Allowance = { perSecond: 50, burst: 100 };

/** The broker's memory of retained messages: a public property of it that its types leave out. */
const retainedOf = (broker: Aedes): { storeRetained(packet: PublishPacket): Promise<void> } =>
  (broker as unknown as { persistence: { storeRetained(packet: PublishPacket): Promise<void> } }).persistence;

/** Who is at the other end of a connection. */
interface Guest {
  readonly name: string;
  readonly role: ClientRole;
  readonly allowance: TokenBucket;
}

/** The unit's own broker, MQTT 3.1.1 (architecture.md §3): clients may hear everything and say what their role allows. */
export class EmbeddedBroker implements Broker {
  readonly #options: EmbeddedBrokerOptions;
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #guests = new WeakMap<object, Guest>();
  readonly #troubles: NotedTroubles;

  /** Opens it; rejects with the error of `listen`, e.g. code EADDRINUSE. */
  static async open(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
    const aedes = await Aedes.createBroker({
      drainTimeout: DRAIN_TIMEOUT_MSEC,
      connectTimeout: CONNECT_TIMEOUT_MSEC,
      concurrency: 0, // without end: what waits for one slow client holds up no other
    });
    const broker = new EmbeddedBroker(options, aedes);
    try {
      await broker.#listen();
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
    aedes.on('publish', (packet, client) => this.#onPublish(packet, client));
    aedes.on('clientError', (client, error) => this.#onTrouble(client, error));
    aedes.on('connectionError', (client, error) => this.#onTrouble(client, error));
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  get address(): UnitAddress {
    const bound = this.#server.address();
    return { host: this.#options.host ?? '127.0.0.1', port: typeof bound === 'object' && bound ? bound.port : 0 };
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
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

  async #listen(): Promise<void> {
    const { host = '127.0.0.1', port = 0 } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve());
    });
    this.#server.on('error', (error) => this.#options.log.error({ message: error.message }, 'broker.server-failed'));
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    this.#aedes.handle(limitPacketSize(socket, MAX_MESSAGE_BYTES));
  }

  /** Ids of clients are made unlike those of everybody else: taking over a connection is for its owner only. */
  #greet(client: Client, packet: ConnectPacket): boolean {
    const guest: Guest = { name: 'local', role: 'local', allowance: new TokenBucket(CLIENT_ALLOWANCE) };
    this.#guests.set(client, guest);
    if (packet.clientId !== '') packet.clientId = `${guest.name}/${packet.clientId}`;
    return true;
  }

  /** A refusal ends the connection (MQTT 3.1.1 has no milder one). */
  #refusalOf(
    client: Client | null,
    packet: { topic: string; payload: string | Buffer; retain: boolean },
  ): Error | null {
    if (client === null) return null;
    const guest = this.#guests.get(client);
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

  #onTrouble(client: Client | null, error: Error): void {
    const name = (client === null ? undefined : this.#guests.get(client)?.name) ?? 'stranger';
    this.#troubles.note(`${name} ${error.message}`, { client: name, message: error.message }, 'broker.client-failed');
  }
}
