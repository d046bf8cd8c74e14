import { readFile } from 'node:fs/promises';
import * as v from 'valibot';

/** A process: its id alone may be taken over by another one after it ended. */
export const processIdentity = v.object({
  pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** When the system says it started, counted from its own start; absent where there is no /proc. */
  startedAt: v.exactOptional(v.string()),
  /** Which start of the system that was: the same services begin at the same time after each. Absent as above. */
  bootId: v.exactOptional(v.string()),
});
export type ProcessIdentity = Readonly<v.InferOutput<typeof processIdentity>>;

/** Time stamp of a process's start as Linux tells it (field 22 of /proc/<pid>/stat). */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field, the name, may hold blanks and brackets itself.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

async function currentBoot(): Promise<string | undefined> {
  const text = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return text.trim() || undefined;
}

export async function identityOf(pid: number): Promise<ProcessIdentity> {
  const [startedAt, bootId] = await Promise.all([startOf(pid), currentBoot()]);
  if (startedAt === undefined) return { pid };
  return bootId === undefined ? { pid, startedAt } : { pid, startedAt, bootId };
}

const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'; // there, but not ours
  }
};

/** True while this very process runs, false also when another one has got its id since. */
export async function isRunning(known: ProcessIdentity): Promise<boolean> {
  if (!exists(known.pid)) return false;
  const found = await identityOf(known.pid);
  const agrees = (key: 'startedAt' | 'bootId'): boolean =>
    known[key] === undefined || found[key] === undefined || known[key] === found[key];
  return agrees('startedAt') && agrees('bootId');
}
