import { slaveSideMustBeActive } from '../domain/deal.ts';
import { messageOf } from '../domain/errors.ts';
import { StrikeCounter, violationsOf } from './global-safety.ts';
import type { Grid } from './grid.ts';
import { isCarrying, modeOf } from './grid-view.ts';
import type { Halting } from './halting.ts';
import { optimalGridVoltageV } from './voltage-optimisation.ts';

/** What is watched over on the bus as a whole, once in a pass. */
export class BusGuard {
  readonly #grid: Grid;
  readonly #halting: Halting;
  readonly #strikes = new StrikeCounter();
  #running = '';

  constructor(grid: Grid, halting: Halting) {
    this.#grid = grid;
    this.#halting = halting;
  }

  /** Without a voltage reference all currents have to stop, together and at once (RULE-7). */
  demandReference(): void {
    const view = this.#grid.view();
    const vr = view.voltageReferenceUnitId;
    const isHeld = vr !== undefined && view.isAlive(vr) && modeOf(view, vr) !== 'WAIT';
    if (!isHeld && view.deals.some(isCarrying)) void this.#halting.stopAll('grid.reference-lost');
  }

  /** After the deals: the voltage that suits them when they have changed, and the global checks. */
  async look(): Promise<void> {
    const running = this.#runningIds();
    const hasChanged = running !== this.#running;
    this.#running = running;
    if (hasChanged) {
      this.#strikes.clear(); // currents have been moved on purpose
      await this.#optimiseVoltage();
    }
    this.#checkSafety();
  }

  #runningIds(): string {
    const running = this.#grid.deals.all().filter(slaveSideMustBeActive);
    return running
      .map((deal) => deal.dealId)
      .toSorted()
      .join();
  }

  /** Only a wish (control.md §4.14): the deals run as well at another voltage. */
  async #optimiseVoltage(): Promise<void> {
    const grid = this.#grid;
    const vr = grid.voltageReferenceUnitId;
    const gridVoltageV = optimalGridVoltageV(grid.policy, grid.deals.all());
    if (!grid.policy.gridMaster.gridVoltageOptimization.enabled || this.#halting.isActive) return;
    if (vr === undefined || gridVoltageV === undefined || !grid.mayRaise) return;
    grid.beginStep();
    try {
      await grid.raise(vr, { command: 'voltage', gridVoltageV });
    } catch (error) {
      grid.needs.log.warn({ vr, gridVoltageV, message: messageOf(error) }, 'grid.voltage-not-moved');
    }
  }

  /** A violation that lasts stops everything in order (control.md §5.4). */
  #checkSafety(): void {
    const grid = this.#grid;
    const faults = this.#strikes.faultsOf(violationsOf(grid.alignedView()), grid.now);
    for (const fault of faults) grid.raiseFault(fault);
    const worst = faults.find((fault) => fault.level === 'ERROR');
    if (worst === undefined || this.#halting.openDeals().length === 0) return;
    void this.#halting.stopAll(`${worst.reason} : ${worst.message}`);
  }
}
