import { createHash } from 'node:crypto';
import { lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import * as v from 'valibot';
import { PRIVATE_DIRECTORY_MODE } from '../adapters/identity/identity-files.ts';
import { UsageError } from './option.ts';
import { processIdentity } from './process-identity.ts';

/** Rights of everybody but the owner. */
const OTHERS = 0o077;

/** The system cuts or refuses longer names of sockets. */
const LONGEST_PATH = 100;

/** Where sockets stand whose own place has too long a name: below the temp directory, in which everybody may make files. */
const shortcuts = (): string => join(tmpdir(), `apis-${process.getuid?.() ?? 'user'}`);

/** Where a supervised daemon of a data directory listens for its supervisor (RULE-17). */
export function supervisorSocket(dataDir: string): string {
  const path = join(resolve(dataDir), 'supervisor.sock');
  if (Buffer.byteLength(path) <= LONGEST_PATH) return path;
  return join(shortcuts(), `${createHash('sha256').update(path).digest('hex').slice(0, 24)}.sock`);
}

/** Makes the directory of a socket, private where it is not the data directory. Rejects UsageError when another user has made it. */
export async function makeSocketDirectory(path: string): Promise<void> {
  const directory = dirname(path);
  if (directory !== shortcuts()) return;
  await mkdir(directory, { mode: PRIVATE_DIRECTORY_MODE }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const found = await lstat(directory); // a link to elsewhere is none
  const isOwn = found.isDirectory() && found.uid === (process.getuid?.() ?? found.uid);
  if (!isOwn || (found.mode & OTHERS) !== 0) {
    throw new UsageError(`${directory}: expected a directory that only this user can look into, got another one`);
  }
}

/** How a daemon is told that it has a supervisor. */
export const SUPERVISED_ENV = 'APIS_SUPERVISED';

/** What a supervised daemon says, one JSON object a line. */
const message = v.variant('kind', [
  /** First line: who it is, and with which arguments it runs. */
  v.object({ kind: v.literal('hello'), ...processIdentity.entries, args: v.array(v.string()) }),
  /** Its brokers can be reached. */
  v.object({ kind: v.literal('listening') }),
  /** All its units are ready to trade. */
  v.object({ kind: v.literal('ready') }),
  /** All its control loops go round. */
  v.object({ kind: v.literal('beat') }),
  /** It ends in order, whoever asked for that. */
  v.object({ kind: v.literal('stopping') }),
]);
export type DaemonMessage = v.InferOutput<typeof message>;
export type DaemonHello = Extract<DaemonMessage, { kind: 'hello' }>;

export const messageLine = (said: DaemonMessage): string => `${JSON.stringify(said)}\n`;

/** Reads one line; undefined for what is none of ours. */
export function parseMessage(line: string): DaemonMessage | undefined {
  try {
    const found = v.safeParse(message, JSON.parse(line));
    return found.success ? found.output : undefined;
  } catch {
    return undefined;
  }
}
