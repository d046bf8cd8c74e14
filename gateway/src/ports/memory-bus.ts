import { type Bodies, type Channel, type Envelope, RETAINED } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Bus, Delivery, Unsubscribe } from './bus.ts';
import type { Clock } from './clock.ts';

type AnyDelivery = { [C in Channel]: Delivery<C> }[Channel];
type Handler = (delivery: AnyDelivery) => void;
/** Sees that a retained message is gone. */
type SeeGone = (unitId: string, channel: Channel, key: string) => void;
type HearEnd = (unitId: string, session: string) => void;

/** A unit on the bus, in one life of its process. */
interface Seat {
  readonly unitId: string;
  readonly handlers: Map<Channel, Set<Handler>>;
  /** Earliest next delivery from each sender, which keeps its order under varying delays. */
  readonly notBefore: Map<string, Milliseconds>;
}

/** A message that its sender retains; a later one with the same channel and key takes its place. */
interface Retained {
  delivery: AnyDelivery;
}

/** What one unit retains, by channel and key. */
type Shelf = Map<Channel, Map<string, Retained>>;

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
  readonly #seats = new Map<string, Seat>();
  readonly #endListeners = new Map<string, Set<HearEnd>>();
  /** In the order in which they were first said, and where each of them is found: by its sender. */
  readonly #retained = new Set<Retained>();
  readonly #shelves = new Map<string, Shelf>();
  readonly #taps = new Set<{ readonly see: (delivery: AnyDelivery) => void; readonly seeGone: SeeGone }>();
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
    const seat = { unitId, handlers, notBefore: new Map<string, Milliseconds>() };
    this.#seats.set(unitId, seat);
    this.#endListeners.set(unitId, endListeners);
    return {
      unitId,
      session,
      publish: (channel, key, body, options = {}) => {
        // The channel decides the body's type in the interface; the union cannot carry that link through here.
        const id = `${unitId}-${this.#nextId++}`;
        const { term = 0, expiryMsec } = options;
        const time = this.#clock.now();
        const envelope: Envelope<Bodies[typeof channel]> =
          expiryMsec === undefined
            ? { id, sender: unitId, session, term, time, body }
            : { id, sender: unitId, session, term, time, expiryMsec, body };
        this.#publish({ channel, key, envelope } as AnyDelivery);
      },
      retract: (channel, key) => {
        const retained = this.#shelves.get(unitId)?.get(channel)?.get(key);
        if (retained !== undefined) this.#forget(retained);
      },
      listen: (channel, handle) => {
        const set = handlers.get(channel) ?? new Set<Handler>();
        handlers.set(channel, set);
        const handler = handle as Handler; // only deliveries of this channel reach this set
        set.add(handler);
        for (const { delivery } of this.#retained) {
          if (delivery.channel === channel) this.#deliver(seat, delivery, () => set.has(handler) && handler(delivery));
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
    this.#seats.delete(unitId);
    this.#endListeners.delete(unitId);
    for (const retained of this.#retained) if (retained.delivery.envelope.sender === unitId) this.#forget(retained);
  }

  /** Gives a unit again what another one retains, as when a lost connection is back. */
  resend(from: string, to: string): void {
    const seat = this.#seats.get(to);
    if (seat === undefined) return;
    for (const { delivery } of this.#retained) {
      if (delivery.envelope.sender === from) this.#deliverTo(seat, delivery);
    }
  }

  /** Tells one unit now that this process of another one has ended, be it so or not (`Bus.onVanished`). */
  tellEnd(to: string, unitId: string, session: string): void {
    for (const handle of [...(this.#endListeners.get(to) ?? [])]) handle(unitId, session);
  }

  #retain(delivery: AnyDelivery): void {
    const { channel, key } = delivery;
    const messages = this.#shelfOf(delivery.envelope.sender, channel);
    const former = messages.get(key);
    if (former !== undefined) {
      former.delivery = delivery;
      return;
    }
    const retained = { delivery };
    messages.set(key, retained);
    this.#retained.add(retained);
  }

  #shelfOf(sender: string, channel: Channel): Map<string, Retained> {
    const shelf: Shelf = this.#shelves.get(sender) ?? new Map();
    const messages = shelf.get(channel) ?? new Map<string, Retained>();
    if (messages.size === 0) this.#shelves.set(sender, shelf.set(channel, messages));
    return messages;
  }

  #forget(retained: Retained): void {
    const { channel, key, envelope } = retained.delivery;
    this.#retained.delete(retained);
    this.#shelves.get(envelope.sender)?.get(channel)?.delete(key);
    for (const tap of this.#taps) tap.seeGone(envelope.sender, channel, key);
  }

  #publish(delivery: AnyDelivery): void {
    const sender = delivery.envelope.sender;
    if (!this.#seats.has(sender)) return;
    if (RETAINED[delivery.channel]) this.#retain(delivery);
    for (const tap of this.#taps) tap.see(delivery);
    // Who hears it at the same moment, in the order of the seats: they join while it is on its way already.
    let last: { readonly at: Milliseconds; readonly seats: Seat[] } | undefined;
    for (const seat of this.#seats.values()) {
      if (!seat.handlers.get(delivery.channel)?.size) continue;
      if (seat.unitId === sender) {
        this.#deliverTo(seat, delivery);
        continue;
      }
      const at = this.#arrival(seat, delivery);
      if (at === undefined) continue;
      if (last?.at === at) last.seats.push(seat);
      else {
        last = { at, seats: [seat] };
        this.#handAt(last, delivery);
      }
    }
  }

  #deliverTo(seat: Seat, delivery: AnyDelivery): void {
    this.#deliver(seat, delivery, () => this.#hand(seat, delivery));
  }

  #handAt({ at, seats }: { readonly at: Milliseconds; readonly seats: readonly Seat[] }, delivery: AnyDelivery): void {
    this.#at(at, () => {
      for (const seat of seats) this.#hand(seat, delivery);
    });
  }

  /** A unit that has left meanwhile hears nothing, even through handlers of its former self. */
  #hand(seat: Seat, delivery: AnyDelivery): void {
    if (this.#seats.get(seat.unitId) !== seat) return;
    for (const handler of seat.handlers.get(delivery.channel) ?? []) handler(delivery);
  }

  #deliver(seat: Seat, delivery: AnyDelivery, give: () => void): void {
    if (delivery.envelope.sender === seat.unitId) {
      queueMicrotask(give); // nothing delays it, and what is queued keeps its order without a timer
      return;
    }
    const at = this.#arrival(seat, delivery);
    if (at !== undefined) this.#at(at, give);
  }

  /** When it will be heard there; undefined when it is lost. */
  #arrival({ unitId, notBefore }: Seat, { channel, envelope: { sender } }: AnyDelivery): Milliseconds | undefined {
    const delay = this.#delay(sender, unitId, channel);
    if (delay === undefined) return undefined;
    const at = Math.max(this.#clock.monotonic() + delay, notBefore.get(sender) ?? 0);
    notBefore.set(sender, at);
    return at;
  }

  /** What is sent on end and arrives at the same moment shares one timer; timers of one moment fire in order. */
  #at(at: Milliseconds, give: () => void): void {
    if (this.#last?.at === at) {
      this.#last.gives.push(give);
      return;
    }
    const batch: Batch = { at, gives: [give] };
    this.#last = batch;
    this.#clock.after(at - this.#clock.monotonic(), () => {
      if (this.#last === batch) this.#last = undefined;
      for (const one of batch.gives) one();
    });
  }
}
