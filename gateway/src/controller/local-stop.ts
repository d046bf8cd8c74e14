import type { Policy } from '../config/policy.ts';
import type { Descent } from '../domain/device-command.ts';
import { DeviceError } from '../domain/errors.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import { type Cancel, withDeadline } from '../ports/clock.ts';
import type { DeviceQueue } from './device-queue.ts';
import { rampDown, waitSetting } from './ramp-down.ts';
import type { SequenceContext } from './sequence.ts';
import { runSequence } from './sequence-runner.ts';
import { performStep, type StepGate, type StepTools } from './steps.ts';

/** A stop that failed is tried again after this time, until it succeeds. */
const AGAIN_MSEC = 1000;

export interface LocalStopNeeds extends StepTools {
  readonly queue: DeviceQueue;
  policy(): Policy;
  context(): SequenceContext;
  /** A stop begins: what was allowed for a command's sake is over. */
  began(reason: string): void;
}

export interface StopOptions {
  readonly reason: string;
  /** What comes before WAIT, as far as that succeeds within `gridMaster.deal.stopTimeoutMsec`. */
  readonly descent: Descent;
  readonly fence?: () => void;
}

const ALWAYS = (): void => {};
const never = (): AbortSignal => new AbortController().signal;

/** Brings the own converter to WAIT, whatever else goes on or goes wrong (INV-3, RULE-11). */
export class LocalStop {
  readonly #needs: LocalStopNeeds;
  #isOwed = false;
  #cancelAgain: Cancel = ALWAYS;
  #running = 0;
  #hasEnded = false;
  #newest: Promise<Dcdc> | undefined;
  /** Stops of this unit's own that run. */
  readonly #own = new Map<Descent, Promise<Dcdc>>();

  constructor(needs: LocalStopNeeds) {
    this.#needs = needs;
  }

  /** A stop has not succeeded yet: nothing may be raised until it has. */
  get isOwed(): boolean {
    return this.#isOwed;
  }

  /** The converter is on its way to WAIT, within the deadlines of a stop. */
  get isRunning(): boolean {
    return this.#running > 0;
  }

  /**
   * Overtakes everything and writes WAIT, again when an older write may have landed behind it.
   * @throws DeviceError when the converter did not confirm; then the stop is tried again by itself
   */
  stop(options: StopOptions): Promise<Dcdc> {
    const { descent, fence } = options;
    if (fence !== undefined) return this.#run(options);
    // While one stop runs nothing can be raised, so another one of its kind would add nothing.
    const stop = this.#own.get(descent) ?? this.#run(options).finally(() => this.#own.delete(descent));
    this.#own.set(descent, stop);
    return stop;
  }

  end(): void {
    this.#hasEnded = true;
    this.#cancelAgain();
  }

  #run(options: StopOptions): Promise<Dcdc> {
    const stop = this.#perform(options);
    this.#newest = stop;
    return stop;
  }

  async #perform(options: StopOptions): Promise<Dcdc> {
    const { acquisition, queue, state } = this.#needs;
    const dcdc = await queue.stop(options.reason, async (overtaken) => {
      this.#running += 1;
      try {
        this.#needs.began(options.reason);
        await this.#bringDown(options, overtaken);
      } finally {
        this.#running -= 1;
      }
      return state.isRead ? state.dcdc : acquisition.readAll({ signal: never(), check: ALWAYS });
    });
    acquisition.refresh();
    return dcdc;
  }

  async #bringDown(options: StopOptions, overtaken: AbortSignal): Promise<void> {
    const { calls, policy } = this.#needs;
    const fence = options.fence ?? ALWAYS;
    if (options.descent !== 'none') await this.#ramp(options.descent, fence, overtaken);
    if (options.descent === 'even' && overtaken.aborted && (await this.#newestSucceeds())) return;
    const hadWritesInFlight = calls.writesInFlight > 0;
    await this.#writeWait(options, fence);
    if (!hadWritesInFlight) return;
    // RULE-3: a write that we gave up may still land, so WAIT has the last word.
    await calls.quiet(policy().controller.requestTimeoutMsec);
    await this.#writeWait(options, fence);
  }

  /** The stop that has overtaken an even one goes on with it: WAIT on the spot would leave the others behind (RULE-9). */
  #newestSucceeds(): Promise<boolean> {
    return Promise.resolve(this.#newest).then(
      () => true,
      () => false,
    );
  }

  /** Its failure is reported and delays WAIT by the stop timeout at most (control.md S10). */
  async #ramp(descent: Descent, fence: () => void, overtaken: AbortSignal): Promise<void> {
    const { acquisition, clock, context, policy, report, state } = this.#needs;
    if (acquisition.isStale) return;
    if (state.mode === undefined) report('device.unknown-mode', 'stopping out of an unknown mode');
    const limitMsec = policy().gridMaster.deal.stopTimeoutMsec;
    const timeout = new AbortController();
    const late = (): DeviceError => new DeviceError('device.slow-stop', `not down within ${limitMsec} ms`);
    const ramp = runSequence(
      rampDown(context(), descent),
      { ...this.#needs, mustHold: ALWAYS },
      {
        overtaken: AbortSignal.any([overtaken, timeout.signal]),
        fence,
      },
    );
    try {
      await withDeadline(clock, limitMsec, ramp, late);
    } catch (error) {
      timeout.abort(error);
      if (!overtaken.aborted) report('device.degraded-stop', error);
    }
  }

  async #writeWait(options: StopOptions, fence: () => void): Promise<void> {
    let isFenced = false;
    const gate: StepGate = {
      signal: never(),
      mustHold: ALWAYS,
      fence: () => {
        isFenced = true;
        fence();
        isFenced = false;
      },
    };
    try {
      await performStep({ kind: 'mode', setting: waitSetting(this.#needs.policy()) }, this.#needs, gate);
      this.#isOwed = false;
      this.#cancelAgain();
    } catch (error) {
      if (!isFenced) this.#owe(options, error);
      throw error;
    }
  }

  #owe({ reason }: StopOptions, error: unknown): void {
    const isNews = !this.#isOwed;
    this.#isOwed = true;
    this.#needs.report('device.stop-failed', error);
    if (isNews) this.#needs.acquisition.refresh(); // everybody has to know what it does instead (INV-1)
    this.#cancelAgain();
    if (this.#hasEnded) return;
    this.#cancelAgain = this.#needs.clock.after(AGAIN_MSEC, () => {
      // Its failure is reported and owed again above.
      this.stop({ reason, descent: 'none' }).catch(ALWAYS);
    });
  }
}
