import type { EmulationBody, EmulationState } from '../../domain/emulation.ts';
import { messageOf } from '../../domain/errors.ts';
import { type Channel, type OperatorBody, RETAINED } from '../../domain/messages.ts';
import type { Log } from '../../ports/log.ts';
import type { AnyDelivery } from '../mesh/message-schemas.ts';
import { isTopicKey, topicOf, type UnitPlace } from '../mesh/mqtt-topics.ts';
import { isExpired, type OperatorAnswer, parseOperatorMessage } from '../mesh/operator-message.ts';
import type { Broker, HearClient } from './broker.ts';
import type { InboundChannel } from './broker-access.ts';
import type { UnitAddress } from './broker-connection.ts';
import type { BrokerTls } from './broker-door.ts';
import { EmbeddedBroker } from './embedded-broker.ts';
import { ExternalBroker } from './external-broker.ts';

export interface UnitBrokerOptions extends UnitPlace {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  readonly tls?: BrokerTls;
  /** A broker of another program at host and port, instead of the unit's own. */
  readonly external?: boolean;
  readonly log: Log;
  /** Hears the operator's valid messages; when it throws or rejects, the sender is told why. */
  readonly onOperator: (
    body: OperatorBody | EmulationBody,
  ) => EmulationState | undefined | Promise<EmulationState | undefined>;
  /** Hears what a device behind a flow publishes on `device/<key>`; without it such messages are refused. */
  readonly onDevice?: (key: string, payload: Uint8Array) => void;
}

/** Faults are events, yet a screen that is opened later must show the last ones. */
const REMEMBERED_FAULTS = 50;

/** A unit's voice and ear at its broker: says what the unit says, and takes in what operators and devices say to it. */
export class UnitBroker {
  readonly #options: UnitBrokerOptions;
  readonly #broker: Broker;
  readonly #faultTopics = new Set<string>();

  /** Opens the broker; rejects with the error of `listen`, e.g. code EADDRINUSE. */
  static async open(options: UnitBrokerOptions): Promise<UnitBroker> {
    const { host = '127.0.0.1', port = 0, tls, log, onDevice } = options;
    const open: readonly InboundChannel[] = onDevice === undefined ? ['operator'] : ['operator', 'device'];
    // Clients can connect as soon as the broker listens, a moment before this object is there.
    let self: UnitBroker | undefined;
    const hear: HearClient = (channel, key, payload) => {
      if (self !== undefined) self.#hear(channel, key, payload);
    };
    const needs = { place: options, log, open, hear };
    const broker: Broker =
      options.external === true
        ? await ExternalBroker.open({ ...needs, address: { host, port }, ...(tls && { tls: tls.identity }) })
        : await EmbeddedBroker.open({ ...needs, host, port, ...(tls && { tls }) });
    self = new UnitBroker(options, broker);
    return self;
  }

  private constructor(options: UnitBrokerOptions, broker: Broker) {
    this.#options = options;
    this.#broker = broker;
  }

  get place(): UnitPlace {
    return this.#options;
  }

  /** Where clients reach it. */
  get address(): UnitAddress {
    return this.#broker.address;
  }

  /** It runs in this process, and ends with it. */
  get isOwn(): boolean {
    return this.#options.external !== true;
  }

  close(): Promise<void> {
    return this.#broker.close();
  }

  say(delivery: AnyDelivery): void {
    const { channel, key, envelope } = delivery;
    if (!isTopicKey(key)) {
      this.#options.log.warn({ channel, key }, 'broker.key-refused');
      return;
    }
    const topic = topicOf(this.#options, channel, key);
    const isFault = channel === 'fault';
    if (isFault) this.#rememberFault(topic);
    this.#broker.send(topic, JSON.stringify(envelope), isFault || RETAINED[channel]);
  }

  /** An empty retained message is MQTT's word for "forget this". */
  retract(channel: Channel, key: string): void {
    if (isTopicKey(key)) this.#broker.send(topicOf(this.#options, channel, key), '', true);
  }

  /** Says a command to the flow that drives this unit's device, or asks a flow: now or never, it is not kept for anybody. */
  tellFlow(channel: 'device-command' | 'question', id: string, body: unknown): void {
    this.#broker.send(topicOf(this.#options, channel, id), JSON.stringify(body), false);
  }

  #rememberFault(topic: string): void {
    this.#faultTopics.delete(topic);
    this.#faultTopics.add(topic);
    const [oldest] = this.#faultTopics;
    if (oldest === undefined || this.#faultTopics.size <= REMEMBERED_FAULTS) return;
    this.#faultTopics.delete(oldest);
    this.#broker.send(oldest, '', true);
  }

  #hear(channel: InboundChannel, key: string, payload: Uint8Array): void {
    if (channel === 'device') this.#options.onDevice?.(key, payload);
    else void this.#obey(payload).then((answer) => this.#answer(key, answer));
  }

  #answer(id: string, answer: OperatorAnswer): void {
    this.#broker.send(topicOf(this.#options, 'answer', id), JSON.stringify(answer), false);
  }

  /** Never rejects: whatever goes wrong becomes the answer. */
  async #obey(payload: Uint8Array): Promise<OperatorAnswer> {
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
}
