import { DeviceError, messageOf } from '../../domain/errors.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Dcdc } from '../../domain/unit-data.ts';
import {
  WIRED_HEARTBEAT_MSEC,
  WIRED_PARTS,
  WIRED_SILENCE_MSEC,
  type WiredCommand,
  type WiredOrder,
  type WiredPart,
} from '../../domain/wired-device.ts';
import type { Unsubscribe } from '../../ports/bus.ts';
import { type Cancel, type Clock, every, withDeadline } from '../../ports/clock.ts';
import type { DcdcReply, Device, DeviceReading, ModeSetting } from '../../ports/device.ts';
import type { JsonObject } from './http-get.ts';
import { batteryOf, dcdcOf, objectOf, type PartName, partsOf } from './http-replies.ts';
import { OpenCommands } from './open-commands.ts';

export interface FlowDeviceOptions {
  readonly clock: Clock;
  /** Of this process: replies to a former one's commands are told apart by it. */
  readonly session: string;
  /** How long a flow may take for its answer: the policy's `controller.requestTimeoutMsec`. */
  readonly deadlineMsec: Milliseconds;
  /** Publishes a command for the flow. */
  say(command: WiredCommand): void;
  /** Brings the converter to WAIT past the flow, where there is such a way; rejects when it could not. */
  stopIndependently?(): Promise<void>;
}

type Replies = Readonly<Partial<Record<WiredPart, JsonObject>>>;

const CONVERTER_ONLY: readonly WiredPart[] = ['dcdc'];

/** What the reply to a `set` may tell; the controller asks for the status where it needs it and it is not among them. */
const TOLD: readonly PartName[] = ['status', 'meter', 'vdis', 'param'];

/** A timer that is so late tells that the own process stood still: what the flow said meanwhile is heard after it. */
const LATE_MSEC: Milliseconds = 20;
const CATCH_UP_MSEC: Milliseconds = 100;

/** Of the time for an answer: whoever waits for one hears that no flow is there before that time is over. */
const FIRST_BEAT_SHARE = 0.9;

const isPart = (text: string): text is WiredPart => WIRED_PARTS.some((part) => part === text);

/**
 * Converter and battery that a flow drives (RULE-18): orders go out as messages, each reply carries the id of its
 * order. What comes late, twice, unasked or malformed is trouble, and so is a flow that is not heard for 1 s: then
 * nothing but WAIT is said, past the flow as well where there is a way, and no reading is believed. It never holds the
 * bus voltage.
 */
export class FlowDevice implements Device {
  readonly isWired = true;
  readonly #options: FlowDeviceOptions;
  readonly #open: OpenCommands<WiredPart, JsonObject>;
  readonly #handlers = new Set<(error: DeviceError) => void>();
  readonly #firstBeat = Promise.withResolvers<void>();
  #sequence = 0;
  #heardAt: Milliseconds | undefined;
  #cancelSilence: Cancel = () => {};
  #isStopping = false;

  constructor(options: FlowDeviceOptions) {
    this.#options = options;
    this.#open = new OpenCommands(options.clock, options.session);
  }

  onTrouble(handle: (error: DeviceError) => void): Unsubscribe {
    this.#handlers.add(handle);
    return () => this.#handlers.delete(handle);
  }

  /** Takes what the flow has published below `device/`: `heartbeat`, `dcdc/<id>` or `battery/<id>`; never throws. */
  hear(key: string, payload: Uint8Array): void {
    const [kind = '', id = '', ...rest] = key.split('/');
    try {
      if (key === 'heartbeat') this.#beat();
      else if (isPart(kind) && id !== '' && rest.length === 0) {
        this.#open.answer(id, kind, () => contentOf(kind, payload));
      } else {
        const message = `device/${key.slice(0, 80)}: expected heartbeat, dcdc/<id> or battery/<id>`;
        throw new DeviceError('device.unsolicited', message);
      }
    } catch (error) {
      this.#trouble(error instanceof DeviceError ? error : new DeviceError('device.malformed', messageOf(error)));
    }
  }

  /** A flow that starts with its gateway is not silent yet: its first heartbeat may take the time of an answer. */
  async read(): Promise<DeviceReading> {
    if (this.#heardAt === undefined) await this.#beginning();
    const replies = await this.#order({ command: 'get' }, WIRED_PARTS);
    this.#mustBeHeard();
    const { rsoc, battery_operation_status, emu } = replies.battery ?? {};
    const dcdc: Dcdc = dcdcOf(replies.dcdc);
    return {
      dcdc,
      battery: batteryOf({ rsoc, battery_operation_status }),
      ...(emu === undefined ? {} : { emu: objectOf(emu, 'battery.emu') }),
    };
  }

  async readStatus(): Promise<DcdcReply> {
    return partsOf(converterOf(await this.#order({ command: 'status' }, CONVERTER_ONLY)), ['status', 'meter']);
  }

  async setMode(setting: ModeSetting): Promise<DcdcReply> {
    if (setting.mode === 'VOLTAGE_REFERENCE') {
      throw new DeviceError('device.refused', 'a device behind a flow never holds the bus voltage (RULE-18)');
    }
    const { mode, dvg, dig, drg } = setting;
    if (mode !== 'WAIT') this.#mustBeHeard();
    else if (!this.#isHeard()) this.#stopPastFlow();
    try {
      return await this.#set({ command: 'set', mode, dvg, dig, drg });
    } catch (error) {
      if (mode === 'WAIT') this.#stopPastFlow();
      throw error;
    }
  }

  async setVoltage({ dvg, drg }: Pick<ModeSetting, 'dvg' | 'drg'>): Promise<DcdcReply> {
    this.#mustBeHeard();
    return this.#set({ command: 'set', dvg, drg });
  }

  async setCurrent({ dig }: Pick<ModeSetting, 'dig'>): Promise<DcdcReply> {
    this.#mustBeHeard();
    return this.#set({ command: 'set', dig });
  }

  async #set(order: WiredOrder): Promise<DcdcReply> {
    const reply = converterOf(await this.#order(order, CONVERTER_ONLY));
    const told = TOLD.filter((name) => reply[name] !== undefined);
    if (told.length === 0) {
      throw new DeviceError('device.malformed', `dcdc: expected at least one of ${TOLD.join(', ')}, got none`);
    }
    return partsOf(reply, told);
  }

  /**
   * Not ended by its caller's signal: an order that was said may still be carried out, and counts as under way until
   * it is answered or its deadline has passed (RULE-3).
   */
  async #order(order: WiredOrder, parts: readonly WiredPart[]): Promise<Replies> {
    const { clock, deadlineMsec, say, session } = this.#options;
    this.#sequence += 1;
    const id = `${session}-${this.#sequence}`;
    const answered = this.#open.expect(id, parts, deadlineMsec, order.command);
    say({ ...order, id, sequence: this.#sequence, time: clock.now(), deadlineMsec });
    return answered;
  }

  /**
   * A flow learns by being asked that the device is its own, and says its first heartbeat then; what is asked before
   * it is there is lost. So it is asked until it is heard.
   */
  async #beginning(): Promise<void> {
    const { clock, deadlineMsec } = this.#options;
    const stop = every(
      clock,
      () => WIRED_HEARTBEAT_MSEC,
      () => {
        this.#order({ command: 'status' }, CONVERTER_ONLY).catch(() => {}); // only that it speaks is of interest
      },
    );
    try {
      await withDeadline(clock, FIRST_BEAT_SHARE * deadlineMsec, this.#firstBeat.promise, () => this.#silence());
    } finally {
      stop();
    }
  }

  #beat(): void {
    const { clock } = this.#options;
    this.#heardAt = clock.monotonic();
    this.#firstBeat.resolve();
    this.#cancelSilence();
    this.#cancelSilence = clock.after(WIRED_SILENCE_MSEC, () => {
      const lateMsec = clock.monotonic() - Number(this.#heardAt) - WIRED_SILENCE_MSEC;
      if (lateMsec < LATE_MSEC) this.#fallSilent();
      else this.#cancelSilence = clock.after(CATCH_UP_MSEC, () => this.#fallSilent());
    });
  }

  #fallSilent(): void {
    this.#stopPastFlow();
    this.#trouble(this.#silence());
  }

  /** The flow cannot be asked: the converter has another way to WAIT, or a watchdog of its own (RULE-18). */
  #stopPastFlow(): void {
    const { stopIndependently } = this.#options;
    if (stopIndependently === undefined || this.#isStopping) return;
    this.#isStopping = true;
    stopIndependently()
      .catch((error: unknown) =>
        this.#trouble(error instanceof DeviceError ? error : new DeviceError('device.refused', messageOf(error))),
      )
      .finally(() => {
        this.#isStopping = false;
      });
  }

  #isHeard(): boolean {
    return this.#options.clock.monotonic() - (this.#heardAt ?? Number.NEGATIVE_INFINITY) < WIRED_SILENCE_MSEC;
  }

  /** @throws DeviceError `device.no-heartbeat` (RULE-18) */
  #mustBeHeard(): void {
    if (!this.#isHeard()) throw this.#silence();
  }

  #silence(): DeviceError {
    const since = this.#heardAt === undefined ? 'yet' : `for ${WIRED_SILENCE_MSEC} ms`;
    return new DeviceError('device.no-heartbeat', `no flow that drives the device has been heard ${since}`);
  }

  #trouble(error: DeviceError): void {
    for (const handle of [...this.#handlers]) handle(error);
  }
}

const converterOf = ({ dcdc }: Replies): JsonObject => dcdc ?? {};

/** The content of a reply; one that says `error` is a refusal. @throws DeviceError `device.malformed`, `device.refused` */
function contentOf(what: WiredPart, payload: Uint8Array): JsonObject {
  const content = objectOf(parsed(what, payload), what);
  if (content.error === undefined) return content;
  throw new DeviceError('device.refused', `${what}: ${String(content.error).slice(0, 200)}`);
}

function parsed(what: string, payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch {
    throw new DeviceError('device.malformed', `${what}: expected JSON`);
  }
}
