import { messageOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import type { Cancel } from '../ports/clock.ts';
import { accrue } from './accrue.ts';
import { BusGuard } from './bus-guard.ts';
import { DealRunner, STEP_LIMIT_MSEC } from './deal-runner.ts';
import { Grid } from './grid.ts';
import { modeOf } from './grid-view.ts';
import { Halting } from './halting.ts';
import type { CommunityChange, GridMasterNeeds } from './needs.ts';
import { PlannedTransfer } from './planned-transfer.ts';
import { hearMembers, settleReference, unheardMembers } from './take-over.ts';
import { Wake } from './wake.ts';

/**
 * A pass in which nothing came to an end for so long hangs: every command and every step has a shorter deadline
 * (control.md Q9, Q10).
 */
const PASS_LIMIT_MSEC = 2 * STEP_LIMIT_MSEC;

/**
 * Readings that show no change of mode, order or trust are looked at together, so that more houses do not mean more passes
 * for them. What meters alone show (drifts, branches, charge) waits so long: far less than the period in which they are read.
 */
const READINGS_TOGETHER_MSEC: Milliseconds = 250;

/**
 * Carries out the deals of the cluster (control.md §3.10, §4), on the elected unit only. It is driven by events:
 * changes of deals, units, members and modes, predicted ends, rising voltages; the main loop's period is the
 * fallback. One step of one deal at a time; deals that have to stop go first.
 */
export class GridMaster {
  readonly #needs: GridMasterNeeds;
  readonly #grid: Grid;
  readonly #halting: Halting;
  readonly #guard: BusGuard;
  readonly #runner: DealRunner;
  readonly #transfer: PlannedTransfer;
  readonly #wake: Wake;
  #unsubscribe: Unsubscribe = () => {};
  #cancelHeartbeat: Cancel = () => {};
  #isStopped = true;
  #isSettled = false;
  /** Members that are there and did not answer when they were asked last. */
  #silent: readonly string[] = [];
  #startedAt: Milliseconds = 0;
  #pass = 0;
  #passMsec: Milliseconds = 0;
  #passBegan: Milliseconds | undefined;
  /** When the present pass began, or a step of it ended. */
  #progressAt: Milliseconds = 0;
  #hangs = false;

  constructor(needs: GridMasterNeeds) {
    this.#needs = needs;
    this.#grid = new Grid(needs);
    this.#wake = new Wake(needs.clock, () => this.#runPass());
    this.#halting = new Halting(this.#grid, () => this.#wake.within(0));
    this.#guard = new BusGuard(this.#grid, this.#halting);
    this.#runner = new DealRunner(this.#grid, this.#halting);
    this.#transfer = new PlannedTransfer(this.#grid, this.#halting, (delay) => this.#wake.within(delay));
  }

  /** Takes the bus over: hears the members, settles the voltage reference, then carries the deals on. */
  start(): void {
    this.#isStopped = false;
    this.#startedAt = this.#grid.now;
    this.#unsubscribe = this.#needs.community.onChange((what) => this.#onChange(what));
    this.#beat();
    this.#wake.within(0);
  }

  /** Gives the office up: the running step is finished, converters and deals stay as they are (RULE-6). */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#transfer.end();
    this.#unsubscribe();
    this.#cancelHeartbeat();
    await this.#wake.stop();
    await this.#halting.settled();
  }

  /**
   * Wants a deal to end soon, in order; unknown deals are ignored (control.md §4.12). The parties are told, so that the
   * wish outlives this grid master (RULE-13).
   */
  requestStop(dealId: string, reasons: readonly string[]): void {
    if (!this.#grid.deals.requestStop(dealId, reasons)) return;
    const needToStopReasons = this.#grid.deals.get(dealId)?.needToStopReasons;
    if (needToStopReasons !== undefined) this.#grid.conclude(dealId, { needToStopReasons });
    this.#wake.within(0);
  }

  /** Stops all deals: currents first, the voltage last. Resolves when every converter was told. */
  stopAll(reason: string): Promise<void> {
    return this.#halting.stopAll(reason);
  }

  /** Emergency: all currents to WAIT at once, the voltage after its delay or when nothing flows any more. */
  scram(reason: string): Promise<void> {
    return this.#halting.scram(reason);
  }

  #onChange(what: CommunityChange): void {
    if (what === 'members') this.#transfer.withdraw(); // whom that concerns is looked after at once (RULE-9)
    if (what === 'mode') this.#halting.obeyMode();
    if (what === 'unit' || what === 'reading') this.#guard.demandSoleReference(); // INV-1: whatever step is under way
    this.#wake.within(what === 'reading' ? READINGS_TOGETHER_MSEC : 0);
  }

  /** The `grid` message goes out whatever the pass does, and nothing is granted with it any more when that hangs. */
  #beat(): void {
    if (this.#passBegan !== undefined && this.#grid.now - this.#progressAt > PASS_LIMIT_MSEC) this.#noteHang();
    const passMsec = this.#passBegan === undefined ? this.#passMsec : this.#grid.now - this.#passBegan;
    this.#grid.pass = { pass: this.#pass, passMsec };
    this.#grid.publish();
    this.#cancelHeartbeat = this.#needs.clock.after(this.#grid.policy.gridMaster.heartbeatMsec, () => this.#beat());
  }

  /** Converters are let go by their permits, or by the next grid master: this one has lost its hold on the bus. */
  #noteHang(): void {
    if (this.#hangs) return;
    this.#hangs = true;
    this.#grid.grantNothing();
    const message = `nothing came to an end for ${this.#grid.now - this.#progressAt} ms`;
    this.#grid.raiseFault({
      category: 'LOGIC',
      extent: 'GLOBAL',
      level: 'ERROR',
      reason: 'grid-master.pass-hung',
      message,
    });
  }

  async #runPass(): Promise<void> {
    const began = this.#grid.now;
    this.#passBegan = began;
    this.#progressAt = began;
    this.#pass += 1;
    try {
      await this.#carryOn();
    } catch (error) {
      const [reason, message] = ['grid-master.pass-failed', messageOf(error)];
      this.#grid.raiseFault({ category: 'LOGIC', extent: 'GLOBAL', level: 'ERROR', reason, message });
    }
    this.#passMsec = this.#grid.now - began;
    this.#passBegan = undefined;
    this.#wake.within(this.#grid.policy.gridMaster.mainLoopPeriodMsec);
  }

  async #carryOn(): Promise<void> {
    this.#lookAround();
    if (this.#transfer.isUnderWay()) return;
    if (unheardMembers(this.#grid).length > 0) {
      this.#noteSilent(await hearMembers(this.#grid));
      this.#lookAround();
    }
    if (!this.#isSettled) await this.#settle();
    if (!this.#isSettled) return this.#wake.within(50); // RULE-4: somebody who is there has not answered yet
    accrue(this.#grid);
    this.#halting.obeyMode();
    this.#guard.demandReference();
    this.#guard.demandSoleReference();
    this.#wake.within(await this.#runner.advance(() => this.#goesOn()));
    await this.#guard.look();
    this.#grid.publish();
    if (this.#goesOn()) this.#transfer.consider();
  }

  /** They are asked in every pass, and told of only when it is somebody else than before. */
  #noteSilent(silent: readonly string[]): void {
    if (silent.length > 0 && silent.join() !== this.#silent.join())
      this.#needs.log.warn({ silent }, 'grid-master.members-silent');
    this.#silent = silent;
  }

  /** Asked between two steps of the runner: the pass makes progress. */
  #goesOn(): boolean {
    this.#progressAt = this.#grid.now;
    return !this.#isStopped && !this.#halting.isActive;
  }

  /** Once everybody who is there has answered, or has had the time of a lease to do so. */
  async #settle(): Promise<void> {
    const isMissed = unheardMembers(this.#grid).some((unitId) => this.#needs.community.isAlive(unitId));
    if (isMissed && this.#grid.now - this.#startedAt < this.#grid.policy.gridMaster.leaseMsec) return;
    this.#isSettled = true;
    this.#grid.beginStep();
    try {
      await settleReference(this.#grid);
    } catch (error) {
      void this.#halting.stopAll(`hand-over.lost : ${messageOf(error)}`);
    }
  }

  /** What changed outside: copies of deals, members that went, suspects that are seen in WAIT again. */
  #lookAround(): void {
    const grid = this.#grid;
    const { community } = this.#needs;
    grid.deals.refresh(community.deals(), grid.now);
    for (const unitId of grid.policy.memberUnitIds) if (!community.isAlive(unitId)) grid.units.forget(unitId);
    for (const [unitId, doubtedAt] of grid.suspects.doubtful) {
      const seenAt = Number(community.unit(unitId)?.at); // NaN, thus never later, when it has not been seen
      const isSettled = community.unit(unitId)?.data.possiblyActive !== true; // RULE-3
      if (seenAt > doubtedAt && isSettled && modeOf(grid.view(), unitId) === 'WAIT') grid.suspects.clear(unitId);
    }
  }
}
