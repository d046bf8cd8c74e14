import { readFile } from 'node:fs/promises';
import * as v from 'valibot';

/** A process: its id alone may be taken over by another one after it ended. */
export const processIdentity = v.object({
  pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** When the system says it started; absent where there is no /proc. */
  startedAt: v.exactOptional(v.string()),
});
export type ProcessIdentity = Readonly<v.InferOutput<typeof processIdentity>>;

/** Time stamp of a process's start as Linux tells it (field 22 of /proc/<pid>/stat). */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field, the name, may hold blanks and brackets itself.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

export async function identityOf(pid: number): Promise<ProcessIdentity> {
  const startedAt = await startOf(pid);
  return startedAt === undefined ? { pid } : { pid, startedAt };
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
export async function isRunning({ pid, startedAt }: ProcessIdentity): Promise<boolean> {
  if (!exists(pid)) return false;
  const now = await startOf(pid);
  return startedAt === undefined || now === undefined || now === startedAt;
}
