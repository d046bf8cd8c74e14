import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Milliseconds } from '../domain/quantities.ts';
import { followDaemon, HELLO_MSEC, type RunningDaemon } from './daemon-link.ts';
import { adoptLife } from './process-life.ts';
import { stopConverters } from './safe-stop-command.ts';
import { type Gone, SupervisedChild } from './supervised-child.ts';
import { type DaemonMessage, SUPERVISED_ENV } from './supervisor-socket.ts';

/** Deals end in order within this time. */
const STOP_MSEC: Milliseconds = 20_000;
/** A silent daemon is ended, and its converters are in WAIT, within 5 s and 4 s more. */
const SILENCE = { firstMsec: 60_000, silentMsec: 4_000 };
/** Units look at their converters before their loops begin. */
const FIRST_ROUND_MSEC: Milliseconds = 10_000;
/** A converter that does not confirm WAIT for so long is left to the daemon, which tries on (RULE-17). */
const SAFE_STOP_MSEC: Milliseconds = 10_000;
/**
 * This process sees the end of its gateway first: the others need as long to see it, to elect a grid master where that
 * was the one, and to balance the partners where the reference could not (RULE-9).
 */
const CURRENT_DELAY_MSEC: Milliseconds = 600;
/** Exit code of a gateway that no restart mends (architecture.md §7). */
const BAD_INPUT = 2;
/** As in `bin/apis.js`, which may not have been the way here. */
const SMALL_MEMORY = { flag: '--max-semi-space-size=1', env: { MALLOC_ARENA_MAX: '1' } };

export interface SupervisedGatewayOptions {
  readonly dataDir: string;
  /** Of `apis gateway`. */
  readonly args: readonly string[];
  /** Unit configs; none for the emulated community, whose converters end with the daemon. */
  readonly configs: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

/** The `apis` command out of this installation. */
const apisCommand = (...args: readonly string[]): readonly string[] => [
  fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url)),
  ...args,
];

/**
 * The daemon under supervision (RULE-17): started or taken over, ended when its control loops fall silent, its
 * converters put to WAIT after each death, then started again.
 */
export class SupervisedGateway {
  readonly #options: SupervisedGatewayOptions;
  readonly #child: SupervisedChild;
  readonly #listening = Promise.withResolvers<void>();
  readonly #over = new AbortController();
  /** The control loops of the daemon that runs now have gone round. */
  #hasBeaten = false;

  constructor(options: SupervisedGatewayOptions) {
    this.#options = options;
    this.#child = new SupervisedChild({
      name: 'The gateway',
      execPath: process.execPath,
      args: () => [SMALL_MEMORY.flag, ...apisCommand('gateway', ...options.args)],
      env: { ...SMALL_MEMORY.env, ...options.env, [SUPERVISED_ENV]: '1' },
      say: options.say,
      silence: SILENCE,
      afterDeath: () => this.#safeStop(),
      isFinal: (code) => code === BAD_INPUT,
    });
  }

  /** Resolves once its brokers can be reached. */
  get listening(): Promise<void> {
    return this.#listening.promise;
  }

  get gone(): Promise<Gone> {
    return this.#child.gone;
  }

  /**
   * Starts it, or takes over the one that runs when that does the same; another one is stopped in order first.
   * `prepare` is done while none runs.
   */
  async start(running: RunningDaemon | undefined, mayAdopt: boolean, prepare: () => Promise<void>): Promise<void> {
    const { args, dataDir, say } = this.#options;
    const isSame = running?.hello?.args.join('\n') === args.join('\n') && running?.isStopping === false;
    if (running !== undefined && isSame && mayAdopt) {
      say(`taking over the gateway that runs already (process ${running.identity.pid})`);
      this.#child.adopt(running.identity);
    } else {
      if (running !== undefined) await this.#end(running);
      await prepare();
      this.#child.start();
    }
    const ears = {
      connected: () => this.#child.allowSilence(HELLO_MSEC),
      hear: (message: DaemonMessage) => this.#hear(message),
    };
    followDaemon(dataDir, ears, this.#over.signal).catch(() => undefined); // never rejects
  }

  /** Orderly end. Gives its exit code; 3 when it did not end in order, or its converters could not be brought to WAIT. */
  async stop(): Promise<number> {
    await this.#child.stop(STOP_MSEC);
    const { code } = await this.#child.gone;
    this.#over.abort();
    if (code !== 0 && code !== BAD_INPUT) await this.#safeStop();
    return code ?? 3;
  }

  /** Somebody cannot wait. */
  hurry(): void {
    this.#child.hurry();
  }

  #hear({ kind }: DaemonMessage): void {
    if (kind === 'hello') {
      this.#hasBeaten = false;
      this.#child.allowSilence(SILENCE.firstMsec);
    }
    if (kind === 'listening' || kind === 'ready') this.#listening.resolve();
    if (kind === 'listening' && !this.#hasBeaten) this.#child.allowSilence(FIRST_ROUND_MSEC);
    if (kind === 'stopping') this.#child.allowSilence(STOP_MSEC);
    if (kind !== 'beat' && kind !== 'ready') return;
    this.#hasBeaten = true;
    this.#child.heard();
  }

  /** One that hangs cannot stop in order. */
  async #end({ identity, hello, isStopping }: RunningDaemon): Promise<void> {
    const life = adoptLife(identity);
    this.#options.say(`ending the gateway that runs already (process ${identity.pid}): it does something else`);
    if (!isStopping) life.kill(hello === undefined ? 'SIGKILL' : 'SIGTERM');
    const killer = setTimeout(() => life.kill('SIGKILL'), STOP_MSEC);
    await life.ended;
    clearTimeout(killer);
    await this.#safeStop();
  }

  /** The converters have no master now: WAIT, before anything else (RULE-11, RULE-17), once their partners are balanced. */
  async #safeStop(): Promise<number> {
    const { configs, say } = this.#options;
    const io = { out: () => undefined, err: (text: string) => say(text.trimEnd()) };
    const { outcomes, code } = await stopConverters(configs, SAFE_STOP_MSEC, io, {
      currentDelayMsec: CURRENT_DELAY_MSEC,
    });
    for (const { message } of outcomes) say(message);
    return code;
  }
}
