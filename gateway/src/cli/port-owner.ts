import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { UsageError } from './option.ts';

const LISTENING = '0A';
const LONGEST_NAME = 100;

/** Inodes of the sockets that listen on a port, out of /proc/net/tcp and tcp6. */
async function listeners(port: number): Promise<ReadonlySet<string>> {
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  const rows = tables.flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)));
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const found = rows.filter((row) => row[3] === LISTENING && row[1]?.endsWith(`:${hex}`));
  return new Set(found.map((row) => `socket:[${row[9]}]`));
}

async function holds(pid: string, sockets: ReadonlySet<string>): Promise<boolean> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')));
  return links.some((link) => sockets.has(link));
}

/** `process 123 (node main.js gateway)`, or undefined where the system does not tell. */
async function ownerOf(port: number): Promise<string | undefined> {
  const sockets = await listeners(port);
  if (sockets.size === 0) return undefined;
  for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    if (!(await holds(pid, sockets))) continue;
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    const name = words.join(' ').trim().slice(0, LONGEST_NAME);
    return `process ${pid}${name === '' ? '' : ` (${name})`}`;
  }
  return undefined;
}

/** What to tell the user whose port is taken, with the taker where the system tells it. */
export async function portInUse(host: string, port: number): Promise<UsageError> {
  const owner = await ownerOf(port);
  return new UsageError(`port ${port} on ${host} is in use${owner === undefined ? '' : ` by ${owner}`}`);
}

/** The port that an error of `listen` is about; undefined for other errors. */
export function takenPort(error: unknown): { readonly host: string; readonly port: number } | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'EADDRINUSE') return undefined;
  const { address, port } = error as Error & { address?: unknown; port?: unknown }; // both checked below
  return { host: String(address ?? '127.0.0.1'), port: Number(port ?? 0) };
}

/** Rejects UsageError when somebody listens there already. */
export async function checkPortIsFree(host: string, port: number): Promise<void> {
  const problem = await new Promise<unknown>((resolve) => {
    const probe = createServer();
    probe.once('error', resolve);
    probe.listen(port, host, () => probe.close(() => resolve(undefined)));
  });
  if (takenPort(problem) !== undefined) throw await portInUse(host, port);
  if (problem !== undefined) throw problem;
}
