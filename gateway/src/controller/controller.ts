import type { ConverterMode } from '../domain/converter-mode.ts';
import type { DeviceCommand } from '../domain/device-command.ts';
import { DeviceError, reasonOf } from '../domain/errors.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import { Acquisition } from './acquisition.ts';
import { type QueuedCommand, sequenceOf } from './command-table.ts';
import { DeviceQueue } from './device-queue.ts';
import { DeviceState } from './device-state.ts';
import { DriverCalls } from './driver-calls.ts';
import { FaultBook, keyOf } from './fault-book.ts';
import { type Finding, SuspicionBook, violationsOf } from './local-safety.ts';
import { LocalStop, type StopOptions } from './local-stop.ts';
import type { Acquired, ControllerNeeds } from './needs.ts';
import { PermitWatch } from './permit-watch.ts';
import type { SafetyInput } from './safety-check.ts';
import type { SequenceContext } from './sequence.ts';
import { type RunOptions, runSequence } from './sequence-runner.ts';
import type { StepTools } from './steps.ts';
import { Transition } from './transition.ts';

const ALWAYS = (): void => {};
/** How many stops one reading outlives. */
const MOST_REREADS = 5;

/** The one who talks to a unit's converter and battery: measures, carries out commands, keeps the unit safe (control.md §1, §5.2). */
export class Controller {
  readonly #needs: ControllerNeeds;
  readonly #queue: DeviceQueue;
  readonly #calls: DriverCalls;
  readonly #state = new DeviceState();
  readonly #acquisition: Acquisition;
  readonly #watch: PermitWatch;
  readonly #stops: LocalStop;
  readonly #transition: Transition;
  readonly #suspicions = new SuspicionBook();
  readonly #faults: FaultBook;
  readonly #tools: StepTools;
  readonly #handlers = new Set<(acquired: Acquired) => void>();
  #unsubscribe: Unsubscribe = ALWAYS;

  constructor(needs: ControllerNeeds) {
    const { clock, log, policy } = needs;
    this.#needs = needs;
    this.#queue = new DeviceQueue(clock);
    this.#calls = new DriverCalls(needs);
    this.#transition = new Transition(clock);
    const raise: ControllerNeeds['raise'] = (fault) => needs.raise(fault);
    this.#faults = new FaultBook({ clock, log, raise, repeatMsec: () => policy().user.errorSustainingMsec / 3 });
    this.#acquisition = new Acquisition({
      clock,
      queue: this.#queue,
      calls: this.#calls,
      state: this.#state,
      policy: () => policy(),
      heard: (what) => this.#heard(what),
      turnedStale: () => this.#turnedStale(),
      failed: (error) => this.#faults.raiseError(error),
      beat: (nextWithinMsec) => needs.pulse?.('acquisition', nextWithinMsec),
    });
    this.#watch = new PermitWatch({
      clock,
      state: this.#state,
      policy: () => policy(),
      permit: () => needs.permit(),
      // A stop that runs already ends in WAIT by itself, in order.
      stop: (reason) => this.#stops.isRunning || this.#stopBehind(reason),
    });
    const report: StepTools['report'] = (reason, error) => this.#faults.raiseError(error, reason);
    this.#tools = { clock, calls: this.#calls, state: this.#state, acquisition: this.#acquisition, report };
    this.#stops = new LocalStop({
      ...this.#tools,
      queue: this.#queue,
      policy: () => policy(),
      context: () => this.#context(),
      began: (reason) => {
        log.info({ reason }, 'controller.stop');
        this.#transition.clear();
      },
    });
  }

  /**
   * Reads for the first time and puts the converter to WAIT when it is not (RULE-17); then measures periodically.
   * Resolves after the first attempt: a device that does not answer yet is a fault, not an end.
   */
  async start(): Promise<void> {
    this.#unsubscribe = this.#needs.device.onTrouble?.((error) => this.#troubled(error)) ?? ALWAYS;
    await this.#acquisition.start();
    if (this.#state.mode !== 'WAIT') await this.#stop({ reason: 'start', descent: 'none' }).catch(ALWAYS); // raised, and tried again, there
  }

  /**
   * Ends all loops and puts the own converter to WAIT.
   * @throws DeviceError when the converter did not confirm
   */
  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#acquisition.stop();
    this.#watch.end();
    this.#queue.close();
    this.#stops.end();
    await this.#stop({ reason: 'end', descent: 'stepwise' });
  }

  /** The last reading; undefined before the first one. */
  latest(): Acquired | undefined {
    return this.#acquisition.latest();
  }

  /** The mode that the converter showed last; undefined before the first reading, or when its code is unknown. */
  get mode(): ConverterMode | undefined {
    return this.#state.isRead ? this.#state.mode : undefined;
  }

  /** Calls `handle` after every full reading, local safety first, and when the last one has turned stale. */
  onAcquired(handle: (acquired: Acquired) => void): Unsubscribe {
    this.#handlers.add(handle);
    return () => this.#handlers.delete(handle);
  }

  /** Reads the hardware now, ahead of the periodic reading; a stop in between only delays it. @throws DeviceError */
  async read(what: 'unit' | 'status', signal?: AbortSignal): Promise<Dcdc> {
    for (let again = MOST_REREADS; ; again -= 1) {
      try {
        return await this.#turn('urgent', signal, (overtaken) => this.#readNow(what, either(overtaken, signal)));
      } catch (error) {
        if (again > 0 && reasonOf(error) === 'device.superseded') continue;
        if (!signal?.aborted) this.#faults.raiseError(error);
        throw error;
      }
    }
  }

  /**
   * Carries out a grid master's command (control.md §1.9). `WAIT` and `scram` overtake everything (RULE-11); others
   * take their turn and need a live permit (INV-2).
   * @param fence throws when the command is no longer valid; asked before every driver write (RULE-2, INV-6)
   * @throws DeviceError, what `fence` throws, the signal's reason
   */
  async execute(command: DeviceCommand, fence: () => void, signal?: AbortSignal): Promise<Dcdc> {
    fence();
    if (command.command === 'WAIT' || command.command === 'scram') {
      return this.#stop({ reason: command.command, descent: command.descent ?? 'stepwise', fence });
    }
    return this.#queued(command, fence, signal);
  }

  /** The permit may have changed: a converter that has none any more goes to WAIT now (INV-2). */
  permitChanged(): void {
    this.#watch.check();
  }

  /** A driver write may still be under way, or has got no answer and no later reading has settled it (RULE-3). */
  get isPossiblyActive(): boolean {
    return this.#calls.writesInFlight > 0 || this.#state.isUnsettled;
  }

  /** WAIT now, without bringing anything down first; overtakes everything (INV-3, RULE-11). @throws DeviceError */
  stopLocal(reason: string): Promise<Dcdc> {
    return this.#stop({ reason, descent: 'none' });
  }

  /** WAIT because of something that all units notice together: they go down in balance (RULE-7, RULE-9). @throws DeviceError */
  stopWithOthers(reason: string): Promise<Dcdc> {
    return this.#stop({ reason, descent: 'even' });
  }

  /** As `stopWithOthers`; leaves a voltage reference alone on demand (control.md §1.10). */
  async scram(excludeVoltageReference: boolean): Promise<Dcdc> {
    if (excludeVoltageReference && this.#state.mode === 'VOLTAGE_REFERENCE') return this.#state.dcdc;
    return this.stopWithOthers('scram');
  }

  #readNow(what: 'unit' | 'status', signal: AbortSignal): Promise<Dcdc> {
    const gate = { signal, check: ALWAYS };
    return what === 'unit' ? this.#acquisition.readAll(gate) : this.#acquisition.readStatus(gate);
  }

  #stop(options: StopOptions): Promise<Dcdc> {
    return this.#stops.stop(options);
  }

  /** A stop that nobody waits for: its failure is raised, and tried again, by itself. */
  #stopBehind(reason: string): void {
    this.#stops.stop({ reason, descent: 'none' }).catch(ALWAYS);
  }

  async #queued(command: QueuedCommand, fence: () => void, signal: AbortSignal | undefined): Promise<Dcdc> {
    try {
      const dcdc = await this.#turn('command', signal, (overtaken) =>
        this.#carryOut(command, { overtaken, signal, fence }),
      );
      this.#watch.check();
      return dcdc;
    } catch (error) {
      this.#failed(error, signal);
      this.#watch.check();
      throw error;
    }
  }

  async #carryOut(command: QueuedCommand, options: RunOptions): Promise<Dcdc> {
    const { overtaken, signal, fence } = options;
    // No command begins on a stale picture (control.md Q2).
    if (this.#acquisition.isStale) await this.#acquisition.readAll({ signal: either(overtaken, signal), check: fence });
    this.#transition.begin(command.command, this.#needs.policy());
    const tools = { ...this.#tools, mustHold: this.#mustHold };
    const dcdc = await runSequence(sequenceOf(command, this.#context()), tools, options);
    this.#transition.succeeded(command.command);
    return dcdc;
  }

  #failed(error: unknown, signal: AbortSignal | undefined): void {
    if (reasonOf(error) === 'device.wrong-mode')
      this.#stopBehind('wrong mode'); // INV-3
    else this.#acquisition.refresh(); // what the converter did now is not what was wanted: look
    if (!signal?.aborted) this.#faults.raiseError(error);
  }

  readonly #mustHold: PermitWatch['mustHold'] = (mode) => {
    if (this.#stops.isOwed) throw new DeviceError('device.no-permit', 'the last stop has not succeeded yet');
    this.#watch.mustHold(mode);
  };

  #turn<T>(
    priority: 'command' | 'urgent',
    signal: AbortSignal | undefined,
    work: (overtaken: AbortSignal) => Promise<T>,
  ) {
    const { retryLimit, requestTimeoutMsec } = this.#needs.policy().controller;
    const waitMsec = Math.max(1, retryLimit) * requestTimeoutMsec;
    return this.#queue.run({ priority, waitMsec, ...(signal === undefined ? {} : { signal }) }, work);
  }

  #context(): SequenceContext {
    const { entropy, policy, hwConfig } = this.#needs;
    return { policy: policy(), hwConfig: hwConfig(), entropy, state: this.#state };
  }

  /** Local safety first, then the permit, then everybody else (architecture.md §4). */
  #heard(what: 'unit' | 'status'): void {
    const violations = violationsOf(this.#safetyInput(), what);
    const findings: readonly Finding[] =
      what === 'unit'
        ? this.#suspicions.judge(violations, this.#needs.clock.monotonic())
        : violations.map((violation) => ({ ...violation, level: 'ERROR' }));
    this.#act(findings);
    if (what === 'status') return;
    this.#faults.forgetAllBut(new Set(findings.map(keyOf)));
    this.#tell();
  }

  /** Stops first, informs afterwards (INV-3). */
  #act(findings: readonly Finding[]): void {
    const grave = findings.find(({ stops, level }) => stops && level === 'ERROR');
    if (grave !== undefined && this.#mustStop) this.#stopBehind(grave.reason);
    else this.#watch.check();
    for (const { category, level, reason, message } of findings)
      this.#faults.raise({ category, level, reason, message });
  }

  /** Out of WAIT, or nobody knows. */
  get #mustStop(): boolean {
    return this.#state.mode !== 'WAIT' || this.#state.activeMode !== undefined;
  }

  /** A device that does what nobody asked of it is let go: WAIT first, whatever its last reading said (RULE-18). */
  #troubled(error: DeviceError): void {
    this.#stopBehind(error.reason);
    this.#faults.raiseError(error);
    if (this.#state.isRead) this.#tell(); // until it has confirmed nobody knows what it does (RULE-3)
  }

  #turnedStale(): void {
    this.#faults.raise({
      category: 'HARDWARE',
      level: 'ERROR',
      reason: 'device.stale',
      message: 'the device has not answered for two periods and a timeout',
    });
    if (this.#mustStop) this.#stopBehind('the device does not answer'); // what cannot be measured cannot be supervised
    this.#tell();
  }

  #tell(): void {
    const acquired = this.#acquisition.acquired();
    for (const handle of [...this.#handlers]) handle(acquired);
  }

  #safetyInput(): SafetyInput {
    const { unitId, policy, hwConfig } = this.#needs;
    const { dcdc, mode, reading } = this.#state;
    return {
      unitId,
      dcdc,
      batteryOperationStatus: reading.battery.battery_operation_status,
      mode,
      isExpected: mode !== undefined && this.#state.isExpected(mode),
      isLetGo: this.#state.isLetGo,
      band: this.#transition.band,
      effectiveMode: this.#needs.effectiveMode(),
      deals: this.#needs.ownDeals(),
      policy: policy(),
      hwConfig: hwConfig(),
    };
  }
}

const either = (overtaken: AbortSignal, signal: AbortSignal | undefined): AbortSignal =>
  signal === undefined ? overtaken : AbortSignal.any([overtaken, signal]);
