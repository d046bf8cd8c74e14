import { type Deal, isDeactivated } from '../domain/deal.ts';
import { scramAll, stopInOrder } from './emergency.ts';
import type { Grid } from './grid.ts';

/** The one place from which the whole bus is stopped; while it works no step of a deal is begun. */
export class Halting {
  readonly #grid: Grid;
  readonly #onEnd: () => void;
  #work: Promise<void> | undefined;

  /** `onEnd` is called after each stop, whatever came of it. */
  constructor(grid: Grid, onEnd: () => void) {
    this.#grid = grid;
    this.#onEnd = onEnd;
  }

  get isActive(): boolean {
    return this.#work !== undefined;
  }

  /** Resolves when no stop is at work. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** Orderly stop of all deals; joins one that is at work already. */
  stopAll(reason: string): Promise<void> {
    return this.#work ?? this.#begin(stopInOrder(this.#grid, reason));
  }

  /** Emergency: does not wait for an orderly stop that is at work. */
  scram(reason: string): Promise<void> {
    return this.#begin(scramAll(this.#grid, reason));
  }

  /** `stop` and `manual` leave no deal on the bus (control.md §6, D22). */
  obeyMode(): void {
    const mode = this.#grid.needs.mode();
    if ((mode === 'stop' || mode === 'manual') && this.openDeals().length > 0) void this.stopAll(`mode.${mode}`);
  }

  openDeals(): readonly Deal[] {
    return this.#grid.deals.all().filter((deal) => !isDeactivated(deal));
  }

  #begin(stop: Promise<void>): Promise<void> {
    const work = stop.finally(() => {
      if (this.#work !== work) return; // a scram has taken over meanwhile
      this.#work = undefined;
      this.#onEnd();
    });
    this.#work = work;
    return work;
  }
}
