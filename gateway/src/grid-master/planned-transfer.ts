import { fixedGridMasterOf, type Policy } from '../config/policy.ts';
import { isActivated, isDeactivated, isStarted, isStopped, needsToStop } from '../domain/deal.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Grid } from './grid.ts';
import type { Halting } from './halting.ts';

/** The bus has been calm for so long before the office moves: deals that begin one after the other are not held up. */
export const CALM_MSEC: Milliseconds = 2_000;
/** A successor that has not taken over within this time is not waited for; far shorter than any permit. */
export const SUCCESSION_MSEC: Milliseconds = 1_500;
/** After an offer that nobody took. */
export const OFFER_AGAIN_MSEC: Milliseconds = 30_000;

/**
 * The unit that the policy wants as grid master (control.md §3.2); undefined when it has no preference, or knows
 * nobody: `fixed` without a member's id is as `voltageReferenceUnit`.
 */
export function properGridMaster(policy: Policy, voltageReferenceUnitId: string | undefined): string | undefined {
  if (policy.gridMaster.gridMasterSelection.strategy === 'anywhere') return undefined;
  return fixedGridMasterOf(policy) ?? voltageReferenceUnitId;
}

interface Offer {
  readonly to: string;
  readonly since: Milliseconds;
  isMade: boolean;
}

/**
 * Planned transfer of leadership (RULE-6): granting ends, then the commands that are on their way are awaited, then
 * the office is offered. The successor stands for the next term, so that term, fence and freshness apply as after any
 * election; permits that run meanwhile carry the deals over. Whatever wants to be done now ends the offer instead.
 */
export class PlannedTransfer {
  readonly #grid: Grid;
  readonly #halting: Halting;
  readonly #wake: (delay: Milliseconds) => void;
  #offer: Offer | undefined;
  #calmSince: Milliseconds | undefined;
  #notBefore: Milliseconds = 0;

  constructor(grid: Grid, halting: Halting, wake: (delay: Milliseconds) => void) {
    this.#grid = grid;
    this.#halting = halting;
    this.#wake = wake;
  }

  /** Looked at by each pass before anything else; while it is true no step of a deal is begun. */
  isUnderWay(): boolean {
    const offer = this.#offer;
    if (offer === undefined) return false;
    const left = offer.since + SUCCESSION_MSEC - this.#grid.now;
    if (left > 0 && !this.#isUrgent() && this.#mayLead(offer.to)) {
      this.#wake(left);
      return true;
    }
    this.withdraw();
    return false;
  }

  /** Called at the end of each pass: offers the office when another unit should hold it and nothing is going on. */
  consider(): void {
    const to = this.#successor();
    if (to === undefined) {
      this.#calmSince = undefined;
      return;
    }
    this.#calmSince ??= this.#grid.now;
    const wait = Math.max(this.#calmSince + CALM_MSEC, this.#notBefore) - this.#grid.now;
    if (wait > 0) this.#wake(wait);
    else this.#begin(to);
  }

  /** The office stays here: somebody has to act at once, or the successor did not come. */
  withdraw(): void {
    if (this.#offer === undefined) return;
    const { to, isMade } = this.#offer;
    this.#offer = undefined;
    this.#calmSince = undefined;
    this.#notBefore = this.#grid.now + OFFER_AGAIN_MSEC;
    this.#grid.holdsBack = false;
    if (isMade) this.#grid.needs.offerLeadership(undefined);
    this.#grid.needs.log.info({ to }, 'grid-master.transfer-withdrawn');
    this.#grid.publish();
  }

  /** The office is another's: nothing is offered any more. */
  end(): void {
    this.#offer = undefined;
  }

  #begin(to: string): void {
    const grid = this.#grid;
    const offer: Offer = { to, since: grid.now, isMade: false };
    this.#offer = offer;
    grid.holdsBack = true;
    grid.publish();
    this.#wake(SUCCESSION_MSEC);
    grid.needs.log.info({ to }, 'grid-master.transfer-begun');
    void grid.drained().then(() => {
      if (this.#offer !== offer) return; // withdrawn meanwhile
      offer.isMade = true;
      grid.needs.offerLeadership(to);
    });
  }

  /** Who should hold the office instead of this unit, while nothing moves; a bus in motion has no successor. */
  #successor(): string | undefined {
    const grid = this.#grid;
    const to = properGridMaster(grid.policy, grid.voltageReferenceUnitId);
    const isOther = to !== undefined && to !== grid.needs.unitId;
    return isOther && this.#isCalm() && this.#mayLead(to) ? to : undefined;
  }

  #isUrgent(): boolean {
    const isEnding = this.#grid.deals.all().some((deal) => needsToStop(deal) && !isDeactivated(deal));
    return isEnding || this.#halting.isActive;
  }

  /**
   * Everybody is there and has answered, so that the successor's fence stands at once and it may raise as this one
   * could (RULE-4); no hand-over and no deal is between two states.
   */
  #isCalm(): boolean {
    const grid = this.#grid;
    const isComplete = grid.policy.memberUnitIds.every(
      (unitId) => grid.needs.community.isAlive(unitId) && grid.units.isFresh(unitId),
    );
    const moves = grid.deals
      .all()
      .some((deal) => isActivated(deal) && !isDeactivated(deal) && (!isStarted(deal) || isStopped(deal)));
    const isSettled = grid.handOver === undefined && grid.suspects.doubtful.size === 0 && grid.rivals.length === 0;
    return isComplete && isSettled && !moves && grid.mayRaise && !this.#isUrgent();
  }

  #mayLead(unitId: string): boolean {
    const { community, hearsUs } = this.#grid.needs;
    return community.isAlive(unitId) && hearsUs(unitId) && community.unit(unitId)?.data.apis.barred !== true;
  }
}
