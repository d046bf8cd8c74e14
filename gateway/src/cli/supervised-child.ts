import { messageOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { ProcessIdentity } from './process-identity.ts';
import { adoptLife, type Exit, type ProcessLife, spawnLife } from './process-life.ts';
import { RestartPolicy } from './restart-policy.ts';
import { type SilenceLimits, SilenceWatch } from './silence-watch.ts';

export interface ChildPlan {
  readonly name: string;
  readonly execPath: string;
  readonly args: (isSafe: boolean) => readonly string[];
  /** It can be started without what it is given to run: that is done after three crashes in a minute. */
  readonly hasSafeMode?: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
  /** A message of the child over its pipe; absent: it gets none. */
  readonly onMessage?: (message: unknown) => void;
  /** How long it may be silent (`heard`) before it is killed and started again. */
  readonly silence: SilenceLimits;
  /** What must be done once it is dead, before it is started again; gives an exit code: 0 when all is well. */
  readonly afterDeath?: () => Promise<number>;
  /** Exits that no restart mends, e.g. bad input; the child then stays down. */
  readonly isFinal?: (code: number | null) => boolean;
}

/** How a child left for good: its exit code, null for a signal; that of what had to be done, when it was dead already. */
export interface Gone {
  readonly code: number | null;
}

const RUNTIME_FAULT = 3;

const describe = ({ code, signal }: Exit): string => {
  if (signal !== null) return `signal ${signal}`;
  return code === null ? 'it was not our child' : `exit code ${code}`;
};

/** A process that is started again when it dies or falls silent. */
export class SupervisedChild {
  readonly #plan: ChildPlan;
  readonly #policy = new RestartPolicy();
  readonly #gone = Promise.withResolvers<Gone>();
  #life: ProcessLife | undefined;
  #watch: SilenceWatch | undefined;
  #burial = Promise.resolve(0);
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
    return this.#life?.pid;
  }

  start(): void {
    const { name, execPath, args, env, say, onMessage } = this.#plan;
    const isSafe = this.#plan.hasSafeMode === true && this.#policy.isSafeModeDue();
    if (isSafe) say(`${name} has crashed three times within a minute and is started in safe mode`);
    this.#follow(
      spawnLife({
        execPath,
        args: args(isSafe),
        env,
        hasPipe: onMessage !== undefined,
        ...(onMessage === undefined ? {} : { onMessage }),
        onError: (error) => say(`${name}: ${error.message}`),
      }),
    );
  }

  /** Takes over a process that runs already. */
  adopt(identity: ProcessIdentity): void {
    this.#follow(adoptLife(identity));
  }

  /** A sign of life. */
  heard(): void {
    this.#watch?.heard();
  }

  /** It has said that it will be silent for a while. */
  allowSilence(msec: Milliseconds): void {
    this.#watch?.allow(msec);
  }

  /** SIGTERM, and SIGKILL when it has not gone within `limit`. */
  async stop(limit: Milliseconds): Promise<void> {
    this.#isStopping = true;
    this.#watch?.end();
    clearTimeout(this.#restart);
    if (this.#life === undefined) void this.#burial.then((code) => this.#gone.resolve({ code }));
    this.#life?.kill('SIGTERM');
    const killer = setTimeout(() => this.kill(), limit);
    await this.#gone.promise;
    clearTimeout(killer);
  }

  /** Somebody cannot wait. Another signal than that of `stop`, which cannot be taken for an echo of it. */
  hurry(): void {
    this.#life?.kill('SIGINT');
  }

  kill(): void {
    this.#life?.kill('SIGKILL');
  }

  #follow(life: ProcessLife): void {
    this.#life = life;
    this.#watch = new SilenceWatch(this.#plan.silence, (msec) => {
      this.#plan.say(`${this.#plan.name} has not been heard for ${(msec / 1000).toFixed(1)} s and is ended`);
      this.kill();
    });
    life.ended.then((exit) => this.#ended(exit)).catch(() => undefined); // never rejects
  }

  #ended(exit: Exit): void {
    this.#life = undefined;
    this.#watch?.end();
    const { afterDeath = async () => 0, isFinal, name, say } = this.#plan;
    if (this.#isStopping || isFinal?.(exit.code) === true) {
      this.#gone.resolve({ code: exit.code });
      return;
    }
    const delay = this.#policy.crashed(performance.now());
    say(`${name} has ended by itself (${describe(exit)}), next start in ${delay / 1000} s`);
    const startAt = performance.now() + delay;
    this.#burial = afterDeath()
      .catch((error: unknown) => {
        say(messageOf(error));
        return RUNTIME_FAULT;
      })
      .then((code) => {
        if (!this.#isStopping) this.#restart = setTimeout(() => this.start(), Math.max(0, startAt - performance.now()));
        return code;
      });
  }
}
