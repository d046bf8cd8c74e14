import { type Bodies, type Channel, type Envelope, RETAINED } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Bus, Delivery, Unsubscribe } from './bus.ts';
import type { Clock } from './clock.ts';

type AnyDelivery = { [C in Channel]: Delivery<C> }[Channel];
type Handler = (delivery: AnyDelivery) => void;
/** Sees that a retained message is gone. */
type SeeGone = (unitId: string, channel: Channel, key: string) => void;
type HearEnd = (unitId: string, session: string) => void;

/** Deliveries that share a timer. */
interface Batch {
  readonly at: Milliseconds;
  readonly gives: (() => void)[];
}

export interface MemoryBusOptions {
  /** Delay of a delivery; default 1 ms. A function may draw it, and says `undefined` for a lost message. */
  readonly delay?: (from: string, to: string, channel: Channel) => Milliseconds | undefined;
}

/** All units of one process on one in-memory bus; the fake of the mesh of brokers, with delays and losses. */
export class MemoryBusHub {
  readonly #clock: Clock;
  readonly #delay: NonNullable<MemoryBusOptions['delay']>;
  readonly #handlers = new Map<string, Map<Channel, Set<Handler>>>();
  readonly #endListeners = new Map<string, Set<HearEnd>>();
  readonly #retained = new Map<string, AnyDelivery>();
  readonly #taps = new Set<{ readonly see: (delivery: AnyDelivery) => void; readonly seeGone: SeeGone }>();
  /** Earliest next delivery from one unit to another, which keeps the order per sender under varying delays. */
  readonly #notBefore = new Map<string, Map<string, Milliseconds>>();
  /** The deliveries under way that were sent last, and when they arrive. */
  #last: Batch | undefined;
  #nextId = 0;

  constructor(clock: Clock, options: MemoryBusOptions = {}) {
    this.#clock = clock;
    this.#delay = options.delay ?? (() => 1);
  }

  /**
   * Sees every message at the moment it is published (mirrors to real brokers, event logs), and with `seeGone`
   * also every retained message that is taken back: a mirror would otherwise keep it for ever.
   */
  tap(see: (delivery: AnyDelivery) => void, seeGone: SeeGone = () => {}): Unsubscribe {
    const tap = { see, seeGone };
    this.#taps.add(tap);
    return () => this.#taps.delete(tap);
  }

  /** The bus as one unit sees it. A session is one process start. */
  join(unitId: string, session: string): Bus {
    const handlers = new Map<Channel, Set<Handler>>();
    const endListeners = new Set<HearEnd>();
    this.#handlers.set(unitId, handlers);
    this.#endListeners.set(unitId, endListeners);
    return {
      unitId,
      session,
      publish: (channel, key, body, options = {}) => {
        // The channel decides the body's type in the interface; the union cannot carry that link through here.
        const envelope = {
          id: `${unitId}-${this.#nextId++}`,
          sender: unitId,
          session,
          term: options.term ?? 0,
          time: this.#clock.now(),
          ...(options.expiryMsec === undefined ? {} : { expiryMsec: options.expiryMsec }),
          body,
        } satisfies Envelope<Bodies[typeof channel]>;
        this.#publish({ channel, key, envelope } as AnyDelivery);
      },
      retract: (channel, key) => {
        this.#forget(`${unitId}/${channel}/${key}`);
      },
      listen: (channel, handle) => {
        const set = handlers.get(channel) ?? new Set<Handler>();
        handlers.set(channel, set);
        const handler = handle as Handler; // only deliveries of this channel reach this set
        set.add(handler);
        for (const delivery of this.#retained.values()) {
          if (delivery.channel === channel)
            this.#deliver(unitId, delivery, () => set.has(handler) && handler(delivery));
        }
        return () => set.delete(handler);
      },
      onVanished: (handle) => {
        endListeners.add(handle);
        return () => endListeners.delete(handle);
      },
    };
  }

  /** Takes a unit off the bus, its retained messages included, as if its process had gone. */
  leave(unitId: string): void {
    this.#handlers.delete(unitId);
    this.#endListeners.delete(unitId);
    for (const key of this.#retained.keys()) if (key.startsWith(`${unitId}/`)) this.#forget(key);
  }

  /** Gives a unit again what another one retains, as when a lost connection is back. */
  resend(from: string, to: string): void {
    const handlers = this.#handlers.get(to);
    if (handlers === undefined) return;
    for (const delivery of this.#retained.values()) {
      if (delivery.envelope.sender === from) this.#deliver(to, delivery, () => this.#hand(to, handlers, delivery));
    }
  }

  /** Tells one unit now that this process of another one has ended, be it so or not (`Bus.onVanished`). */
  tellEnd(to: string, unitId: string, session: string): void {
    for (const handle of [...(this.#endListeners.get(to) ?? [])]) handle(unitId, session);
  }

  #forget(retainedKey: string): void {
    const gone = this.#retained.get(retainedKey);
    if (gone === undefined || !this.#retained.delete(retainedKey)) return;
    for (const tap of this.#taps) tap.seeGone(gone.envelope.sender, gone.channel, gone.key);
  }

  #publish(delivery: AnyDelivery): void {
    const sender = delivery.envelope.sender;
    if (!this.#handlers.has(sender)) return;
    if (RETAINED[delivery.channel]) this.#retained.set(`${sender}/${delivery.channel}/${delivery.key}`, delivery);
    for (const tap of this.#taps) tap.see(delivery);
    for (const [unitId, handlers] of this.#handlers) {
      if (handlers.get(delivery.channel)?.size)
        this.#deliver(unitId, delivery, () => this.#hand(unitId, handlers, delivery));
    }
  }

  /** A unit that has left meanwhile hears nothing, even through handlers of its former self. */
  #hand(unitId: string, handlers: ReadonlyMap<Channel, ReadonlySet<Handler>>, delivery: AnyDelivery): void {
    if (this.#handlers.get(unitId) !== handlers) return;
    for (const handler of handlers.get(delivery.channel) ?? []) handler(delivery);
  }

  #deliver(to: string, delivery: AnyDelivery, give: () => void): void {
    const from = delivery.envelope.sender;
    if (from === to) {
      queueMicrotask(give); // nothing delays it, and what is queued keeps its order without a timer
      return;
    }
    const delay = this.#delay(from, to, delivery.channel);
    if (delay === undefined) return;
    const now = this.#clock.monotonic();
    const earliest = this.#earliestFrom(from);
    const at = Math.max(now + delay, earliest.get(to) ?? 0);
    earliest.set(to, at);
    this.#at(at, now, give);
  }

  #earliestFrom(from: string): Map<string, Milliseconds> {
    const known = this.#notBefore.get(from);
    if (known !== undefined) return known;
    const earliest = new Map<string, Milliseconds>();
    this.#notBefore.set(from, earliest);
    return earliest;
  }

  /** What is sent on end and arrives at the same moment shares one timer; timers of one moment fire in order. */
  #at(at: Milliseconds, now: Milliseconds, give: () => void): void {
    if (this.#last?.at === at) {
      this.#last.gives.push(give);
      return;
    }
    const batch: Batch = { at, gives: [give] };
    this.#last = batch;
    this.#clock.after(at - now, () => {
      if (this.#last === batch) this.#last = undefined;
      for (const one of batch.gives) one();
    });
  }
}
