import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface RunOptions {
  readonly program?: string;
  readonly cwd?: string;
}

/** A real process under test: what it says, and how it ends. */
export class Running {
  readonly child: ChildProcess;
  out = '';
  err = '';
  readonly ended: Promise<number | null>;
  readonly #waiting = new Set<() => void>();

  /** Runs `script` with this Node, or as first argument of another `program`. */
  constructor(script: string, args: readonly string[], { program = process.execPath, cwd }: RunOptions = {}) {
    this.child = spawn(program, [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.child.stdout?.on('data', (chunk) => this.#heard('out', chunk));
    this.child.stderr?.on('data', (chunk) => this.#heard('err', chunk));
    this.ended = new Promise((resolve) =>
      this.child.once('close', (code) => {
        resolve(code);
        for (const look of this.#waiting) look();
      }),
    );
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Resolves once `pattern` was said on the stream; rejects with all that was said when it ends or is late. */
  says(stream: 'out' | 'err', pattern: RegExp, limitMsec = 60_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle();
      };
      const fail = (why: string): void =>
        finish(() => reject(new Error(`${why} without ${pattern}\nstdout: ${this.out}\nstderr: ${this.err}`)));
      const look = (): void => {
        if (pattern.test(this[stream])) finish(resolve);
        else if (this.child.exitCode !== null || this.child.signalCode !== null) fail('it ended');
      };
      const timer = setTimeout(() => fail(`${limitMsec} ms passed`), limitMsec);
      this.#waiting.add(look);
      look();
    });
  }

  #heard(stream: 'out' | 'err', chunk: Buffer): void {
    this[stream] += chunk.toString();
    for (const look of this.#waiting) look();
  }
}

const script = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The `apis` command as it is installed; needs a build. */
export const apisBin = script('../../bin/apis.js');
export const apisBuilt = (...args: string[]): Running => new Running(apisBin, args);
/** The `apis` command out of the sources. */
export const apis = (...args: string[]): Running => new Running(script('../../src/cli/main.ts'), args);
/** The process frame around a daemon that behaves as told. */
export const fakeDaemon = (behaviour: string, data: string): Running =>
  new Running(script('./fake-daemon.ts'), ['run', '--behaviour', behaviour, '--data', data]);

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Ids of the direct children of a process. */
export async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.trim().split(' ').filter(Boolean).map(Number);
}

/** False for a process that has gone, and for one that has ended and is only not yet counted out. */
export async function isAlive(pid: number): Promise<boolean> {
  if (!existsSync(`/proc/${pid}`)) return false;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
}

/** Looks again and again until it holds; false when `limitMsec` has passed. */
export async function eventually(condition: () => boolean | Promise<boolean>, limitMsec: number): Promise<boolean> {
  for (const end = performance.now() + limitMsec; performance.now() < end; ) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return condition();
}
