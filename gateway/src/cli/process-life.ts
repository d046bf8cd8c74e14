import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { isRunning, type ProcessIdentity } from './process-identity.ts';

/** How a process ended; both null for one that was not our child. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One run of a process that is looked after. */
export interface ProcessLife {
  readonly pid: number | undefined;
  readonly ended: Promise<Exit>;
  kill(signal: NodeJS.Signals): void;
}

export interface SpawnPlan {
  readonly execPath: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly onMessage?: (message: unknown) => void;
  readonly onError: (error: Error) => void;
  /** A pipe for messages, by which it also notices that we are gone. */
  readonly hasPipe: boolean;
}

/** Starts a child in a process group of its own, so that Ctrl-C reaches only us. What it says is progress: our stderr. */
export function spawnLife({ execPath, args, env, onMessage, onError, hasPipe }: SpawnPlan): ProcessLife {
  const child: ChildProcess = spawn(execPath, args, {
    env,
    detached: true,
    stdio: hasPipe ? ['ignore', 2, 2, 'ipc'] : ['ignore', 2, 2],
  });
  child.on('message', (message) => onMessage?.(message));
  child.on('error', onError);
  const ended = new Promise<Exit>((resolve) => child.on('close', (code, signal) => resolve({ code, signal })));
  return { pid: child.pid, ended, kill: (signal) => void child.kill(signal) };
}

const LOOK_MSEC = 100;

/** A process that runs already and is not our child. */
export function adoptLife(identity: ProcessIdentity): ProcessLife {
  const watch = async (): Promise<Exit> => {
    while (await isRunning(identity)) await pause(LOOK_MSEC);
    return { code: null, signal: null };
  };
  return {
    pid: identity.pid,
    ended: watch(),
    kill: (signal) => {
      try {
        process.kill(identity.pid, signal);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error; // gone meanwhile
      }
    },
  };
}
