import { DeviceError } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';

/** Who goes first when several wait; a stop never waits at all (control.md D12). */
const PRIORITIES = ['command', 'urgent', 'periodic'] as const;
export type Priority = (typeof PRIORITIES)[number];

export interface TurnOptions {
  readonly priority: Priority;
  /** Longest time to wait for the turn. */
  readonly waitMsec: Milliseconds;
  readonly signal?: AbortSignal;
}

interface Waiter {
  grant(): void;
  refuse(reason: unknown): void;
}

/** The signal of a turn says when a stop or the end has overtaken it: whatever it does then must end at once. */
type Work<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Turns at one device, one at a time: by priority, first come first served within one. A stop raises the epoch:
 * it kills the turn that runs and the commands that wait, and starts at once (RULE-11).
 */
export class DeviceQueue {
  readonly #clock: Clock;
  readonly #waiting: Readonly<Record<Priority, Set<Waiter>>> = {
    command: new Set(),
    urgent: new Set(),
    periodic: new Set(),
  };
  /** Turns that run: at most one, besides stops. */
  readonly #running = new Set<AbortController>();
  #epoch = 0;
  #closed: DeviceError | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Number of stops so far. */
  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Does `work` when its turn has come.
   * @throws DeviceError `device.busy` when the turn did not come in time, `device.superseded` when a stop came first
   */
  async run<T>(options: TurnOptions, work: Work<T>): Promise<T> {
    const turn = await this.#turn(options);
    try {
      turn.signal.throwIfAborted();
      return await work(turn.signal);
    } finally {
      this.#release(turn);
    }
  }

  /** Overtakes everything and does `work` now; nothing else gets a turn before it has ended (RULE-11). */
  async stop<T>(reason: string, work: Work<T>): Promise<T> {
    this.#epoch += 1;
    const superseded = new DeviceError('device.superseded', `superseded by a stop: ${reason}`);
    const overtaken = [...this.#running];
    const turn = this.#begin();
    for (const waiter of [...this.#waiting.command]) waiter.refuse(superseded);
    for (const running of overtaken) running.abort(superseded);
    try {
      return await work(turn.signal);
    } finally {
      this.#release(turn);
    }
  }

  /** Refuses what waits and all that comes later, except stops. */
  close(): void {
    this.#closed = new DeviceError('device.closed', 'the controller has ended');
    for (const priority of PRIORITIES) for (const waiter of [...this.#waiting[priority]]) waiter.refuse(this.#closed);
  }

  #turn({ priority, waitMsec, signal }: TurnOptions): Promise<AbortController> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed);
      if (signal?.aborted) return reject(signal.reason);
      if (this.#running.size === 0) return resolve(this.#begin());
      const leave = (): void => {
        cancel();
        signal?.removeEventListener('abort', onAbort);
        this.#waiting[priority].delete(waiter);
      };
      const waiter: Waiter = {
        grant: () => {
          leave();
          resolve(this.#begin());
        },
        refuse: (reason) => {
          leave();
          reject(reason);
        },
      };
      const onAbort = (): void => waiter.refuse(signal?.reason);
      const cancel = this.#clock.after(waitMsec, () =>
        waiter.refuse(new DeviceError('device.busy', `no turn at the device within ${waitMsec} ms`)),
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting[priority].add(waiter);
    });
  }

  #begin(): AbortController {
    const turn = new AbortController();
    this.#running.add(turn);
    return turn;
  }

  #release(turn: AbortController): void {
    this.#running.delete(turn);
    this.#grantNext();
  }

  #grantNext(): void {
    if (this.#running.size > 0) return;
    const first = PRIORITIES.map((priority) => this.#waiting[priority].values().next().value);
    first.find((waiter) => waiter !== undefined)?.grant();
  }
}
