import { messageOf } from '../domain/errors.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import type { Log } from '../ports/log.ts';

type Handlers<Events> = { [E in keyof Events]?: Set<(value: Events[E]) => void> };

/** Listeners by event. One that throws is logged and harms neither the others nor the one who emits. */
export class EventHub<Events> {
  readonly #handlers: Handlers<Events> = {};
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  on<E extends keyof Events>(event: E, handle: (value: Events[E]) => void): Unsubscribe {
    const set = this.#handlers[event] ?? new Set();
    this.#handlers[event] = set;
    set.add(handle);
    return () => set.delete(handle);
  }

  emit<E extends keyof Events>(event: E, value: Events[E]): void {
    for (const handle of [...(this.#handlers[event] ?? [])]) {
      try {
        handle(value);
      } catch (error) {
        this.#log.error({ event: String(event), message: messageOf(error) }, 'client.handler-failed');
      }
    }
  }
}
