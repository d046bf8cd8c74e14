import { messageOf } from '../../domain/errors.ts';
import {
  type Birth,
  type Bodies,
  type Channel,
  type ElectionState,
  type Envelope,
  RETAINED,
} from '../../domain/messages.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Role } from '../../domain/role.ts';
import type { Bus, Unsubscribe } from '../../ports/bus.ts';
import { type Clock, sleep } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { UnitAddress } from '../broker/broker-connection.ts';
import type { UnitBroker } from '../broker/unit-broker.ts';
import type { TlsIdentity } from '../identity/tls-identity.ts';
import { NotedTroubles } from '../log/noted-troubles.ts';
import type { AnyDelivery } from './message-schemas.ts';
import { PeerLink } from './peer-link.ts';
import type { PeerAddress, PeerSource } from './peer-source.ts';
import { type Rival, RivalWatch } from './rival-watch.ts';

type Handler = (delivery: AnyDelivery) => void;
type VanishedHandler = Parameters<NonNullable<Bus['onVanished']>>[0];

export interface MeshBusOptions {
  /** The unit's own broker; the bus does not close it. */
  readonly broker: UnitBroker;
  readonly peers: PeerSource;
  /** Where peers and clients reach the broker; default where it is bound. */
  readonly reachedAt?: UnitAddress;
  readonly isMember: (unitId: string) => boolean;
  /** How the unit proves who it is, and knows the others; absent: no TLS. */
  readonly tls?: TlsIdentity;
  /** `mqtt.tls.roles`, for certificates without a role. */
  readonly roles?: Readonly<Record<string, Role>>;
  /** Another process lives under the id of this unit, and was there first: this one must go (control.md D17). */
  readonly onDuplicate?: (rival: Rival) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often silent connections are looked for. */
const CHECK_MSEC: Milliseconds = 250;
/** A first look at the others takes no longer. */
const FIRST_LOOK_MSEC: Milliseconds = 2_000;
const LOOK_AGAIN_MSEC: Milliseconds = 50;

/** Kept for nobody: what was said before somebody listened proves nothing now. */
const SIGNS_OF_LIFE: readonly Channel[] = ['election', 'grid'];

const retainedKey = (unitId: string, channel: Channel, key: string): string => `${unitId}/${channel}/${key}`;

/**
 * The bus of a unit that shares its process with nobody (architecture.md §3): it publishes at its own broker, and
 * listens at the brokers of all members that its sources of peers know.
 */
export class MeshBus {
  readonly #options: MeshBusOptions;
  readonly #handlers = new Map<Channel, Set<Handler>>();
  readonly #vanishedHandlers = new Set<VanishedHandler>();
  /** What the members keep, for listeners who come later. */
  readonly #retained = new Map<string, AnyDelivery>();
  readonly #links = new Map<string, PeerLink>();
  readonly #troubles: NotedTroubles;
  readonly #unlisten: Unsubscribe;
  readonly #forgetTls: Unsubscribe | undefined;
  readonly #check: NodeJS.Timeout;
  #checkedAt: Milliseconds;
  #birth: Birth | undefined;
  readonly #rivals: RivalWatch;
  #session = '';
  /** Of the last own beacon. */
  #beacon = 0;
  #nextId = 0;
  #isClosed = false;

  constructor(options: MeshBusOptions) {
    this.#options = options;
    this.#troubles = new NotedTroubles(options.log);
    this.#rivals = new RivalWatch({
      place: options.broker.place,
      ...(options.tls && { tls: options.tls }),
      ...(options.roles && { roles: options.roles }),
      clock: options.clock,
      log: options.log,
      ownSession: () => this.#session,
      onRival: (rival) => this.#onRival(rival),
    });
    this.#unlisten = options.peers.listen((peers) => this.#follow(peers));
    this.#forgetTls = options.tls?.onChange(() => this.#checkLinks());
    this.#checkedAt = options.clock.monotonic();
    this.#check = setInterval(() => this.#checkInTime(), CHECK_MSEC);
    this.#check.unref();
  }

  /** The bus as the unit sees it; once, since a session is one process start. */
  join(session: string): Bus {
    this.#session = session;
    const { unitId } = this.#options.broker.place;
    return {
      unitId,
      session,
      publish: (channel, key, body, options = {}) => {
        if (channel === 'birth') this.#birth = body as Birth; // the channel decides the type of the body
        this.#publish(channel, key, channel === 'birth' ? this.#withAddresses(body as Birth) : body, options);
      },
      retract: (channel, key) => {
        if (this.#retained.delete(retainedKey(unitId, channel, key))) this.#options.broker.retract(channel, key);
      },
      listen: (channel, handle) => this.#listen(channel, handle as Handler), // only its deliveries reach its handlers
      onVanished: (handle) => {
        this.#vanishedHandlers.add(handle);
        return () => this.#vanishedHandlers.delete(handle);
      },
    };
  }

  /** Resolves when whoever can be reached has said who is there, after 2 s at the latest: before the unit begins. */
  async firstLook(): Promise<void> {
    const { clock } = this.#options;
    const end = clock.monotonic() + FIRST_LOOK_MSEC;
    const isDone = (): boolean => [...this.#links.values()].every((link) => link.isSettled) && !this.#rivals.isLooking;
    while (!isDone() && clock.monotonic() < end) await sleep(clock, LOOK_AGAIN_MSEC);
  }

  /** Leaves all peers; nothing is delivered afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unlisten();
    this.#forgetTls?.();
    clearInterval(this.#check);
    await Promise.all([this.#rivals.close(), ...[...this.#links.values()].map((link) => link.close())]);
  }

  #publish(
    channel: Channel,
    key: string,
    body: Bodies[Channel],
    { term = 0, expiryMsec }: { readonly term?: number; readonly expiryMsec?: Milliseconds },
  ): void {
    if (this.#isClosed) return;
    const { broker, clock } = this.#options;
    const { unitId } = broker.place;
    const envelope: Envelope<Bodies[Channel]> = {
      id: `${unitId}-${this.#nextId++}`,
      sender: unitId,
      session: this.#session,
      term,
      time: clock.now(),
      uptimeMsec: Math.round(clock.monotonic()),
      ...(expiryMsec === undefined ? {} : { expiryMsec }),
      body,
    };
    if (channel === 'election') this.#beacon = (body as ElectionState).beacon;
    const delivery = { channel, key, envelope } as AnyDelivery; // the union cannot carry the link from channel to body
    broker.say(delivery);
    this.#take(delivery);
  }

  #listen(channel: Channel, handler: Handler): Unsubscribe {
    const set = this.#handlers.get(channel) ?? new Set<Handler>();
    this.#handlers.set(channel, set);
    set.add(handler);
    for (const delivery of this.#retained.values()) {
      if (delivery.channel === channel) setImmediate(() => set.has(handler) && this.#hand(handler, delivery));
    }
    return () => set.delete(handler);
  }

  /** Remembers what is kept, and hands it on in the next turn: delivery is asynchronous. */
  #take(delivery: AnyDelivery): void {
    const { channel, key, envelope } = delivery;
    if (RETAINED[channel] && !SIGNS_OF_LIFE.includes(channel))
      this.#retained.set(retainedKey(envelope.sender, channel, key), delivery);
    setImmediate(() => {
      for (const handler of this.#handlers.get(channel) ?? []) this.#hand(handler, delivery);
    });
  }

  /** What a peer said may upset a listener; it must not end this unit (INV-11). */
  #hand(handler: Handler, delivery: AnyDelivery): void {
    if (this.#isClosed) return;
    try {
      handler(delivery);
    } catch (error) {
      const { sender } = delivery.envelope;
      if (sender === this.#options.broker.place.unitId) throw error;
      const message = messageOf(error);
      this.#troubles.note(
        `${sender} ${message}`,
        { peer: sender, channel: delivery.channel, message },
        'mesh.message-failed',
      );
    }
  }

  /** In the next turn, as deliveries: after all that the process has said. */
  #tellVanished(unitId: string, session: string): void {
    setImmediate(() => {
      if (!this.#isClosed) for (const handle of this.#vanishedHandlers) handle(unitId, session);
    });
  }

  #forget(unitId: string): void {
    for (const key of this.#retained.keys()) if (key.startsWith(`${unitId}/`)) this.#retained.delete(key);
  }

  /**
   * Links to members that are new, none to those that are members no more. One that nobody names any longer is kept:
   * sources give hints where a unit may be found, and nothing of theirs says that it is gone (architecture.md §3).
   */
  #follow(peers: readonly PeerAddress[]): void {
    if (this.#isClosed) return;
    const { broker, isMember } = this.#options;
    const others = peers.filter(({ unitId }) => unitId !== broker.place.unitId);
    this.#lookForRivals(peers);
    for (const { unitId, host, port } of others) {
      if (!isMember(unitId))
        this.#troubles.note(`stranger ${unitId}`, { peer: unitId, host, port }, 'mesh.stranger-ignored');
    }
    for (const unitId of this.#links.keys()) if (!isMember(unitId)) this.#leave(unitId);
    const wanted = Map.groupBy(
      others.filter(({ unitId }) => isMember(unitId)),
      ({ unitId }) => unitId,
    );
    for (const [unitId, addresses] of wanted) this.#link(unitId, addresses);
    if (this.#birth !== undefined) this.#publish('birth', '', this.#withAddresses(this.#birth), {});
  }

  #link(unitId: string, addresses: readonly PeerAddress[]): void {
    const known = this.#links.get(unitId);
    if (known !== undefined) {
      known.moveTo(addresses);
      return;
    }
    const { broker, clock, log, tls, roles } = this.#options;
    const link = new PeerLink(
      {
        unitId: broker.place.unitId,
        peer: { ...broker.place, unitId },
        ...(tls === undefined ? {} : { tls }),
        ...(roles === undefined ? {} : { roles }),
        clock,
        log,
        hear: (delivery) => {
          if (delivery.channel === 'birth') this.#lookForRivals(delivery.envelope.body.peers ?? []);
          this.#take(delivery);
        },
        forget: (peerId) => this.#forget(peerId),
        gone: (peerId, channel, key) => this.#retained.delete(retainedKey(peerId, channel, key)),
        vanished: (peerId, ended) => this.#tellVanished(peerId, ended),
      },
      addresses,
    );
    this.#links.set(unitId, link);
  }

  #leave(unitId: string): void {
    const link = this.#links.get(unitId);
    this.#links.delete(unitId);
    this.#forget(unitId);
    link?.close().catch((error: unknown) => this.#options.log.debug({ error: messageOf(error) }, 'mesh.close-failed'));
  }

  /** Whoever names this unit at another place than its own may have heard of a second one. */
  #lookForRivals(places: readonly PeerAddress[]): void {
    const { broker, reachedAt } = this.#options;
    const isOwn = ({ host, port }: UnitAddress): boolean =>
      [broker.address, reachedAt].some((own) => own?.host === host && own.port === port);
    for (const { unitId, host, port } of places) {
      if (unitId === broker.place.unitId && !isOwn({ host, port })) this.#rivals.look({ host, port });
    }
  }

  #onRival(rival: Rival): void {
    const isFirst = this.#beacon > rival.beacon || (this.#beacon === rival.beacon && this.#session < rival.session);
    const { host, port } = rival.address;
    this.#troubles.note(`rival ${rival.session}`, { host, port, isFirst }, 'mesh.rival-found');
    if (!isFirst) this.#options.onDuplicate?.(rival);
  }

  #checkLinks(): void {
    for (const link of this.#links.values()) link.check();
  }

  /** A look that comes late finds everybody silent: the process has stood still, and what they said is heard after it. */
  #checkInTime(): void {
    const now = this.#options.clock.monotonic();
    const isInTime = now - this.#checkedAt < 2 * CHECK_MSEC;
    this.#checkedAt = now;
    if (isInTime) this.#checkLinks();
  }

  /** A client that knows one unit finds the others by its birth. */
  #withAddresses(birth: Birth): Birth {
    const { broker, reachedAt = broker.address } = this.#options;
    const peers = [...this.#links].flatMap(([unitId, { address }]) =>
      address === undefined ? [] : [{ unitId, host: address.host, port: address.port }],
    );
    const own = broker.isOwn ? { isOwn: true as const } : {};
    return { ...birth, broker: { host: reachedAt.host, port: reachedAt.port, ...own }, peers };
  }
}
