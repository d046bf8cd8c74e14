import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../../domain/errors.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Log } from '../../ports/log.ts';
import { brokerProblem } from '../identity/certificate-roles.ts';
import { factsIn } from '../identity/identity-files.ts';
import type { TlsIdentity } from '../identity/tls-identity.ts';
import { NotedTroubles } from '../log/noted-troubles.ts';
import { parseTopic, rootOf, type UnitPlace } from '../mesh/mqtt-topics.ts';
import type { Broker, HearClient } from './broker.ts';
import type { InboundChannel } from './broker-access.ts';
import { BrokerConnection, type UnitAddress } from './broker-connection.ts';

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
  #isTidy: () => void = () => {};
  #isClosed = false;

  /** Connects, and takes back what a former process of the unit has left there. */
  static async open(options: ExternalBrokerOptions): Promise<ExternalBroker> {
    const broker = new ExternalBroker(options);
    const tidy = new Promise<void>((resolve) => {
      broker.#isTidy = resolve;
    });
    await Promise.race([tidy, pause(FIRST_CONNECTION_MSEC)]);
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
      onState: (state) => state === 'connected' && void this.#sayAgain(),
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
    this.#isClosed = true;
    await this.#connection.close();
  }

  /** Never queued: what could not be said now is not said later, but for what is kept. */
  #publish(topic: string, text: string, retain: boolean): void {
    this.#connection.publish(topic, text, retain).catch((error: unknown) => {
      this.#options.log.debug({ topic, message: messageOf(error) }, 'broker.publish-failed');
    });
  }

  /**
   * The broker outlives connections and processes: what was taken back while it could not be told, and the words of a
   * former session, must not stand beside those of the present one.
   */
  async #sayAgain(): Promise<void> {
    for (const [topic, text] of this.#retained) this.#publish(topic, text, true);
    const kept = await topicsKept(this.#options);
    if (this.#isClosed) return;
    for (const topic of kept) if (!this.#retained.has(topic)) this.#publish(topic, '', true);
    this.#isTidy();
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

/** Topics below the unit's root on which the broker keeps something; by a connection of its own, since it hears all that the unit says. */
async function topicsKept(options: ExternalBrokerOptions): Promise<readonly string[]> {
  const found: string[] = [];
  let connected: () => void = () => {};
  const isConnected = new Promise<void>((resolve) => {
    connected = resolve;
  });
  const connection = connectionTo(options, {
    name: options.place.unitId,
    subscribe: `${rootOf(options.place)}/#`,
    onState: (state) => state === 'connected' && connected(),
    onMessage: (topic, _payload, isRetained) => isRetained && found.push(topic),
  });
  await Promise.race([isConnected, pause(FIRST_CONNECTION_MSEC)]);
  await pause(RETAINED_MSEC);
  await connection.close();
  return found;
}
