import { CONVERTER_MODES, WIRED_DAEMON_LOST_MSEC, WIRED_HEARTBEAT_MSEC } from '@apis-edge/gateway/domain';
import type { Attached } from './attach.ts';
import { FreshCommands } from './fresh-commands.ts';
import { commandMessage, isWired, type WiredReply } from './wired-messages.ts';

/** An own WAIT is repeated until the converter has confirmed it. */
const REPEAT_MSEC = 1_000;
/** What comes from us, not from the unit; ids of a unit never begin like this. */
const OWN = 'own-stop-';
const OWN_DEADLINE_MSEC = 1_000;

type Command = ReturnType<typeof commandMessage>;

export interface FlowDriverOptions {
  readonly attached: Attached;
  send(command: Command): void;
  /** Something is different for the status. */
  changed(): void;
}

/**
 * Stands between a unit and the converter that a flow drives for it (RULE-18): passes commands on while they are
 * young, says that the flow is there, and puts the converter to WAIT when the unit falls silent.
 */
export class FlowDriver {
  readonly #options: FlowDriverOptions;
  readonly #fresh = new FreshCommands();
  readonly #stops: (() => void)[] = [];
  #heardAt = performance.now();
  #isAsked = false;
  #isLost = false;
  #stopCount = 0;
  #stopSaidAt = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(options: FlowDriverOptions) {
    this.#options = options;
    const { client, link } = options.attached;
    const timer = setInterval(() => this.#beat(), WIRED_HEARTBEAT_MSEC);
    this.#stops.push(
      () => clearInterval(timer),
      client.on('message', ({ unitId }) => {
        if (unitId === link.unitId) this.#heard();
      }),
      client.on('connection', (state) => {
        // What was asked on another connection may come from another daemon.
        if (state !== 'connected') this.#isAsked = false;
      }),
      client.on('wired', (command) => {
        this.#isAsked = true;
        this.#heard();
        this.#say(); // before its answer: a device counts only while it is heard
        const leftMsec = this.#fresh.timeLeft(command);
        if (leftMsec !== undefined) options.send(commandMessage(command, leftMsec));
      }),
    );
  }

  /** The unit has not been heard for so long that its converter was put to WAIT here. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Hands a reply to the unit; that to an own WAIT ends here. */
  async answer({ id, content }: WiredReply): Promise<void> {
    if (!id.startsWith(OWN)) return this.#options.attached.client.sayAsDevice(`dcdc/${id}`, content);
    const status = content.status as { status?: unknown } | undefined; // looked at below
    this.#isStopped = id === `${OWN}${this.#stopCount}` && status?.status === CONVERTER_MODES.WAIT.code;
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #heard(): void {
    this.#heardAt = performance.now();
    if (!this.#isLost) return;
    this.#isLost = false;
    this.#options.changed();
  }

  #beat(): void {
    const { client, link } = this.#options.attached;
    if (this.#isAsked || isWired(client.state(), link.unitId) === true) this.#say();
    if (performance.now() - this.#heardAt >= WIRED_DAEMON_LOST_MSEC) this.#stopByItself();
  }

  #say(): void {
    const { client } = this.#options.attached;
    if (client.connection !== 'connected') return;
    client.sayAsDevice('heartbeat', {}).catch(() => {}); // the next one is due soon
  }

  #stopByItself(): void {
    if (!this.#isLost) {
      this.#isLost = true;
      this.#isStopped = false;
      this.#stopSaidAt = Number.NEGATIVE_INFINITY;
      this.#options.changed();
    }
    if (this.#isStopped || performance.now() - this.#stopSaidAt < REPEAT_MSEC) return;
    this.#stopSaidAt = performance.now();
    this.#stopCount += 1;
    const id = `${OWN}${this.#stopCount}`;
    const stop = { command: 'set', mode: 'WAIT', id, sequence: 0, time: 0, deadlineMsec: OWN_DEADLINE_MSEC } as const;
    this.#options.send(commandMessage(stop, OWN_DEADLINE_MSEC));
  }
}
