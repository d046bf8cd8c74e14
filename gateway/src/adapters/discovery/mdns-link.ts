import Bonjour from 'bonjour-service';
import type { Milliseconds } from '../../domain/quantities.ts';
import { type Announcement, type DnsPacket, SERVICE_TYPE, serviceNameOf, txtOf } from './announcement.ts';
import { isOnLink, type LinkAddress } from './interfaces.ts';

/** A unit to announce, with the port of its broker. */
export interface LocalService extends Announcement {
  readonly port: number;
}

export interface MdnsLinkNeeds {
  readonly link: LinkAddress;
  readonly services: readonly LocalService[];
  /** A packet from this link; `kind` tells questions from answers. */
  hear(kind: 'query' | 'response', packet: DnsPacket, sender: string): void;
  /** The link is of no more use; it has to be made anew. */
  fail(why: string): void;
}

interface Sender {
  readonly address: string;
}

/** What lies below the library's own classes: they never forget a service and ask only once. */
interface MulticastDns {
  on(event: 'query' | 'response', handle: (packet: DnsPacket, sender: Sender) => void): void;
  on(event: 'error' | 'warning', handle: (error: Error) => void): void;
  query(name: string, type: string, done: (error?: Error | null) => void): void;
}

/** The library's types call `server` private; there is no other way to its socket. */
const multicastOf = (bonjour: Bonjour): MulticastDns =>
  (bonjour as unknown as { readonly server: { readonly mdns: MulticastDns } }).server.mdns;

/** So many own questions in a row that are not even heard here: the link is deaf, not the machine busy. */
const DEAF_QUERIES = 3;
/** A goodbye that has not left by then never will: the interface has gone. */
const GOODBYE_MSEC: Milliseconds = 500;

/** Announces services on one address of this machine, and hears what others say there. */
export class MdnsLink {
  readonly link: LinkAddress;
  readonly #bonjour: Bonjour;
  readonly #needs: MdnsLinkNeeds;
  #isClosed = false;
  #unheardQueries = 0;

  constructor(needs: MdnsLinkNeeds) {
    this.#needs = needs;
    this.link = needs.link;
    // Bound to the address itself a socket would hear no multicast at all.
    const options = { interface: needs.link.address, bind: '0.0.0.0' };
    // The types know the options of services only, not those of the socket; without a callback the library throws.
    this.#bonjour = new Bonjour(options as object, (error: Error) => this.#fail(error));
    const multicast = multicastOf(this.#bonjour);
    multicast.on('error', (error) => this.#fail(error));
    // A packet that cannot be read is a warning, too, and the sender's fault; what the system refuses is ours.
    multicast.on('warning', (error) => 'syscall' in error && this.#fail(error));
    multicast.on('query', (packet, sender) => this.#hear('query', packet, sender));
    multicast.on('response', (packet, sender) => this.#hear('response', packet, sender));
    for (const service of needs.services) this.#publish(service);
  }

  /** Asks everybody to announce themselves. What is sent is heard here as well: else the link has become deaf. */
  query(): void {
    if (this.#unheardQueries >= DEAF_QUERIES) {
      this.#fail(new Error('not even the own questions are heard'));
      return;
    }
    this.#unheardQueries += 1;
    multicastOf(this.#bonjour).query(`_${SERVICE_TYPE}._tcp.local`, 'PTR', (error) => error && this.#fail(error));
  }

  /** Says goodbye and closes the socket. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GOODBYE_MSEC);
      this.#bonjour.unpublishAll(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    await new Promise<void>((resolve) => this.#bonjour.destroy(() => resolve()));
  }

  #publish(service: LocalService): void {
    const name = serviceNameOf(service);
    this.#bonjour.publish({
      name,
      type: SERVICE_TYPE,
      port: service.port,
      // Two gateways of one machine would else describe one host name in two ways.
      host: `${name}.local`,
      txt: txtOf(service),
      probe: false,
      disableIPv6: true,
    });
  }

  #hear(kind: 'query' | 'response', packet: DnsPacket, { address }: Sender): void {
    if (this.#isClosed || !isOnLink(address, this.link)) return;
    this.#unheardQueries = 0;
    this.#needs.hear(kind, packet, address);
  }

  #fail(error: Error): void {
    if (!this.#isClosed) this.#needs.fail(error.message);
  }
}
