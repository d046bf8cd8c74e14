import type { Policy } from '../config/policy.ts';
import { reasonOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import { Deadline } from '../ports/deadline.ts';
import type { DcdcReply } from '../ports/device.ts';
import type { DeviceQueue } from './device-queue.ts';
import type { DeviceState } from './device-state.ts';
import type { DriverCalls, Gate } from './driver-calls.ts';
import { EnergyCounter } from './energy-counter.ts';
import type { Acquired } from './needs.ts';

export interface AcquisitionNeeds {
  readonly clock: Clock;
  readonly queue: DeviceQueue;
  readonly calls: DriverCalls;
  readonly state: DeviceState;
  policy(): Policy;
  /** The hardware was heard: a full reading, or its status only. */
  heard(what: 'unit' | 'status'): void;
  turnedStale(): void;
  failed(error: unknown): void;
  /** One attempt has ended, well or not. */
  beat(nextWithinMsec: Milliseconds): void;
}

const ALWAYS = (): void => {};
/** No fault of the device: the turn was needed for something more important, or the end has come. */
const EXCUSED: ReadonlySet<string> = new Set(['device.superseded', 'device.busy', 'device.closed']);

/** A reading is used for decisions for two periods and one timeout at most (control.md Q2). */
const staleAfterMsec = ({ controller }: Policy): Milliseconds =>
  2 * controller.dataAcquisitionPeriodMsec + controller.requestTimeoutMsec;

/** A pause, a turn that does not come, requests of which none is answered, and as much again for their ends. */
const longestRoundMsec = ({ controller }: Policy): Milliseconds =>
  2 * (controller.dataAcquisitionPeriodMsec + Math.max(1, controller.retryLimit) * controller.requestTimeoutMsec);

/** Keeps the unit's picture of its own device young: reads periodically, merges replies, tells when it grew stale. */
export class Acquisition {
  readonly #needs: AcquisitionNeeds;
  readonly #energy = new EnergyCounter();
  #begunAt: Milliseconds | undefined;
  /** Beginning of the last successful reading, full or status: a long command reads nothing but the status. */
  #heardAt: Milliseconds | undefined;
  #cancelNext: Cancel = ALWAYS;
  readonly #staleness: Deadline;
  #isRunning = false;

  constructor(needs: AcquisitionNeeds) {
    this.#needs = needs;
    this.#staleness = new Deadline(needs.clock, () => needs.turnedStale());
  }

  /** Reads for the first time, then periodically. Resolves after the first attempt, whatever came of it. */
  async start(): Promise<void> {
    this.#isRunning = true;
    await this.#periodic();
  }

  stop(): void {
    this.#isRunning = false;
    this.#cancelNext();
    this.#staleness.cancel();
  }

  /** Brings the next periodic reading forward to now. */
  refresh(): void {
    this.#begunAt = undefined;
    this.#arm(0);
  }

  /** Reads everything; only within a turn at the device. */
  async readAll(gate: Gate): Promise<Dcdc> {
    const { clock, calls, policy, state } = this.#needs;
    const begunAt = clock.monotonic();
    this.#begunAt = begunAt;
    const reading = await calls.read(gate);
    state.acquired(reading, begunAt, policy().controller.requestTimeoutMsec);
    this.#measured(reading.dcdc, 'measured');
    this.#heardFrom(begunAt);
    this.#needs.heard('unit');
    return state.dcdc;
  }

  /** Reads the converter's status and merges it; only within a turn. The first reading is always a full one. */
  async readStatus(gate: Gate): Promise<Dcdc> {
    const { calls, clock, state } = this.#needs;
    if (!state.isRead) return this.readAll(gate);
    const begunAt = clock.monotonic();
    const reply = await calls.readStatus(gate);
    this.merge(reply, 'measured');
    this.#heardFrom(begunAt);
    this.#needs.heard('status');
    return state.dcdc;
  }

  /** Takes what a reply says; `stepped` when the reply belongs to a write that has just changed the power. */
  merge(reply: DcdcReply, how: 'measured' | 'stepped'): void {
    this.#needs.state.merge(reply);
    this.#measured(reply, how);
  }

  get isStale(): boolean {
    const { clock, policy } = this.#needs;
    return this.#heardAt === undefined || clock.monotonic() - this.#heardAt >= staleAfterMsec(policy());
  }

  latest(): Acquired | undefined {
    return this.#needs.state.isRead ? this.acquired() : undefined;
  }

  /** @throws DeviceError `device.unknown-state` before the first reading */
  acquired(): Acquired {
    const { reading, at } = this.#needs.state;
    return { reading, at, stale: this.isStale, energyWh: this.#energy.energyWh };
  }

  #heardFrom(begunAt: Milliseconds): void {
    const { clock, policy } = this.#needs;
    this.#heardAt = begunAt;
    if (this.#isRunning) this.#staleness.in(begunAt + staleAfterMsec(policy()) - clock.monotonic());
  }

  #measured(reply: DcdcReply, how: 'measured' | 'stepped'): void {
    const { clock, policy } = this.#needs;
    if (reply.meter?.wb === undefined) return;
    this.#energy.add(clock.monotonic(), reply.meter.wb, how, staleAfterMsec(policy()));
  }

  #arm(delayMsec: Milliseconds): void {
    this.#cancelNext();
    if (!this.#isRunning) return;
    this.#cancelNext = this.#needs.clock.after(delayMsec, () => void this.#periodic());
  }

  /** Time until the next reading is due: the period counts from the beginning of the last one. */
  #dueInMsec(): Milliseconds {
    const period = this.#needs.policy().controller.dataAcquisitionPeriodMsec;
    return this.#begunAt === undefined ? 0 : this.#begunAt + period - this.#needs.clock.monotonic();
  }

  /** One round: nothing is to be read when somebody else has just done so, yet the loop goes round (RULE-17). */
  async #periodic(): Promise<void> {
    if (this.#dueInMsec() <= 0) await this.#readInTurn();
    this.#needs.beat(longestRoundMsec(this.#needs.policy()));
    this.#arm(Math.max(0, this.#dueInMsec()));
  }

  async #readInTurn(): Promise<void> {
    const waitMsec = this.#needs.policy().controller.dataAcquisitionPeriodMsec;
    try {
      await this.#needs.queue.run({ priority: 'periodic', waitMsec }, (signal) =>
        this.readAll({ signal, check: ALWAYS }),
      );
    } catch (error) {
      if (!EXCUSED.has(reasonOf(error))) this.#needs.failed(error);
    }
  }
}
