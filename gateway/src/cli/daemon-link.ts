import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Milliseconds } from '../domain/quantities.ts';
import { lockHolder } from './data-lock.ts';
import { UsageError } from './option.ts';
import type { ProcessIdentity } from './process-identity.ts';
import { type DaemonHello, type DaemonMessage, parseMessage, supervisorSocket } from './supervisor-socket.ts';

const AGAIN_MSEC: Milliseconds = 100;
/** The daemon knows by it that it is looked after (RULE-17). */
const PRESENCE_MSEC: Milliseconds = 500;
/** A daemon whose event loop turns says hello at once. */
export const HELLO_MSEC: Milliseconds = 3_000;

/** What is heard of a daemon. */
export interface DaemonEars {
  /** A connection stands: the system makes it for a daemon that hangs, too, and then no hello follows. */
  connected?(): void;
  hear(message: DaemonMessage): void;
}

/** Hears one connection out. Resolves when it has ended: true when there was one at all. */
function listen(path: string, { connected, hear }: DaemonEars, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    let isConnected = false;
    const socket = connect(path, () => {
      isConnected = true;
      if (!signal.aborted) connected?.();
    });
    const presence = setInterval(() => socket.write('\n'), PRESENCE_MSEC);
    const leave = (): void => {
      socket.destroy();
    };
    signal.addEventListener('abort', leave, { once: true });
    let rest = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const message = parseMessage(line);
        if (message !== undefined && !signal.aborted) hear(message);
      }
    });
    socket.on('error', () => undefined); // told by `close`
    socket.on('close', () => {
      clearInterval(presence);
      signal.removeEventListener('abort', leave);
      resolve(isConnected);
    });
  });
}

/** Hears what the daemon of a data directory says, connecting again and again, until the signal ends it. */
export async function followDaemon(dataDir: string, ears: DaemonEars, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await listen(supervisorSocket(dataDir), ears, signal);
    await pause(AGAIN_MSEC, undefined, { signal }).catch(() => undefined); // ended, on purpose
  }
}

/** A daemon that runs already; without `hello` it hangs. */
export interface RunningDaemon {
  readonly identity: ProcessIdentity;
  readonly hello?: DaemonHello;
  /** It is on its way out. */
  readonly isStopping: boolean;
}

/**
 * Looks for a daemon that lost its supervisor (RULE-17). Undefined when the data directory is free. Rejects UsageError
 * when one runs that somebody has started without supervisor.
 */
export async function findDaemon(dataDir: string): Promise<RunningDaemon | undefined> {
  const identity = await lockHolder(dataDir);
  if (identity === undefined) return undefined;
  const over = new AbortController();
  let hello: DaemonHello | undefined;
  let isStopping = false;
  const hear = (message: DaemonMessage): void => {
    if (message.kind === 'hello') hello = message;
    isStopping ||= message.kind === 'stopping';
    // What follows the hello comes with it.
    setImmediate(() => over.abort());
  };
  const timer = setTimeout(() => over.abort(), HELLO_MSEC);
  const isSupervised = await listen(supervisorSocket(dataDir), { hear }, over.signal);
  clearTimeout(timer);
  if (!isSupervised) throw new UsageError(`the data directory ${dataDir} is in use by process ${identity.pid}`);
  return { identity, isStopping, ...(hello === undefined ? {} : { hello }) };
}
