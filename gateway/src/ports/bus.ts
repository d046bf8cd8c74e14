import type { Bodies, Channel, Envelope } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';

export type Unsubscribe = () => void;

/** A message as it arrives: key is the rest of its topic, e.g. a deal id or `<toUnit>/<id>`. */
export interface Delivery<C extends Channel> {
  readonly channel: C;
  readonly key: string;
  readonly envelope: Envelope<Bodies[C]>;
}

/**
 * Publish at home, listen everywhere (architecture.md §3): a unit publishes only in its own name and hears
 * everything that any member says, itself included. Delivery is asynchronous, at most once, in order per sender.
 */
export interface Bus {
  readonly unitId: string;
  readonly session: string;
  /** Retained channels replace the former message of the same key. */
  publish<C extends Channel>(
    channel: C,
    key: string,
    body: Bodies[C],
    options?: { readonly term?: number; readonly expiryMsec?: Milliseconds },
  ): void;
  /** Takes a retained message back; listeners are not told. */
  retract(channel: Channel, key: string): void;
  /** Calls `handle` for every later message of the channel, after all that is retained already. */
  listen<C extends Channel>(channel: C, handle: (delivery: Delivery<C>) => void): Unsubscribe;
  /**
   * Calls `handle` when the process of a unit is known to have ended, after all that it has said. A hint to look sooner:
   * of most ends only silence tells. Absent where nobody can know.
   */
  onVanished?(handle: (unitId: string, session: string) => void): Unsubscribe;
}

/** Where units get their bus: one hub in memory, or brokers. A session is one process start. */
export interface BusHub {
  join(unitId: string, session: string): Bus;
}
