import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Log } from '../ports/log.ts';
import type { Broker, HearClient } from './broker.ts';
import type { InboundChannel } from './broker-access.ts';
import { BrokerConnection, type UnitAddress } from './broker-connection.ts';
import { brokerProblem } from './certificate-roles.ts';
import { factsIn } from './identity-files.ts';
import { parseTopic, rootOf, type UnitPlace } from './mqtt-topics.ts';
import { NotedTroubles } from './noted-troubles.ts';
import type { TlsIdentity } from './tls-identity.ts';

export interface ExternalBrokerOptions {
  readonly place: UnitPlace;
  readonly address: UnitAddress;
  readonly tls?: TlsIdentity;
  readonly log: Log;
  readonly open: readonly InboundChannel[];
  readonly hear: HearClient;
}

/** Who starts a unit wants to hear soon of a broker that is not there; the unit works on, and connects when it can. */
const FIRST_CONNECTION_MSEC: Milliseconds = 2_000;
/** Retained messages follow the answer to a subscription at once. */
const RETAINED_MSEC: Milliseconds = 300;

/**
 * A broker of another program, mosquitto for one, on which the unit publishes as a client. Its rules must let
 * nobody else publish below the unit's root, but operators and devices (`mosquitto/apis.acl`).
 */
export class ExternalBroker implements Broker {
  readonly address: UnitAddress;
  readonly #options: ExternalBrokerOptions;
  readonly #connection: BrokerConnection;
  readonly #troubles: NotedTroubles;
  /** What must stand on the broker: said again when it has lost its memory. */
  readonly #retained = new Map<string, string>();
  #connected: () => void = () => {};

  /** Connects, and takes back what a former process of the unit has left there. */
  static async open(options: ExternalBrokerOptions): Promise<ExternalBroker> {
    await forgetFormer(options);
    const broker = new ExternalBroker(options);
    const connected = new Promise<void>((resolve) => {
      broker.#connected = resolve;
    });
    await Promise.race([connected, pause(FIRST_CONNECTION_MSEC)]);
    return broker;
  }

  private constructor(options: ExternalBrokerOptions) {
    const { place, address, log, open } = options;
    this.address = address;
    this.#options = options;
    this.#troubles = new NotedTroubles(log);
    this.#connection = connectionTo(options, {
      name: place.unitId,
      subscribe: open.map((channel) => `${rootOf(place)}/${channel}/#`),
      onState: (state) => state === 'connected' && this.#sayAgain(),
      onMessage: (topic, payload, isRetained) => this.#onMessage(topic, payload, isRetained),
      onError: (message) => this.#troubles.note(message, { ...address, message }, 'broker.unreachable'),
    });
  }

  send(topic: string, text: string, retain: boolean): void {
    if (retain && text === '') this.#retained.delete(topic);
    else if (retain) this.#retained.set(topic, text);
    this.#publish(topic, text, retain);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** Never queued: what could not be said now is not said later, but for what is kept. */
  #publish(topic: string, text: string, retain: boolean): void {
    this.#connection.publish(topic, text, retain).catch((error: unknown) => {
      this.#options.log.debug({ topic, message: messageOf(error) }, 'broker.publish-failed');
    });
  }

  #sayAgain(): void {
    for (const [topic, text] of this.#retained) this.#publish(topic, text, true);
    this.#connected();
  }

  #onMessage(topicText: string, payload: Uint8Array, isRetained: boolean): void {
    const topic = parseTopic(topicText);
    if (isRetained || topic?.unitId !== this.#options.place.unitId) return;
    if (topic.channel === 'operator' || topic.channel === 'device')
      this.#options.hear(topic.channel, topic.key, payload);
  }
}

type ConnectionNeeds = Pick<
  ConstructorParameters<typeof BrokerConnection>[0],
  'name' | 'subscribe' | 'onState' | 'onMessage' | 'onError'
>;

function connectionTo({ place, address, tls, log }: ExternalBrokerOptions, needs: ConnectionNeeds): BrokerConnection {
  return new BrokerConnection({
    address: () => address,
    tls: () =>
      tls && { context: tls.context, problem: (certificate) => brokerProblem(factsIn(certificate), place.unitId) },
    log,
    ...needs,
  });
}

/** An external broker outlives the unit: the words of a former session must not stand beside those of the present one. */
async function forgetFormer(options: ExternalBrokerOptions): Promise<void> {
  const found: string[] = [];
  let connected: () => void = () => {};
  const isConnected = new Promise<boolean>((resolve) => {
    connected = () => resolve(true);
  });
  const connection = connectionTo(options, {
    name: options.place.unitId,
    subscribe: `${rootOf(options.place)}/#`,
    onState: (state) => state === 'connected' && connected(),
    onMessage: (topic, _payload, isRetained) => isRetained && found.push(topic),
  });
  if (await Promise.race([isConnected, pause(FIRST_CONNECTION_MSEC, false)])) {
    await pause(RETAINED_MSEC);
    await Promise.all(found.map((topic) => connection.publish(topic, '', true)));
  }
  await connection.close();
}
