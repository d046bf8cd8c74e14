import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Flow } from './package-files.ts';

export type DeployType = 'full' | 'flows' | 'nodes';

interface Told {
  readonly done?: string;
  readonly failed?: string;
}

/** A real Node-RED with this package in a process of its own, running a flow. */
export class RedProcess {
  readonly #child: ChildProcess;

  /** Resolves once the flow runs. */
  static async start(flow: Flow, env: NodeJS.ProcessEnv): Promise<RedProcess> {
    const red = new RedProcess(env);
    await red.#tell({ do: 'start', flow });
    return red;
  }

  private constructor(env: NodeJS.ProcessEnv) {
    this.#child = fork(fileURLToPath(new URL('./red-child.ts', import.meta.url)), { env: { ...process.env, ...env } });
  }

  /** Resolves once the flow runs, or waits for node types that are not there. */
  deploy(flow: Flow, type: DeployType): Promise<void> {
    return this.#tell({ do: 'deploy', flow, type });
  }

  /** Hands a message to a node's input; resolves when it was taken, not when the node has done with it. */
  receive(id: string, message: object): Promise<void> {
    return this.#tell({ do: 'receive', id, message });
  }

  /** Takes it away from one moment to the next. */
  async kill(): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await gone;
  }

  #tell(order: object): Promise<void> {
    return new Promise((resolve, reject) => {
      const hear = ({ done, failed }: Told): void => {
        if (done === undefined && failed === undefined) return;
        this.#child.off('message', hear);
        if (failed === undefined) resolve();
        else reject(new Error(failed));
      };
      this.#child.on('message', hear);
      this.#child.once('exit', (code) => reject(new Error(`Node-RED ended with ${code}`)));
      this.#child.send(order);
    });
  }
}
