import { type ChildProcess, spawn } from 'node:child_process';
import type { Milliseconds } from '../domain/quantities.ts';
import { RestartPolicy } from './restart-policy.ts';

export interface ChildPlan {
  readonly name: string;
  readonly execPath: string;
  readonly args: (isSafe: boolean) => readonly string[];
  /** It can be started without what it is given to run: that is done after three crashes in a minute. */
  readonly hasSafeMode?: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
  /** A message of the child over its pipe. */
  readonly onMessage?: (message: unknown) => void;
  /** Exits that no restart mends, e.g. bad input; the child then stays down. */
  readonly isFinal?: (code: number | null) => boolean;
}

/** How a child left for good: its exit code, null for a signal. */
export interface Gone {
  readonly code: number | null;
}

const describe = (code: number | null, signal: string | null): string =>
  signal === null ? `exit code ${code}` : `signal ${signal}`;

/**
 * A child process that is started again when it crashes. It stands in a process group of its own, so that Ctrl-C
 * reaches only the supervisor, and holds a pipe to it, so that it notices when the supervisor is killed.
 */
export class SupervisedChild {
  readonly #plan: ChildPlan;
  readonly #policy = new RestartPolicy();
  readonly #gone = Promise.withResolvers<Gone>();
  #child: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(plan: ChildPlan) {
    this.#plan = plan;
  }

  /** Resolves when the child is down and stays down. */
  get gone(): Promise<Gone> {
    return this.#gone.promise;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const { name, execPath, args, env, say, onMessage } = this.#plan;
    const isSafe = this.#plan.hasSafeMode === true && this.#policy.isSafeModeDue();
    if (isSafe) say(`${name} has crashed three times within a minute and is started in safe mode`);
    // Results belong to the supervisor's stdout; what children say is progress.
    const child = spawn(execPath, args(isSafe), { env, detached: true, stdio: ['ignore', 2, 2, 'ipc'] });
    this.#child = child;
    child.on('message', (message) => onMessage?.(message));
    child.on('error', (error) => say(`${name}: ${error.message}`));
    child.on('close', (code, signal) => this.#ended(code, signal));
  }

  /** SIGTERM, and SIGKILL when it has not gone within `limit`. */
  async stop(limit: Milliseconds): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    if (this.#child === undefined) this.#gone.resolve({ code: 0 });
    this.#child?.kill('SIGTERM');
    const killer = setTimeout(() => this.kill(), limit);
    await this.#gone.promise;
    clearTimeout(killer);
  }

  /** Another SIGTERM: somebody cannot wait. */
  hurry(): void {
    this.#child?.kill('SIGTERM');
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  #ended(code: number | null, signal: string | null): void {
    this.#child = undefined;
    if (this.#isStopping || this.#plan.isFinal?.(code) === true) {
      this.#gone.resolve({ code });
      return;
    }
    const delay = this.#policy.crashed(performance.now());
    this.#plan.say(
      `${this.#plan.name} has ended by itself (${describe(code, signal)}), next start in ${delay / 1000} s`,
    );
    this.#restart = setTimeout(() => this.start(), delay);
  }
}
