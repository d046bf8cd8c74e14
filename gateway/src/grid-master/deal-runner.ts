import { type Deal, isDeactivated, needsToStop } from '../domain/deal.ts';
import { InternalError, messageOf, reasonOf } from '../domain/errors.ts';
import type { OperationMode } from '../domain/operation-mode.ts';
import type { Amperes, Milliseconds } from '../domain/quantities.ts';
import { withDeadline } from '../ports/clock.ts';
import { ACTIONS, type Step } from './actions.ts';
import type { Obstacle } from './admission.ts';
import { barredBy } from './barred.ts';
import { BusWatch } from './bus-watch.ts';
import { type DealAction, type DealRow, rowFor, stateOf } from './deal-table.ts';
import { abort } from './finish.ts';
import type { Grid } from './grid.ts';
import { type GridView, oncePerView } from './grid-view.ts';
import type { Halting } from './halting.ts';
import { type MasterSideView, masterSide } from './master-side.ts';
import { orderDeals } from './order-deals.ts';
import { HandOverLost } from './perform-hand-over.ts';
import type { Progress } from './progress.ts';
import { GUARDS, type Situation } from './situation.ts';
import { retryIn, type StepResult } from './step-result.ts';

/** A step that takes longer than this has lost its way; every command has a shorter deadline of its own. */
export const STEP_LIMIT_MSEC = 60_000;

/** How soon a step that failed before anything was touched is tried again. */
const FAILED_RETRY_MSEC = 1_000;

/** Actions that ask devices or parties although nothing may have changed: not again before their retry time. */
const THROTTLED: ReadonlySet<DealAction> = new Set(['energise', 'join', 'watchRampUp', 'dispose']);

/**
 * Actions that take a deal off the bus before its time: what goes up beside it reckons with what is left. Not `halt`, which
 * takes one side only: its deal goes on with the other side before anything else is done (INV-4).
 */
const ENDING: ReadonlySet<DealAction> = new Set(['abort', 'failRampUp']);

/** Actions that put a converter out of WAIT or increase a current. */
const RAISING: ReadonlySet<DealAction> = new Set(['energise', 'join', 'authorise', 'warmUp', 'compensate']);
/** How soon it is asked again whether the permits of older terms have run out. */
const FENCE_RETRY_MSEC = 500;

/** A step that did not come back within its limit. */
class StepHung extends InternalError {}

/** One deal at this moment. What only a deal asks for that is about to begin is looked up when it does. */
class DealNow implements Situation {
  readonly #grid: Grid;
  readonly view: GridView;
  readonly deal: Deal;
  readonly progress: Progress;
  readonly mode: OperationMode;
  readonly now: Milliseconds;

  constructor(grid: Grid, view: GridView, deal: Deal) {
    this.#grid = grid;
    this.view = view;
    this.deal = deal;
    this.progress = grid.deals.progress(deal.dealId);
    this.mode = grid.needs.mode();
    this.now = grid.now;
  }

  get barred(): Obstacle | undefined {
    return barredBy(this.#grid);
  }

  get reservedA(): Amperes {
    return this.#grid.suspects.reservedA;
  }
}

/** What the table says of a deal at this moment. */
interface Due {
  readonly at: Situation;
  readonly row: DealRow;
}

/** The deals of a view in the order in which they are carried on. */
const inOrder = oncePerView((view: MasterSideView) =>
  orderDeals(view.deals, masterSide(view), view.policy.largeCapacityUnitIds),
);

/** Carries the deals on by the deal table: one step of one deal at a time. */
export class DealRunner {
  readonly #grid: Grid;
  readonly #halting: Halting;
  readonly #watch = new BusWatch();

  constructor(grid: Grid, halting: Halting) {
    this.#grid = grid;
    this.#halting = halting;
  }

  /**
   * Steps, one after the other, until no deal has anything to do or `goesOn` says no. Resolves with the time after
   * which the earliest of them wants to be looked at again.
   */
  async advance(goesOn: () => boolean): Promise<Milliseconds> {
    const idle = new Set<string>();
    let soonest = Number.POSITIVE_INFINITY;
    let last: string | undefined;
    while (goesOn()) {
      const next = this.#nextDeal(idle, last);
      if (next === undefined) break;
      last = next.at.deal.dealId;
      const step = this.#step(next);
      const result = step instanceof Promise ? await step : step;
      if (result === 'advanced') continue;
      idle.add(last);
      soonest = Math.min(soonest, this.#grid.now + (result.retryMsec ?? Number.POSITIVE_INFINITY));
    }
    return Math.max(1, soonest - this.#grid.now);
  }

  /** Deals that have to end first, then the one that is under way, then the rest (control.md §4.3). */
  #nextDeal(idle: ReadonlySet<string>, last: string | undefined): Due | undefined {
    const view = this.#grid.view();
    if (view.deals.every((deal) => idle.has(deal.dealId))) return undefined;
    const open = inOrder(view)
      .filter((deal) => !idle.has(deal.dealId))
      .map((deal) => this.#due(view, deal));
    const urgent = open.find(
      ({ at: { deal }, row }) => (needsToStop(deal) && !isDeactivated(deal)) || ENDING.has(row.action),
    );
    return urgent ?? open.find(({ at }) => at.deal.dealId === last) ?? open[0];
  }

  #due(view: GridView, deal: Deal): Due {
    const at = new DealNow(this.#grid, view, deal);
    return { at, row: rowFor(stateOf(deal), (event) => GUARDS[event](at)) };
  }

  /** What most steps do takes no time: then there is no promise either. */
  #step({ at, row: { action, when } }: Due): StepResult | Promise<StepResult> {
    const grid = this.#grid;
    const { deal } = at;
    const { notBefore } = at.progress;
    if (THROTTLED.has(action) && grid.now < notBefore) return retryIn(notBefore - grid.now);
    if (RAISING.has(action) && !grid.mayRaise) return retryIn(FENCE_RETRY_MSEC); // RULE-4, RULE-5
    grid.beginStep();
    const result = this.#act(action, { grid, deal, event: when, at, watch: this.#watch });
    return result instanceof Promise ? result.then((one) => this.#noted(deal, one)) : this.#noted(deal, result);
  }

  #noted({ dealId }: Deal, result: StepResult): StepResult {
    const grid = this.#grid;
    grid.deals.note(dealId, { notBefore: result === 'advanced' ? 0 : grid.now + (result.retryMsec ?? 0) });
    return result;
  }

  #act(action: DealAction, step: Step): StepResult | Promise<StepResult> {
    try {
      const result = ACTIONS[action](step);
      return result instanceof Promise ? this.#inTime(action, step, result) : result;
    } catch (error) {
      return this.#failed(step.deal.dealId, error);
    }
  }

  async #inTime(action: DealAction, { deal: { dealId } }: Step, result: Promise<StepResult>): Promise<StepResult> {
    try {
      return await withDeadline(this.#grid.needs.clock, STEP_LIMIT_MSEC, result, () => {
        this.#grid.raiseEpoch(); // whatever it still wants comes too late
        return new StepHung(`${action} of deal ${dealId} did not end within ${STEP_LIMIT_MSEC} ms`);
      });
    } catch (error) {
      return this.#failed(dealId, error);
    }
  }

  /** A failure belongs to its deal (control.md D5, D8); only a lost hand-over is the whole bus's. */
  async #failed(dealId: string, error: unknown): Promise<StepResult> {
    const grid = this.#grid;
    if (this.#halting.isActive || (grid.isStepSuperseded && !(error instanceof StepHung))) return {};
    grid.needs.log.warn({ dealId, reason: reasonOf(error), message: messageOf(error) }, 'deal.step-failed');
    if (error instanceof HandOverLost) return this.#stopAll('hand-over.lost', error);
    const present = grid.deals.get(dealId);
    if (present === undefined || stateOf(present) === 'created' || isDeactivated(present)) {
      return retryIn(FAILED_RETRY_MSEC);
    }
    return this.#abort(present, error);
  }

  async #abort(deal: Deal, error: unknown): Promise<StepResult> {
    this.#grid.beginStep();
    try {
      return await abort(this.#grid, deal, `${reasonOf(error)} : ${messageOf(error)}`);
    } catch (second) {
      return this.#halting.isActive ? {} : this.#stopAll('deal.abort-failed', second);
    }
  }

  /** Not awaited: the stop works beside the pass, which begins no step meanwhile. */
  #stopAll(reason: string, error: unknown): StepResult {
    const message = messageOf(error);
    this.#grid.raiseFault({ category: 'LOGIC', extent: 'GLOBAL', level: 'ERROR', reason, message });
    void this.#halting.stopAll(`${reason} : ${message}`);
    return {};
  }
}
