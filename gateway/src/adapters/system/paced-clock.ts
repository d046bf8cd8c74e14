import type { EpochMsec, Milliseconds } from '../../domain/quantities.ts';
import type { Cancel, Clock } from '../../ports/clock.ts';
import { VirtualClock } from '../../ports/virtual-clock.ts';

export interface PacedClockOptions {
  /** How many times faster than life; above 0. */
  readonly speed: number;
  readonly start?: EpochMsec;
  /** Minutes that the emulated place lies east of UTC; default 0. */
  readonly zoneOffsetMinutes?: number;
  /** Wall time that never jumps; replaced in tests. */
  readonly wall?: () => Milliseconds;
}

/** Behind by more than this of wall time, the clock slows down instead of catching up. */
const MAX_LAG_MSEC = 250;
/** After this much work without a pause, sockets and signals get their turn. */
const TURN_MSEC = 10;

/**
 * Virtual time driven at `speed` times wall time, event by event (architecture.md §6): every timer fires at exactly
 * its own time and in order, between events time flows on, and a busy process slows time instead of letting
 * deadlines pass. Use it, not the clock inside, so that what real input starts is timed from now.
 */
export class PacedClock implements Clock {
  readonly #virtual: VirtualClock;
  readonly #wall: () => Milliseconds;
  readonly #start: EpochMsec;
  readonly #zoneOffsetMinutes: number;
  #speed: number;
  #anchor: { readonly wall: Milliseconds; readonly virtual: Milliseconds };
  #isStepping = false;
  #holds = 0;
  #heldSince: Milliseconds = 0;
  #isRunning = false;
  #wake: (() => void) | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: PacedClockOptions) {
    this.#start = options.start ?? 0;
    this.#zoneOffsetMinutes = options.zoneOffsetMinutes ?? 0;
    this.#virtual = new VirtualClock(this.#start);
    this.#wall = options.wall ?? (() => performance.now());
    this.#speed = options.speed;
    this.#anchor = { wall: this.#wall(), virtual: 0 };
  }

  get speed(): number {
    return this.#speed;
  }

  /** Time goes on from where it is, at the new speed. */
  setSpeed(speed: number): void {
    this.#anchor = { wall: this.#wall(), virtual: this.monotonic() };
    this.#speed = speed;
    this.#wake?.();
  }

  now(): EpochMsec {
    return this.#start + this.monotonic();
  }

  monotonic(): Milliseconds {
    const reached = this.#virtual.monotonic();
    if (this.#isStepping || !this.#isRunning) return reached;
    // Time never passes a timer that has not fired yet.
    return Math.max(reached, Math.min(this.#target(), this.#virtual.nextAt() ?? Number.POSITIVE_INFINITY));
  }

  zoneOffsetMinutes(): number {
    return this.#zoneOffsetMinutes;
  }

  after(delay: Milliseconds, fire: () => void): Cancel {
    const at = this.monotonic() + Math.max(0, delay);
    const cancel = this.#virtual.after(at - this.#virtual.monotonic(), fire);
    if (!this.#isStepping) this.#wake?.();
    return cancel;
  }

  /**
   * Time stands still until the work has settled. For work of the outside world, such as a write to the disk, that
   * takes its time by the wall: at 100 times the speed 20 ms of it would outlast a lease of 2 s.
   */
  async during<T>(work: Promise<T>): Promise<T> {
    if (this.#holds === 0) {
      this.#heldSince = this.#wall();
      this.#anchor = { wall: this.#heldSince, virtual: this.monotonic() };
    }
    this.#holds += 1;
    try {
      return await work;
    } finally {
      this.#holds -= 1;
      if (this.#holds === 0) {
        this.#anchor = { wall: this.#wall(), virtual: this.#anchor.virtual };
        this.#wake?.();
      }
    }
  }

  /** Wall time for which work of the outside world has kept time standing still; 0 while it flows. */
  get heldForMsec(): Milliseconds {
    return this.#holds === 0 ? 0 : this.#wall() - this.#heldSince;
  }

  /** Lets time run. */
  start(): void {
    if (this.#isRunning) return;
    this.#anchor = { wall: this.#wall(), virtual: this.#virtual.monotonic() };
    this.#isRunning = true;
    this.#loop = this.#run();
  }

  /** Time stands still from here on; resolves once the event under way has settled. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#wake?.();
    await this.#loop;
  }

  #target(): Milliseconds {
    if (this.#holds > 0) return this.#anchor.virtual;
    return this.#anchor.virtual + (this.#wall() - this.#anchor.wall) * this.#speed;
  }

  async #run(): Promise<void> {
    while (this.#isRunning) {
      await this.#fireDue();
      await this.#pause();
    }
  }

  async #fireDue(): Promise<void> {
    this.#limitLag();
    const turnEnd = this.#wall() + TURN_MSEC;
    while (this.#isRunning && (this.#virtual.nextAt() ?? Number.POSITIVE_INFINITY) <= this.#target()) {
      this.#isStepping = true;
      try {
        await this.#virtual.step();
      } finally {
        this.#isStepping = false;
      }
      if (this.#wall() >= turnEnd) break;
    }
  }

  #limitLag(): void {
    const reached = this.monotonic();
    const lag = (this.#target() - reached) / this.#speed;
    if (lag > MAX_LAG_MSEC) this.#anchor = { wall: this.#wall() - MAX_LAG_MSEC, virtual: reached };
  }

  /** Until the next timer is due, or something changes; at least one turn of the event loop. */
  #pause(): Promise<void> {
    const next = this.#virtual.nextAt();
    const wait = next === undefined ? 1_000 : (next - this.#target()) / this.#speed;
    if (wait <= 0 || !this.#isRunning) return new Promise((resolve) => setImmediate(resolve));
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), Math.min(wait, 1_000));
      this.#wake = () => {
        this.#wake = undefined;
        clearTimeout(timer);
        setImmediate(resolve);
      };
    });
  }
}
