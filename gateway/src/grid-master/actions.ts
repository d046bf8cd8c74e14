import type { Deal } from '../domain/deal.ts';
import { energise, join, warmUp } from './activate.ts';
import { compensate } from './balance.ts';
import type { BusWatch } from './bus-watch.ts';
import { cumulate, halt } from './carry.ts';
import type { DealAction, DealEventName } from './deal-table.ts';
import { abort, deactivate, dispose } from './finish.ts';
import type { Grid } from './grid.ts';
import { authorise, noteRampUp, watchRampUp } from './ramp-up.ts';
import { abortReason, type Situation } from './situation.ts';
import { retryIn, type StepResult } from './step-result.ts';

/** What an action of the deal table has at hand. */
export interface Step {
  readonly grid: Grid;
  readonly deal: Deal;
  readonly event: DealEventName;
  readonly at: Situation;
  readonly watch: BusWatch;
}

/** How soon a queued deal is looked at again when nothing has changed meanwhile. */
const QUEUE_MSEC = 500;

/** The bus did not come up (control.md §4.8): a fault of the bus, and the end of this deal. */
function failRampUp({ grid, deal, at }: Step): Promise<StepResult> {
  const { timeoutMsec } = at.view.policy.controller.dcdc.voltageReference.rampUp.first;
  const message = `the bus did not reach its voltage within ${timeoutMsec} ms`;
  grid.raiseFault({
    category: 'HARDWARE',
    extent: 'GLOBAL',
    level: 'ERROR',
    reason: 'grid.ramp-up-timeout',
    message,
    dealId: deal.dealId,
  });
  return abort(grid, deal, `grid.ramp-up-timeout : ${message}`);
}

/** Without a reference there is nothing to join; the guard on it stops what is left. */
async function joinBus({ grid, deal }: Step): Promise<StepResult> {
  const vr = grid.voltageReferenceUnitId;
  return vr === undefined ? retryIn(QUEUE_MSEC) : join(grid, deal, vr);
}

/** The actions that the deal table names; what needs nobody's answer is done at once. */
export const ACTIONS: Readonly<Record<DealAction, (step: Step) => StepResult | Promise<StepResult>>> = {
  wait: () => retryIn(QUEUE_MSEC),
  energise: ({ grid, deal, watch }) => energise(grid, deal, watch),
  join: joinBus,
  watchRampUp: ({ grid, deal }) => watchRampUp(grid, deal),
  noteRampUp: ({ grid, deal }) => noteRampUp(grid, deal),
  failRampUp,
  authorise: ({ grid, deal }) => authorise(grid, deal),
  warmUp: ({ grid, deal }) => warmUp(grid, deal),
  compensate: ({ grid, deal }) => compensate(grid, deal),
  cumulate: ({ grid, deal }) => cumulate(grid, deal),
  halt: ({ grid, deal }) => halt(grid, deal),
  linger: ({ grid, at }) => retryIn(grid.policy.gridMaster.lingerMsec - (at.now - at.progress.stateSince)),
  deactivate: ({ grid, deal }) => deactivate(grid, deal),
  abort: ({ grid, deal, event, at }) => abort(grid, deal, abortReason(event, at)),
  dispose: ({ grid, deal }) => dispose(grid, deal),
};
