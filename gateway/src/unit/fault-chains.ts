import { InternalError, messageOf } from '../domain/errors.ts';
import type { Fault } from '../domain/fault.ts';
import type { FaultAction } from '../domain/fault-actions.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { type Clock, withDeadline } from '../ports/clock.ts';
import { RepeatBreaker } from './repeat-breaker.ts';

/** How each action is carried out; an aborted signal ends its waits. */
export type FaultHands = Readonly<Record<FaultAction, (fault: Fault, signal: AbortSignal) => Promise<void>>>;

/** They begin something anew, so they may cause what they answer to; a stop is never left out. */
const LIMITED: ReadonlySet<FaultAction> = new Set(['resignGridMaster', 'resetLocal', 'resetAll']);

export interface FaultChainsNeeds {
  readonly clock: Clock;
  readonly hands: FaultHands;
  /** Pause between two chains about one fault. */
  periodMsec(): Milliseconds;
  /** No action takes longer. */
  actionLimitMsec(): Milliseconds;
  failed(action: FaultAction, fault: Fault, message: string): void;
  /** All actions were tried. */
  ended(faultId: string): void;
  /** An action is left out because it has not helped (market.md W34). */
  leftOut(action: FaultAction, fault: Fault): void;
}

interface Job {
  readonly fault: Fault;
  readonly actions: readonly FaultAction[];
}

/** One fault's chains, one after the other. */
interface Course {
  readonly startedAt: Milliseconds;
  isRunning: boolean;
  /** It came again meanwhile. */
  next?: Job;
}

/**
 * Runs the actions of a fault one after another. Chains about different faults run beside each other: nothing, and
 * least of all something graver, waits for another's end (market.md W37). The same action at work is joined.
 */
export class FaultChains {
  readonly #needs: FaultChainsNeeds;
  readonly #breaker: RepeatBreaker;
  readonly #courses = new Map<string, Course>();
  readonly #atWork = new Map<string, Promise<void>>();
  readonly #abort = new AbortController();

  constructor(needs: FaultChainsNeeds) {
    this.#needs = needs;
    this.#breaker = new RepeatBreaker(needs.clock);
  }

  /** Does what a fault asks for: at once, or when its last chain is over and the period has passed. */
  start(faultId: string, job: Job): void {
    const course = this.#courses.get(faultId);
    if (this.#abort.signal.aborted) return;
    if (course === undefined) this.#begin(faultId, job);
    else course.next = job;
  }

  /** To be called regularly: begins what has become due. */
  check(): void {
    const now = this.#needs.clock.monotonic();
    for (const [faultId, course] of this.#courses) {
      if (course.isRunning || now - course.startedAt < this.#needs.periodMsec()) continue;
      this.#courses.delete(faultId);
      if (course.next !== undefined) this.#begin(faultId, course.next);
    }
  }

  isRunning(faultId: string): boolean {
    const course = this.#courses.get(faultId);
    return course !== undefined && (course.isRunning || course.next !== undefined);
  }

  /** Ends all waits; actions that have begun are finished. */
  stop(): void {
    this.#abort.abort(new InternalError('the unit is ending'));
    this.#courses.clear();
  }

  #begin(faultId: string, job: Job): void {
    const course: Course = { startedAt: this.#needs.clock.monotonic(), isRunning: true };
    this.#courses.set(faultId, course);
    void this.#run(job).then(() => {
      course.isRunning = false;
      if (!this.#abort.signal.aborted) this.#needs.ended(faultId);
    });
  }

  /** A failing action does not stop those behind it (control.md §7.1). */
  async #run({ fault, actions }: Job): Promise<void> {
    for (const action of actions) {
      if (this.#abort.signal.aborted) return;
      if (LIMITED.has(action) && !this.#breaker.allows(`${action} ${fault.unitId} ${fault.reason}`)) {
        this.#needs.leftOut(action, fault);
        continue;
      }
      try {
        await this.#join(action, fault);
      } catch (error) {
        if (!this.#abort.signal.aborted) this.#needs.failed(action, fault, messageOf(error));
      }
    }
  }

  #join(action: FaultAction, fault: Fault): Promise<void> {
    const key = action === 'stopDeal' ? `${action} ${fault.dealId}` : action; // all others are about the whole unit or bus
    const known = this.#atWork.get(key);
    if (known !== undefined) return known;
    const work = this.#perform(action, fault).finally(() => this.#atWork.delete(key));
    this.#atWork.set(key, work);
    return work;
  }

  async #perform(action: FaultAction, fault: Fault): Promise<void> {
    const timeout = new AbortController();
    const limitMsec = this.#needs.actionLimitMsec();
    const signal = AbortSignal.any([timeout.signal, this.#abort.signal]);
    await withDeadline(this.#needs.clock, limitMsec, this.#needs.hands[action](fault, signal), () => {
      const late = new InternalError(`not done within ${limitMsec} ms`);
      timeout.abort(late);
      return late;
    });
  }
}
