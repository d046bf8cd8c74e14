import { type Deal, isDeactivated, slaveSideMustBeActive } from '../domain/deal.ts';
import { InternalError, messageOf, reasonOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import { type Cancel, withDeadline } from '../ports/clock.ts';
import { accrue } from './accrue.ts';
import { ACTIONS, type Step } from './actions.ts';
import type { Obstacle } from './admission.ts';
import { BusWatch } from './bus-watch.ts';
import { type DealAction, type DealEventName, rowFor, stateOf } from './deal-table.ts';
import { scramAll, stopInOrder } from './emergency.ts';
import { abort } from './finish.ts';
import { StrikeCounter, violationsOf } from './global-safety.ts';
import { Grid } from './grid.ts';
import { isCarrying, modeOf } from './grid-view.ts';
import { masterSide } from './master-side.ts';
import type { GridMasterNeeds } from './needs.ts';
import { orderDeals } from './order-deals.ts';
import { HandOverLost } from './perform-hand-over.ts';
import { GUARDS, type Situation } from './situation.ts';
import { retryIn, type StepResult } from './step-result.ts';
import { formerPermitsEnd, hearMembers, settleReference, unheardMembers } from './take-over.ts';
import { optimalGridVoltageV } from './voltage-optimisation.ts';

/** A step that takes longer than this has lost its way; every command has a shorter deadline of its own. */
const STEP_LIMIT_MSEC = 60_000;

/** Actions that ask devices or parties although nothing may have changed: not again before their retry time. */
const THROTTLED: ReadonlySet<DealAction> = new Set(['energise', 'join', 'watchRampUp', 'dispose']);

/** How soon a step that failed before anything was touched is tried again. */
const FAILED_RETRY_MSEC = 1_000;

/**
 * Carries out the deals of the cluster (control.md §3.10, §4), on the elected unit only. It is driven by events:
 * changes of deals, units, members and modes, predicted ends, rising voltages; the main loop's period is the
 * fallback. One step of one deal at a time; deals that have to stop go first.
 */
export class GridMaster {
  readonly #needs: GridMasterNeeds;
  readonly #grid: Grid;
  readonly #watch = new BusWatch();
  readonly #strikes = new StrikeCounter();
  #unsubscribe: Unsubscribe = () => {};
  #cancelWake: Cancel = () => {};
  #cancelHeartbeat: Cancel = () => {};
  #wakeAt = Number.POSITIVE_INFINITY;
  #startedAt: Milliseconds = 0;
  readonly #notBefore = new Map<string, Milliseconds>();
  #isStopped = true;
  #isSettled = false;
  #isAgain = false;
  #pass = 0;
  #passMsec: Milliseconds = 0;
  #passBegan: Milliseconds | undefined;
  #running: Promise<void> = Promise.resolve();
  #halting: Promise<void> | undefined;

  constructor(needs: GridMasterNeeds) {
    this.#needs = needs;
    this.#grid = new Grid(needs);
  }

  /** Takes the bus over: hears the members, settles the voltage reference, then carries the deals on. */
  start(): void {
    this.#isStopped = false;
    this.#startedAt = this.#grid.now;
    this.#unsubscribe = this.#needs.community.onChange((what) => {
      if (what === 'mode') this.#obeyMode();
      this.#wakeIn(0);
    });
    this.#beat();
    this.#wakeIn(0);
  }

  /** Gives the office up: the running step is finished, converters and deals stay as they are (RULE-6). */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#cancelWake();
    this.#cancelHeartbeat();
    await this.#running;
    await this.#halting;
  }

  /** Wants a deal to end soon, in order; unknown deals are ignored (control.md §4.12). */
  requestStop(dealId: string, reasons: readonly string[]): void {
    if (this.#grid.deals.requestStop(dealId, reasons)) this.#wakeIn(0);
  }

  /** Stops all deals: currents first, the voltage last. Resolves when every converter was told. */
  stopAll(reason: string): Promise<void> {
    this.#halting ??= this.#halt(stopInOrder(this.#grid, reason));
    return this.#halting;
  }

  /** Emergency: all currents to WAIT at once, the voltage after its delay or when nothing flows any more. */
  scram(reason: string): Promise<void> {
    this.#halting = this.#halt(scramAll(this.#grid, reason));
    return this.#halting;
  }

  async #halt(work: Promise<void>): Promise<void> {
    try {
      await work;
    } finally {
      this.#halting = undefined;
      this.#wakeIn(0);
    }
  }

  // --- when ---

  /** At most one pass is due at a time, at the earliest moment that anybody wants. */
  #wakeIn(delay: Milliseconds): void {
    if (this.#isStopped) return;
    if (this.#passBegan !== undefined && delay <= 0) {
      this.#isAgain = true;
      return;
    }
    const at = this.#grid.now + delay;
    if (at >= this.#wakeAt) return;
    this.#cancelWake();
    this.#wakeAt = at;
    this.#cancelWake = this.#needs.clock.after(delay, () => {
      this.#wakeAt = Number.POSITIVE_INFINITY;
      if (this.#passBegan === undefined) this.#running = this.#runPass();
      else this.#isAgain = true;
    });
  }

  /** The `grid` message goes out whatever the pass does; a pass that hangs shows in its age (control.md Q10). */
  #beat(): void {
    const passMsec = this.#passBegan === undefined ? this.#passMsec : this.#grid.now - this.#passBegan;
    this.#grid.pass = { pass: this.#pass, passMsec };
    this.#grid.publish();
    this.#cancelHeartbeat = this.#needs.clock.after(this.#grid.policy.gridMaster.heartbeatMsec, () => this.#beat());
  }

  #obeyMode(): void {
    const mode = this.#needs.mode();
    if (mode !== 'stop' && mode !== 'manual') return;
    if (this.#openDeals().length > 0) void this.stopAll(`mode.${mode}`);
  }

  #openDeals(): readonly Deal[] {
    return this.#grid.deals.all().filter((deal) => !isDeactivated(deal));
  }

  // --- the pass ---

  async #runPass(): Promise<void> {
    this.#passBegan = this.#grid.now;
    this.#isAgain = false;
    this.#pass += 1;
    try {
      await this.#carryOn();
    } catch (error) {
      this.#raiseInternal('grid-master.pass-failed', error);
    } finally {
      this.#passMsec = this.#grid.now - this.#passBegan;
      this.#passBegan = undefined;
      this.#wakeIn(this.#isAgain ? 0 : this.#grid.policy.gridMaster.mainLoopPeriodMsec);
    }
  }

  async #carryOn(): Promise<void> {
    const grid = this.#grid;
    this.#lookAround();
    if (unheardMembers(grid).length > 0) await hearMembers(grid);
    this.#lookAround();
    if (!this.#isSettled) await this.#settle();
    accrue(grid);
    this.#obeyMode();
    this.#checkReference();
    const before = this.#runningIds();
    await this.#advanceDeals();
    if (this.#runningIds() !== before) await this.#optimiseVoltage();
    this.#checkSafety();
    grid.publish();
  }

  async #settle(): Promise<void> {
    this.#grid.beginStep();
    await settleReference(this.#grid);
    this.#isSettled = true;
  }

  /** What changed outside: copies of deals, members that went, suspects that are seen in WAIT again. */
  #lookAround(): void {
    const grid = this.#grid;
    const { community } = this.#needs;
    grid.deals.refresh(community.deals(), grid.now);
    for (const unitId of grid.policy.memberUnitIds) if (!community.isAlive(unitId)) grid.units.forget(unitId);
    for (const [unitId, doubtedAt] of grid.suspects.doubtful) {
      const seenAt = community.unit(unitId)?.at ?? 0;
      if (seenAt > doubtedAt && modeOf(grid.view(), unitId) === 'WAIT') grid.suspects.clear(unitId);
    }
  }

  /** Without a voltage reference all currents have to stop, together and at once (RULE-7). */
  #checkReference(): void {
    const view = this.#grid.view();
    const vr = view.voltageReferenceUnitId;
    const isHeld = vr !== undefined && view.isAlive(vr) && modeOf(view, vr) !== 'WAIT';
    if (!isHeld && view.deals.some(isCarrying)) void this.stopAll('grid.reference-lost');
  }

  /** Steps, one after the other, until no deal has anything to do; what has to stop is asked for before each step. */
  async #advanceDeals(): Promise<void> {
    const idle = new Set<string>();
    let last: string | undefined;
    for (;;) {
      if (this.#isStopped || this.#halting !== undefined) return;
      const deal = this.#nextDeal(idle, last);
      if (deal === undefined) return;
      last = deal.dealId;
      const result = await this.#step(deal);
      if (result === 'advanced') continue;
      idle.add(deal.dealId);
      if (result.retryMsec !== undefined) this.#wakeIn(Math.max(1, result.retryMsec));
    }
  }

  /** Deals with a stop request first, then the one that is under way, then the rest (control.md §4.3). */
  #nextDeal(idle: ReadonlySet<string>, last: string | undefined): Deal | undefined {
    const view = this.#grid.view();
    const ordered = orderDeals(view.deals, masterSide(view), view.policy.largeCapacityUnitIds);
    const open = ordered.filter((deal) => !idle.has(deal.dealId));
    const urgent = open.find((deal) => (deal.needToStopReasons?.length ?? 0) > 0 && !isDeactivated(deal));
    return urgent ?? open.find((deal) => deal.dealId === last) ?? open[0];
  }

  async #step(deal: Deal): Promise<StepResult> {
    const grid = this.#grid;
    grid.beginStep();
    const at = this.#situation(deal);
    if (at === undefined) return {};
    const { action, when } = rowFor(stateOf(deal), (event: DealEventName) => GUARDS[event](at));
    const notBefore = this.#notBefore.get(deal.dealId) ?? 0;
    if (THROTTLED.has(action) && grid.now < notBefore) return retryIn(notBefore - grid.now);
    const result = await this.#act(action, { grid, deal, event: when, at, watch: this.#watch });
    this.#rememberRetry(deal.dealId, result);
    return result;
  }

  async #act(action: DealAction, step: Step): Promise<StepResult> {
    const { dealId } = step.deal;
    try {
      return await withDeadline(this.#needs.clock, STEP_LIMIT_MSEC, ACTIONS[action](step), () => {
        this.#grid.raiseEpoch();
        return new InternalError(`${action} of deal ${dealId} did not end within ${STEP_LIMIT_MSEC} ms`);
      });
    } catch (error) {
      return this.#stepFailed(dealId, error);
    }
  }

  #rememberRetry(dealId: string, result: StepResult): void {
    if (result === 'advanced' || result.retryMsec === undefined) this.#notBefore.delete(dealId);
    else this.#notBefore.set(dealId, this.#grid.now + result.retryMsec);
  }

  #situation(deal: Deal): Situation | undefined {
    const grid = this.#grid;
    const progress = grid.deals.progress(deal.dealId);
    if (progress === undefined) return undefined;
    return {
      view: grid.view(),
      deal,
      progress,
      mode: this.#needs.mode(),
      now: grid.now,
      barred: this.#barred(),
      reservedA: grid.suspects.reservedA,
    };
  }

  /** What forbids to raise anything, for the whole bus. */
  #barred(): Obstacle | undefined {
    const grid = this.#grid;
    if (grid.hasGlobalErrors) return { reason: 'grid.global-errors', message: 'a global fault has just occurred' };
    const silent = unheardMembers(grid);
    if (silent.length > 0 && grid.now < formerPermitsEnd(grid, this.#startedAt)) {
      return { reason: 'grid-master.members-silent', message: `not heard yet: ${silent.join(', ')}` }; // RULE-4
    }
    const doubtful = [...grid.suspects.doubtful].filter(([, since]) => grid.now < formerPermitsEnd(grid, since));
    if (doubtful.length === 0) return undefined;
    return { reason: 'grid.possibly-active', message: `may still be active: ${doubtful.map(([id]) => id).join(', ')}` }; // RULE-10
  }

  /** A failure belongs to its deal (control.md D5, D8); only a lost hand-over is the whole bus's. */
  async #stepFailed(dealId: string, error: unknown): Promise<StepResult> {
    const grid = this.#grid;
    const isHung = error instanceof InternalError && !(error instanceof HandOverLost) && this.#halting === undefined;
    if (grid.isStepSuperseded && !isHung) return {};
    this.#needs.log.warn({ dealId, reason: reasonOf(error), message: messageOf(error) }, 'deal.step-failed');
    if (error instanceof HandOverLost) return this.#stopForLostHandOver(error);
    const present = grid.deals.get(dealId);
    if (present === undefined || stateOf(present) === 'created' || isDeactivated(present))
      return retryIn(FAILED_RETRY_MSEC);
    return this.#abortFailed(present, error);
  }

  async #stopForLostHandOver(error: HandOverLost): Promise<StepResult> {
    this.#raiseInternal('hand-over.lost', error);
    await this.stopAll(`hand-over.lost : ${error.message}`);
    return {};
  }

  async #abortFailed(deal: Deal, error: unknown): Promise<StepResult> {
    this.#grid.beginStep();
    try {
      return await abort(this.#grid, deal, `${reasonOf(error)} : ${messageOf(error)}`);
    } catch (second) {
      if (this.#grid.isStepSuperseded) return {};
      this.#raiseInternal('deal.abort-failed', second);
      await this.stopAll(`deal.abort-failed : ${messageOf(second)}`);
      return {};
    }
  }

  #raiseInternal(reason: string, error: unknown): void {
    this.#grid.raiseFault({ category: 'LOGIC', extent: 'GLOBAL', level: 'ERROR', reason, message: messageOf(error) });
  }

  // --- the bus as a whole ---

  #runningIds(): string {
    return this.#grid.deals
      .all()
      .filter(slaveSideMustBeActive)
      .map((deal) => deal.dealId)
      .toSorted()
      .join();
  }

  /** The voltage that suits the present set of deals (control.md §4.14). */
  async #optimiseVoltage(): Promise<void> {
    const grid = this.#grid;
    this.#strikes.clear(); // currents have been moved on purpose
    const vr = grid.voltageReferenceUnitId;
    const gridVoltageV = optimalGridVoltageV(grid.policy, grid.deals.all());
    if (!grid.policy.gridMaster.gridVoltageOptimization.enabled) return;
    if (vr === undefined || gridVoltageV === undefined || this.#halting !== undefined) return;
    grid.beginStep();
    try {
      await grid.raise(vr, { command: 'voltage', gridVoltageV });
    } catch (error) {
      this.#needs.log.warn({ vr, gridVoltageV, message: messageOf(error) }, 'grid.voltage-not-moved');
    }
  }

  /** The global checks (control.md §5.4): a violation that lasts stops everything in order. */
  #checkSafety(): void {
    const grid = this.#grid;
    const faults = this.#strikes.faultsOf(violationsOf(grid.view()), grid.now);
    for (const fault of faults) grid.raiseFault(fault);
    const worst = faults.find((fault) => fault.level === 'ERROR');
    if (worst !== undefined && this.#openDeals().length > 0) void this.stopAll(`${worst.reason} : ${worst.message}`);
  }
}
