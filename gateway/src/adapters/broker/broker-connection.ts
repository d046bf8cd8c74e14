import { randomBytes } from 'node:crypto';
import { MqttClient } from 'mqtt';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Log } from '../../ports/log.ts';
import { type ClientTls, openSocket } from './mqtt-socket.ts';

/** PEM files by which a client proves who it is, and its CA. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface UnitAddress {
  readonly host: string;
  readonly port: number;
  /** The broker wants TLS, for which these files are good on this machine. */
  readonly tls?: TlsFiles;
}

export type ConnectionState = 'connecting' | 'connected' | 'disconnected';

export interface BrokerConnectionOptions {
  /** Asked anew before every attempt, so that a unit that came back elsewhere is found. */
  readonly address: () => UnitAddress | Promise<UnitAddress>;
  /** Asked anew before every attempt; absent, or undefined: without TLS. */
  readonly tls?: (address: UnitAddress) => ClientTls | undefined | Promise<ClientTls | undefined>;
  /** Topic filters. */
  readonly subscribe: string | readonly string[];
  /** Begin of the client's id, for those who read the broker's log. */
  readonly name?: string;
  readonly log: Log;
  /** The back-off begins anew only when `proven` is called, not with each connection. */
  readonly mustProve?: boolean;
  /** Why a connection failed, as often as it does. */
  readonly onError?: (message: string) => void;
  readonly onState: (state: ConnectionState) => void;
  /** `isRetained`: it was kept for us, and may have been said at any time before. */
  readonly onMessage: (topic: string, payload: Uint8Array, isRetained: boolean) => void;
}

const KEEPALIVE_SECONDS = 3;
/** A handshake goes to and fro four times: with a second for each way there and back it still succeeds. */
const CONNECT_TIMEOUT_MSEC = 5_000;
const FIRST_RETRY_MSEC = 100;
const LAST_RETRY_MSEC = 3_000;

/** Doubles from 0.1 s to 3 s, ± 25 %, so that many clients of a restarted broker do not come as one. */
export const retryDelay = (attempt: number, random: number = Math.random()): Milliseconds =>
  Math.min(LAST_RETRY_MSEC, FIRST_RETRY_MSEC * 2 ** Math.min(attempt, 10)) * (0.75 + random / 2);

/**
 * One MQTT 3.1.1 connection that comes back by itself for as long as it is wanted. Every attempt is a fresh client
 * with a clean session: nothing is ever queued across a reconnect (cluster-safety.md, "Words").
 */
export class BrokerConnection {
  readonly #options: BrokerConnectionOptions;
  #client: MqttClient | undefined;
  #retry: NodeJS.Timeout | undefined;
  #attempt = 0;
  #closed = false;
  #state: ConnectionState = 'connecting';

  constructor(options: BrokerConnectionOptions) {
    this.#options = options;
    void this.#connect();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Hands a message to the broker, QoS 0; rejects at once when there is no connection. */
  publish(topic: string, payload: string, retain = false): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#client === undefined || this.#state !== 'connected') return reject(new Error('not connected'));
      this.#client.publish(topic, payload, { qos: 0, retain }, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Gives the present connection up, which may be a dead one, and makes another. */
  renew(): void {
    if (this.#client !== undefined) this.#lost();
  }

  /** What is heard proves the other end: the next loss is the first one again. */
  proven(): void {
    this.#attempt = 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = undefined;
    this.#become('disconnected');
    if (client === undefined) return;
    // A polite goodbye where the broker listens; a dead one is not waited for.
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => client.end(true, {}, () => resolve()), 300);
      client.end(false, {}, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  async #connect(): Promise<void> {
    try {
      const address = await this.#options.address();
      const tls = await this.#options.tls?.(address);
      if (!this.#closed) this.#open(address.host, address.port, tls);
    } catch (error) {
      this.#options.log.debug({ error: String(error) }, 'client.no-address');
      this.#lost();
    }
  }

  #open(host: string, port: number, tls: ClientTls | undefined): void {
    const socket = openSocket(host, port, tls);
    // The library passes over most errors of its stream.
    socket.on('error', ({ message }) => this.#options.onError?.(message));
    const client = new MqttClient(() => socket, {
      protocolVersion: 4,
      clean: true,
      keepalive: KEEPALIVE_SECONDS,
      connectTimeout: CONNECT_TIMEOUT_MSEC,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      writeCache: false, // 65,536 prepared buffers, about 9 MB, would save next to nothing
      ...(this.#options.name === undefined
        ? {}
        : { clientId: `${this.#options.name}-${randomBytes(6).toString('hex')}` }),
    });
    this.#client = client;
    // The handler stays for good: an error of a client already left must not become an uncaught one.
    client.on('error', (error) => this.#options.log.debug({ host, port, message: error.message }, 'client.error'));
    client.on('connect', () => this.#subscribe(client));
    client.on('close', () => this.#client === client && this.#lost());
    client.on('message', (topic, payload, { retain }) => {
      if (this.#client === client) this.#options.onMessage(topic, payload, retain);
    });
  }

  #subscribe(client: MqttClient): void {
    client.subscribe([this.#options.subscribe].flat(), { qos: 0 }, (error) => {
      if (this.#client !== client) return;
      if (error) return client.end(true) && undefined;
      if (this.#options.mustProve !== true) this.#attempt = 0;
      this.#become('connected');
    });
  }

  #lost(): void {
    this.#client?.end(true);
    this.#client = undefined;
    if (this.#closed) return;
    this.#become('disconnected');
    this.#retry = setTimeout(
      () => {
        this.#become('connecting');
        void this.#connect();
      },
      retryDelay(this.#attempt++),
    );
  }

  #become(state: ConnectionState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#options.onState(state);
  }
}
