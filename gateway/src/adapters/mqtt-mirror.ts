import { createServer, type Server, type Socket } from 'node:net';
import { Aedes, type AedesPublishPacket, type Client, type PublishPacket } from 'aedes';
import type { EmulationBody, EmulationState } from '../domain/emulation.ts';
import { messageOf } from '../domain/errors.ts';
import { type Bodies, type Channel, type OperatorBody, RETAINED } from '../domain/messages.ts';
import type { Delivery, Unsubscribe } from '../ports/bus.ts';
import type { Log } from '../ports/log.ts';
import type { MemoryBusHub } from '../ports/memory-bus.ts';
import { LatestValueGate } from './latest-value-gate.ts';
import { isTopicKey, MAX_MESSAGE_BYTES, parseTopic, rootOf, topicOf, type UnitPlace } from './mqtt-topics.ts';
import { isExpired, type OperatorAnswer, parseOperatorMessage } from './operator-message.ts';
import { limitPacketSize } from './packet-size-limit.ts';

type AnyDelivery = { [C in keyof Bodies]: Delivery<C> }[keyof Bodies];

export interface MqttMirrorOptions extends UnitPlace {
  readonly hub: MemoryBusHub;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly log: Log;
  /** Hears the operator's valid messages; when it throws or rejects, the sender is told why. */
  readonly onOperator: (
    body: OperatorBody | EmulationBody,
  ) => EmulationState | undefined | Promise<EmulationState | undefined>;
  /** Hears what a device behind a flow publishes on `device/<key>`; without it such messages are refused. */
  readonly onDevice?: (key: string, payload: Uint8Array) => void;
}

/** Retained state of one key goes out at most this often; nothing is held back at the speed of life. */
const STATE_INTERVAL_MSEC = 50;
/** Faults are events, yet a screen that is opened later must show the last ones. */
const REMEMBERED_FAULTS = 50;
/** Clients of one unit: peers, Node-RED, a few screens. */
const MAX_CONNECTIONS = 100;

/** The broker's memory of retained messages: a public property of it that its types leave out. */
const retainedOf = (broker: Aedes): { storeRetained(packet: PublishPacket): Promise<void> } =>
  (broker as unknown as { persistence: { storeRetained(packet: PublishPacket): Promise<void> } }).persistence;

const refuse = (message: string): Error => new Error(message);

/**
 * The broker of one unit (architecture.md §3, "publish at home"): says to MQTT clients everything that the unit
 * says on the hub, and takes nothing from them but operators' messages. Start it before the unit speaks.
 */
export class MqttMirror {
  readonly #options: MqttMirrorOptions;
  readonly #broker: Aedes;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #state: LatestValueGate<AnyDelivery>;
  readonly #faultTopics = new Set<string>();
  #untap: Unsubscribe = () => {};

  /** Opens the broker; rejects with the error of `listen`, e.g. code EADDRINUSE. */
  static async start(options: MqttMirrorOptions): Promise<MqttMirror> {
    const mirror = new MqttMirror(options, await Aedes.createBroker({ drainTimeout: 10_000 }));
    try {
      await mirror.#listen();
    } catch (error) {
      await new Promise<void>((resolve) => mirror.#broker.close(() => resolve()));
      throw error;
    }
    return mirror;
  }

  private constructor(options: MqttMirrorOptions, broker: Aedes) {
    this.#options = options;
    this.#broker = broker;
    broker.authorizePublish = (client, packet, done) => done(this.#refusalOf(client, packet));
    broker.on('publish', (packet, client) => this.#onPublish(packet, client));
    broker.on('clientError', (client, error) => this.#warn(client, error));
    broker.on('connectionError', (client, error) => this.#warn(client, error));
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#state = new LatestValueGate(STATE_INTERVAL_MSEC, (topic, delivery) => this.#publish(topic, delivery));
  }

  /** Where clients reach the broker. */
  get address(): { readonly host: string; readonly port: number } {
    const bound = this.#server.address();
    return { host: this.#options.host ?? '127.0.0.1', port: typeof bound === 'object' && bound ? bound.port : 0 };
  }

  /** Says a command to the flow that drives this unit's device: now or never, it is not kept for anybody. */
  tellDevice(id: string, command: unknown): void {
    this.#send(topicOf(this.#options, 'device-command', id), JSON.stringify(command), false);
  }

  /** Says what is still held back, and closes every connection. */
  async stop(): Promise<void> {
    this.#untap();
    this.#state.flush();
    await new Promise<void>((resolve) => this.#broker.close(() => resolve()));
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #listen(): Promise<void> {
    const { hub, unitId, host = '127.0.0.1', port = 0 } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve());
    });
    this.#server.on('error', (error) => this.#options.log.error({ message: error.message }, 'mirror.server-failed'));
    this.#untap = hub.tap(
      (delivery) => delivery.envelope.sender === unitId && this.#mirror(delivery),
      (sender, channel, key) => sender === unitId && this.#retract(channel, key),
    );
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    this.#broker.handle(limitPacketSize(socket, MAX_MESSAGE_BYTES));
  }

  #mirror(delivery: AnyDelivery): void {
    if (!isTopicKey(delivery.key)) {
      this.#options.log.warn({ channel: delivery.channel, key: delivery.key }, 'mirror.key-refused');
      return;
    }
    const topic = topicOf(this.#options, delivery.channel, delivery.key);
    if (RETAINED[delivery.channel]) this.#state.offer(topic, delivery);
    else this.#publish(topic, delivery);
  }

  /** An empty retained message is MQTT's word for "forget this"; what is held back goes out first, in order. */
  #retract(channel: Channel, key: string): void {
    if (!isTopicKey(key)) return;
    this.#state.flush();
    this.#send(topicOf(this.#options, channel, key), '', true);
  }

  #publish(topic: string, delivery: AnyDelivery): void {
    const isFault = delivery.channel === 'fault';
    if (isFault) this.#rememberFault(topic);
    this.#send(topic, JSON.stringify(delivery.envelope), isFault || RETAINED[delivery.channel]);
  }

  #rememberFault(topic: string): void {
    this.#faultTopics.delete(topic);
    this.#faultTopics.add(topic);
    const [oldest] = this.#faultTopics;
    if (oldest === undefined || this.#faultTopics.size <= REMEMBERED_FAULTS) return;
    this.#faultTopics.delete(oldest);
    this.#send(oldest, '', true);
  }

  /**
   * Says it to those who listen now, and keeps it for those who come later. Not as one retained publish: the broker
   * stores that asynchronously first, a later message overtakes it, and its duplicate filter then drops the former.
   */
  #send(topic: string, text: string, retain: boolean): void {
    if (this.#broker.closed) return;
    const packet = { cmd: 'publish', topic, payload: Buffer.from(text), qos: 0, dup: false } as const;
    const failed = (error: unknown): void => {
      this.#options.log.warn({ topic, message: messageOf(error) }, 'mirror.publish-failed');
    };
    if (retain)
      retainedOf(this.#broker)
        .storeRetained({ ...packet, retain })
        .catch(failed);
    this.#broker.publish({ ...packet, retain: false }, (error) => error && failed(error));
  }

  /** Clients may say nothing but `operator/<id>` and, where a flow drives the device, `device/<key>`; a refusal ends their connection (MQTT 3.1.1 has no milder one). */
  #refusalOf(
    client: Client | null,
    packet: { topic: string; payload: string | Buffer; retain: boolean },
  ): Error | null {
    if (client === null) return null;
    const root = rootOf(this.#options);
    const channels = this.#options.onDevice === undefined ? ['operator'] : ['operator', 'device'];
    const isOwn = channels.some(
      (channel) => packet.topic.length > `${root}/${channel}/`.length && packet.topic.startsWith(`${root}/${channel}/`),
    );
    if (!isOwn)
      return refuse(`clients may publish on ${channels.map((one) => `${root}/${one}/<id>`).join(' and ')} only`);
    if (packet.retain) return refuse('a message to the unit must not be retained');
    return packet.payload.length > MAX_MESSAGE_BYTES ? refuse(`message over ${MAX_MESSAGE_BYTES} bytes`) : null;
  }

  #onPublish(packet: AedesPublishPacket, client: Client | null): void {
    const topic = client === null ? undefined : parseTopic(packet.topic);
    if (topic?.channel === 'device') this.#options.onDevice?.(topic.key, Buffer.from(packet.payload));
    if (topic?.channel !== 'operator') return;
    void this.#obey(Buffer.from(packet.payload)).then((answer) => {
      this.#send(topicOf(this.#options, 'answer', topic.key), JSON.stringify(answer), false);
    });
  }

  /** Never rejects: whatever goes wrong becomes the answer. */
  async #obey(payload: Buffer): Promise<OperatorAnswer> {
    const message = parseOperatorMessage(payload);
    if (typeof message === 'string') return this.#no('operator.malformed', message);
    if (isExpired(message, Date.now())) return this.#no('operator.expired', 'the message came too late');
    try {
      const emulation = await this.#options.onOperator(message.body);
      return emulation ? { ok: true, emulation } : { ok: true };
    } catch (error) {
      return this.#no('operator.refused', messageOf(error));
    }
  }

  #no(event: string, message: string): OperatorAnswer {
    this.#options.log.warn({ unitId: this.#options.unitId, message }, event);
    return { ok: false, message };
  }

  #warn(client: Client | null, error: Error): void {
    this.#options.log.warn({ client: client?.id, message: error.message }, 'mirror.client-failed');
  }
}
