import type { Milliseconds } from '../../domain/quantities.ts';
import type { Unsubscribe } from '../../ports/bus.ts';
import type { Cancel, Clock } from '../../ports/clock.ts';
import type { Entropy } from '../../ports/entropy.ts';
import type { Log } from '../../ports/log.ts';
import { asksForUnits, type DnsPacket, goodbyesIn, type Sighting, sightingsIn } from './announcement.ts';
import { type LinkAddress, linkAddresses } from './interfaces.ts';
import { type LocalService, MdnsLink } from './mdns-link.ts';
import { type Duplicate, placeOf, TRIAL_MSEC, UnitBook } from './unit-book.ts';

/** Interfaces come, go and change their address; looked after so often. */
const INTERFACES_MSEC: Milliseconds = 2_000;
/** The first questions after a start, a new interface or a doubt: one packet may be lost. */
const FIRST_QUERIES_MSEC: readonly Milliseconds[] = [0, 500, 1_500];
/** Further ones, this far apart and up to a fifth more or less, so that not everybody asks at once. */
const QUERY_MSEC: Milliseconds = 10_000;
const JITTER = 0.2;

export interface DiscoveryOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  /** Name or address of one interface; default all. */
  readonly interface?: string | undefined;
  /** Units of this process, none for a client. */
  readonly services?: readonly LocalService[];
}

/** What is known at a moment. */
export interface Found {
  /** Units of other processes, each once. */
  readonly units: readonly Sighting[];
  /** Every address of units and rivals. */
  readonly places: readonly Sighting[];
  readonly duplicates: readonly Duplicate[];
  /** Units of other processes that have the id of one of ours. */
  readonly rivals: readonly Sighting[];
}

/**
 * Announces the units of this process by mDNS and finds those of others, on every interface, whatever becomes of
 * it (architecture.md §3). Only ever a hint: nothing is alive or dead because of what is found here.
 */
export class Discovery {
  readonly #options: DiscoveryOptions;
  readonly #book = new UnitBook();
  readonly #links = new Map<string, MdnsLink>();
  readonly #handlers = new Set<(found: Found) => void>();
  readonly #timers = new Set<Cancel>();
  #cancelQuestions: readonly Cancel[] = [];
  readonly #closing = new Set<Promise<void>>();
  readonly #ownInstances: ReadonlySet<string>;
  readonly #ownPlaces: ReadonlySet<string>;
  #lastAsked: Milliseconds = Number.NEGATIVE_INFINITY;
  #told = '';
  #failing = '';
  #isClosed = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    const { services = [] } = options;
    this.#ownInstances = new Set(services.map(({ instance }) => instance));
    this.#ownPlaces = new Set(services.map(placeOf));
    this.#every(
      () => INTERFACES_MSEC,
      () => this.#watchInterfaces(),
    );
    this.#every(
      () => QUERY_MSEC * (1 + JITTER * (2 * options.entropy.next() - 1)),
      () => this.#askAgain(),
    );
    this.#watchInterfaces();
  }

  found(): Found {
    const all = this.#book.units();
    const isRival = (one: Sighting): boolean => this.#ownPlaces.has(placeOf(one));
    return {
      units: all.filter((one) => !isRival(one)),
      places: this.#book.places(),
      duplicates: this.#book.duplicates(),
      rivals: all.filter(isRival),
    };
  }

  /** Tells what is known now and every change of it. */
  listen(handle: (found: Found) => void): Unsubscribe {
    this.#handlers.add(handle);
    handle(this.found());
    return () => this.#handlers.delete(handle);
  }

  /** Says goodbye; resolves when all sockets are closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const cancel of this.#timers) cancel();
    this.#handlers.clear();
    for (const link of this.#links.values()) this.#leave(link);
    await Promise.all(this.#closing);
  }

  #watchInterfaces(): void {
    const present = new Map(linkAddresses(this.#options.interface).map((link) => [linkKey(link), link]));
    for (const [key, link] of this.#links) if (!present.has(key)) this.#leave(link);
    const fresh = [...present].filter(([key]) => !this.#links.has(key));
    for (const [key, link] of fresh) this.#links.set(key, this.#open(link));
    if (fresh.length > 0) this.#askRepeatedly();
    this.#expire();
  }

  #expire(): void {
    this.#book.expire(this.#now());
    this.#tell();
  }

  #open(link: LinkAddress): MdnsLink {
    const opened = new MdnsLink({
      link,
      services: this.#options.services ?? [],
      hear: (kind, packet, sender) => (kind === 'query' ? this.#onQuery(packet) : this.#onResponse(packet, sender)),
      fail: (why) => this.#onFailure(opened, why),
    });
    this.#options.log.debug({ ...link }, 'discovery.interface-joined');
    return opened;
  }

  /** It is opened again when the interfaces are looked after next, if its address is still there. */
  #leave(link: MdnsLink): void {
    if (this.#links.get(linkKey(link.link)) === link) this.#links.delete(linkKey(link.link));
    this.#options.log.debug({ ...link.link }, 'discovery.interface-left');
    const closed = link.close().catch((error: unknown) => {
      this.#options.log.debug({ ...link.link, error: String(error) }, 'discovery.close-failed');
    });
    this.#closing.add(closed);
    void closed.then(() => this.#closing.delete(closed));
  }

  #onFailure(link: MdnsLink, why: string): void {
    const text = `${link.link.address} ${why}`;
    if (text !== this.#failing) this.#options.log.warn({ ...link.link, why }, 'discovery.interface-failed');
    this.#failing = text;
    this.#leave(link);
  }

  #onQuery(packet: DnsPacket): void {
    if (asksForUnits(packet)) this.#lastAsked = this.#now();
  }

  #onResponse(packet: DnsPacket, sender: string): void {
    for (const service of goodbyesIn(packet)) this.#book.leave(service, sender);
    const others = sightingsIn(packet, sender).filter(({ instance }) => !this.#ownInstances.has(instance));
    const isDoubtful = others.map((one) => this.#book.see(one, this.#now())).some(Boolean);
    if (isDoubtful) {
      this.#askRepeatedly();
      this.#after(TRIAL_MSEC, () => this.#expire());
    }
    this.#tell();
  }

  #askRepeatedly(): void {
    for (const cancel of this.#cancelQuestions) cancel();
    this.#cancelQuestions = FIRST_QUERIES_MSEC.map((delay) => this.#after(delay, () => this.#ask()));
  }

  /** RFC 6762 §7.3: what somebody else has just asked is answered to everybody. */
  #askAgain(): void {
    if (this.#now() - this.#lastAsked >= QUERY_MSEC / 2) this.#ask();
  }

  #ask(): void {
    for (const link of this.#links.values()) link.query();
  }

  #tell(): void {
    if (this.#isClosed) return;
    const found = this.found();
    const text = JSON.stringify(found);
    if (text === this.#told) return;
    this.#told = text;
    for (const handle of this.#handlers) handle(found);
  }

  #now(): Milliseconds {
    return this.#options.clock.monotonic();
  }

  #after(delay: Milliseconds, act: () => void): Cancel {
    const stop = this.#options.clock.after(delay, () => {
      this.#timers.delete(cancel);
      act();
    });
    const cancel = (): void => {
      this.#timers.delete(cancel);
      stop();
    };
    this.#timers.add(cancel);
    return cancel;
  }

  #every(period: () => Milliseconds, act: () => void): void {
    this.#after(period(), () => {
      act();
      this.#every(period, act);
    });
  }
}

const linkKey = ({ name, address, netmask }: LinkAddress): string => `${name} ${address}/${netmask}`;
