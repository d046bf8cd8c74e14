import type { Policy } from '../config/policy.ts';
import { type Deal, slaveSideMustBeActive } from '../domain/deal.ts';
import { messageOf } from '../domain/errors.ts';
import type { Amperes, Milliseconds, Volts } from '../domain/quantities.ts';
import { StrikeCounter, violationsOf } from './global-safety.ts';
import type { Grid } from './grid.ts';
import { isCarrying, modeOf } from './grid-view.ts';
import type { Halting } from './halting.ts';
import { rebalance, referenceDriftA } from './rebalance.ts';
import { nextGridVoltageV, optimalGridVoltageV } from './voltage-optimisation.ts';

/**
 * From what drift on the reference is balanced anew (control.md S15): well before its deals are out of balance, and well
 * beyond what a correction leaves.
 */
const driftLimitA = ({ gridMaster, safety }: Policy): Amperes =>
  Math.min(2 * gridMaster.currentCompensation.driftAllowanceA, safety.sumOfDealingUnitGridCurrentAllowancePerUnitA);

/** Where a reference takes the bus next. */
interface VoltageMove {
  readonly vr: string;
  readonly gridVoltageV: Volts;
}

/** What is watched over on the bus as a whole, once in a pass. */
export class BusGuard {
  readonly #grid: Grid;
  readonly #halting: Halting;
  readonly #strikes = new StrikeCounter();
  /** The open deals that were looked at last, and which of them ran. */
  #deals: readonly Deal[] = [];
  #running = '';
  #voltageMovedAt: Milliseconds = Number.NEGATIVE_INFINITY;
  #driftsSince: Milliseconds | undefined;
  #rebalancedAt: Milliseconds = Number.NEGATIVE_INFINITY;

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

  /**
   * A converter that holds the voltage beside the reference has been told WAIT by its own unit (INV-3) and does not obey,
   * or nobody knows that it will: the reference leaves the bus, and the currents before it (INV-1, RULE-7).
   */
  demandSoleReference(): void {
    const { rivals, voltageReferenceUnitId: vr } = this.#grid;
    if (rivals.length === 0 || this.#halting.isActive) return;
    const reason = 'grid.second-reference';
    const message = `${rivals.join(', ')} and the reference ${vr} hold the voltage at the same time`;
    void this.#halting.stopAll(`${reason} : ${message}`); // before the fault, whose SCRAM lets the reference stay for its delay
    this.#grid.raiseFault({ category: 'HARDWARE', extent: 'GLOBAL', level: 'ERROR', reason, message });
  }

  /** After the deals: the voltage that suits them, and the global checks. */
  async look(): Promise<void> {
    this.#noteRunning(this.#grid.deals.all());
    const next = this.#nextVoltage();
    if (next !== undefined) await this.#moveVoltage(next);
    const drifting = this.#driftingReference();
    if (drifting !== undefined) await rebalance(this.#grid, drifting);
    this.#checkSafety();
  }

  #noteRunning(deals: readonly Deal[]): void {
    if (deals === this.#deals) return;
    this.#deals = deals;
    const running = deals
      .filter(slaveSideMustBeActive)
      .map((deal) => deal.dealId)
      .toSorted()
      .join();
    if (running !== this.#running) this.#strikes.clear(); // currents have been moved on purpose
    this.#running = running;
  }

  /** Where the bus should go next, once in a period of the main loop; only while deals run, and never in a stop. */
  #nextVoltage(): VoltageMove | undefined {
    const grid = this.#grid;
    const { policy, voltageReferenceUnitId: vr } = grid;
    const { gridVoltageOptimization, mainLoopPeriodMsec } = policy.gridMaster;
    if (!gridVoltageOptimization.enabled || this.#halting.isActive || !grid.mayRaise || vr === undefined)
      return undefined;
    if (this.#strikes.isCounting) return undefined; // readings from before a move could not be compared with those after it
    if (this.#running === '' || grid.now - this.#voltageMovedAt < mainLoopPeriodMsec) return undefined;
    const wish = (unitId: string): Volts | undefined => grid.units.unit(unitId)?.apis.efficient_grid_voltage_v;
    const wishedV = optimalGridVoltageV(policy, grid.deals.all(), wish);
    const presentV = grid.units.dcdc(vr)?.vdis.dvg;
    if (wishedV === undefined || presentV === undefined) return undefined;
    const gridVoltageV = nextGridVoltageV(policy, presentV, wishedV);
    return gridVoltageV === undefined ? undefined : { vr, gridVoltageV };
  }

  /** Only a wish (control.md §4.14): the deals run as well at another voltage. */
  async #moveVoltage({ vr, gridVoltageV }: VoltageMove): Promise<void> {
    const grid = this.#grid;
    this.#voltageMovedAt = grid.now;
    grid.beginStep();
    try {
      await grid.raise(vr, { command: 'voltage', gridVoltageV });
    } catch (error) {
      grid.needs.log.warn({ vr, gridVoltageV, message: messageOf(error) }, 'grid.voltage-not-moved');
    }
  }

  /**
   * The reference that is to be brought back to what its deals were balanced to, once in a period (control.md S15).
   * A drift lasts until everybody has been measured anew: a side that has just been lost looks like one at first.
   */
  #driftingReference(): string | undefined {
    const grid = this.#grid;
    const { voltageReferenceUnitId: vr, policy, now } = grid;
    if (vr === undefined || !this.#isDrifting() || this.#halting.isActive || !grid.mayRaise) {
      this.#driftsSince = undefined;
      return undefined;
    }
    this.#driftsSince ??= now;
    if (now - this.#driftsSince < 2 * policy.controller.dataAcquisitionPeriodMsec) return undefined;
    if (now - this.#rebalancedAt < policy.gridMaster.mainLoopPeriodMsec) return undefined;
    this.#rebalancedAt = now;
    return vr;
  }

  /**
   * Currents that do not add up at all are no drift: a side is lost, or an orphan is on the bus (RULE-10), and no
   * side of a deal is moved for it.
   */
  #isDrifting(): boolean {
    const view = this.#grid.alignedView();
    const driftA = referenceDriftA(view);
    const limitA = driftLimitA(view.policy);
    return driftA !== undefined && Math.abs(driftA) > limitA && violationsOf(view).length === 0;
  }

  /** A violation that lasts stops everything in order (control.md §5.4). */
  #checkSafety(): void {
    const grid = this.#grid;
    const faults = this.#strikes.faultsOf(violationsOf(grid.alignedView()), {
      now: grid.now,
      seenAt: (unitId) => grid.units.seenAt(unitId),
      isHalting: this.#halting.isActive,
    });
    for (const fault of faults) grid.raiseFault(fault);
    const worst = faults.find((fault) => fault.level === 'ERROR');
    if (worst === undefined || this.#halting.openDeals().length === 0) return;
    void this.#halting.stopAll(`${worst.reason} : ${worst.message}`);
  }
}
