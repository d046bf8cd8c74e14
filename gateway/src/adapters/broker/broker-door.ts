import type { X509Certificate } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Unsubscribe } from '../../ports/bus.ts';
import type { Log } from '../../ports/log.ts';
import { type RoleRules, roleOf } from '../identity/certificate-roles.ts';
import { factsIn } from '../identity/identity-files.ts';
import type { TlsIdentity } from '../identity/tls-identity.ts';
import type { NotedTroubles } from '../log/noted-troubles.ts';
import type { ClientRole } from './broker-access.ts';
import type { UnitAddress } from './broker-connection.ts';
import { type Allowance, TokenBucket } from './token-bucket.ts';

/** Mutual TLS: who the unit is, and what the owners of certificates may do. */
export interface BrokerTls {
  readonly identity: TlsIdentity;
  readonly rules: Omit<RoleRules, 'ownFingerprint'>;
}

export interface DoorOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Without it whoever reaches the port is a local client. */
  readonly tls?: BrokerTls;
  readonly log: Log;
}

/** Who is at the other end of a connection. */
export interface Guest {
  readonly name: string;
  readonly role: ClientRole;
  readonly allowance: TokenBucket;
  readonly certificate?: X509Certificate;
}

/** A connection that says nothing is somebody's mistake or worse. */
export const CONNECT_TIMEOUT_MSEC: Milliseconds = 5_000;
/** Clients of one unit: peers, Node-RED, a few screens. */
const MAX_GUESTS = 100;
/** Who has not shown a certificate yet; some hundredths of a second is what it takes. */
const MAX_STRANGERS = 100;
/** How often the certificates of those who are connected are looked at. */
const LOOK_MSEC: Milliseconds = 1_000;
/** What one client may say; readings of a device come a few times a second. */
const CLIENT_ALLOWANCE: Allowance = { perSecond: 50, burst: 100 };

const localGuest = (): Guest => ({ name: 'local', role: 'local', allowance: new TokenBucket(CLIENT_ALLOWANCE) });

interface PresentGuest extends Guest {
  readonly socket: Socket;
}

/** Of one too many the latest of whoever has most has to go; where all have as many, the newcomer. */
function oneTooMany(guests: readonly PresentGuest[], newcomer: PresentGuest): PresentGuest {
  const byName = Map.groupBy(guests, ({ name }) => name);
  const own = byName.get(newcomer.name) ?? [];
  const most = [...byName.values()].reduce((most, one) => (one.length > most.length ? one : most), own);
  return most.at(-1) ?? newcomer;
}

/** Where a connection comes from: the same for a socket and for the TLS that is made of it. */
const originOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/** Who has shown this certificate, or why it is not let in. */
function guestWith(certificate: X509Certificate, { identity, rules }: BrokerTls): Guest | string {
  const problem = identity.problemOf(certificate);
  if (problem !== undefined) return `the certificate ${problem}`;
  const facts = factsIn(certificate);
  const told = roleOf(facts, { ...rules, ownFingerprint: identity.identity.fingerprint });
  return typeof told === 'string' ? told : { ...localGuest(), name: facts.name, role: told.role, certificate };
}

/** Lets clients in to a broker, plain or by mutual TLS 1.3, and knows who each of them is. */
export class BrokerDoor {
  readonly #options: DoorOptions;
  readonly #troubles: NotedTroubles;
  readonly #admitted: (socket: Socket) => void;
  readonly #server: Server;
  readonly #guests = new Map<unknown, PresentGuest>();
  /** Those who have not shown a certificate yet, the oldest first. */
  readonly #strangers = new Map<string, Socket>();
  /** By the name in the certificate; the CA knows how many there are. */
  readonly #allowances = new Map<string, TokenBucket>();
  #forgetTls: Unsubscribe = () => {};
  #expiry: NodeJS.Timeout | undefined;

  /** `admitted` gets the socket of each client that may come in. */
  constructor(options: DoorOptions, troubles: NotedTroubles, admitted: (socket: Socket) => void) {
    const { tls } = options;
    this.#options = options;
    this.#troubles = troubles;
    this.#admitted = admitted;
    this.#server =
      tls === undefined ? createServer((socket) => this.#admit(socket, localGuest())) : this.#tlsServer(tls);
  }

  get address(): UnitAddress {
    const bound = this.#server.address();
    return { host: this.#options.host ?? '127.0.0.1', port: typeof bound === 'object' && bound ? bound.port : 0 };
  }

  /** Rejects with the error of `listen`, e.g. code EADDRINUSE. */
  async listen(): Promise<void> {
    const { host = '127.0.0.1', port = 0, log } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve());
    });
    this.#server.on('error', (error) => log.error({ message: error.message }, 'broker.server-failed'));
  }

  guestOf(connection: unknown): Guest | undefined {
    return this.#guests.get(connection);
  }

  async close(): Promise<void> {
    this.#forgetTls();
    clearInterval(this.#expiry);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#strangers.values()) socket.destroy();
    for (const { socket } of this.#guests.values()) socket.destroy();
    await closed;
  }

  #tlsServer(tls: BrokerTls): TlsServer {
    const { identity } = tls;
    const server = createTlsServer(
      { ...identity.material, requestCert: true, rejectUnauthorized: true, handshakeTimeout: CONNECT_TIMEOUT_MSEC },
      (socket) => this.#judge(socket, tls),
    );
    server.on('connection', (socket: Socket) => this.#meet(socket));
    server.on('tlsClientError', ({ message }, { authorizationError, remoteAddress }) =>
      this.#refuse(String(authorizationError ?? message), '', remoteAddress),
    );
    this.#forgetTls = identity.onChange(() => {
      server.setSecureContext(identity.material);
      this.#judgeAgain(identity);
    });
    this.#expiry = setInterval(() => this.#judgeAgain(identity), LOOK_MSEC);
    this.#expiry.unref();
    return server;
  }

  /** Strangers never keep a peer out: the oldest of them makes room, and a peer is none for long. */
  #meet(socket: Socket): void {
    const origin = originOf(socket);
    this.#strangers.set(origin, socket);
    socket.on('close', () => this.#strangers.get(origin) === socket && this.#strangers.delete(origin));
    const [oldest] = this.#strangers.values();
    if (this.#strangers.size <= MAX_STRANGERS || oldest === undefined) return;
    this.#refuse('too many connections without certificate', '', oldest.remoteAddress);
    oldest.destroy();
  }

  /** The chain is valid and not expired; what is left is whether it is still believed, and what it allows. */
  #judge(socket: TLSSocket, tls: BrokerTls): void {
    this.#strangers.delete(originOf(socket));
    const certificate = socket.getPeerX509Certificate();
    const guest = certificate === undefined ? 'no certificate' : guestWith(certificate, tls);
    if (typeof guest !== 'string') {
      this.#admit(socket, { ...guest, allowance: this.#allowanceOf(guest) });
      return;
    }
    this.#refuse(guest, certificate === undefined ? '' : factsIn(certificate).name, socket.remoteAddress);
    socket.destroy();
  }

  /** A certificate may be revoked, or expire, while its owner is here. */
  #judgeAgain(identity: TlsIdentity): void {
    for (const { socket, certificate, name } of this.#guests.values()) {
      const problem = certificate && identity.problemOf(certificate);
      if (problem === undefined) continue;
      this.#refuse(`the certificate ${problem}`, name, socket.remoteAddress);
      socket.destroy();
    }
  }

  /** Coming again gives nobody more; programs of the unit's owner share a name, and one must not silence another. */
  #allowanceOf({ name, role, allowance }: Guest): TokenBucket {
    if (role === 'local') return allowance;
    const known = this.#allowances.get(name) ?? allowance;
    this.#allowances.set(name, known);
    return known;
  }

  #refuse(message: string, client: string, remoteAddress: string | undefined): void {
    this.#troubles.note(`${client} ${message}`, { client, remoteAddress, message }, 'broker.stranger-refused');
  }

  #admit(socket: Socket, guest: Guest): void {
    const present = { ...guest, socket };
    this.#guests.set(socket, present);
    socket.on('close', () => this.#guests.delete(socket));
    if (this.#guests.size > MAX_GUESTS) {
      const { name, socket: last } = oneTooMany([...this.#guests.values()], present);
      this.#refuse('too many connections', name, last.remoteAddress);
      last.destroy();
      if (last === socket) return;
    }
    socket.setNoDelay(true);
    this.#admitted(socket);
  }
}
