import { copyFile, link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isMissing } from './file-error.ts';

/** Readable by the owner alone. */
export const PRIVATE_MODE = 0o600;

/** Does it, and makes what it renames or removes in the directory survive a power loss; nothing is done where that cannot be. */
async function durablyIn(directory: string, change: () => Promise<void>): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await change();
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const NO_CHANGE = async (): Promise<void> => {};

/** Creates the directory and makes each new link of the chain durable. */
export async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true });
  if (first === undefined) return;
  for (let made = directory; made.length >= first.length; made = dirname(made))
    await durablyIn(dirname(made), NO_CHANGE);
}

/** A second name for the present content, which the coming rename does not touch; nothing to keep is fine. */
async function keepBackup(path: string): Promise<void> {
  const fresh = `${path}.bak.tmp`;
  await rm(fresh, { force: true });
  try {
    // File systems without hard links (FAT) get a copy.
    await link(path, fresh).catch((error) => (isMissing(error) ? Promise.reject(error) : copyFile(path, fresh)));
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  await rename(fresh, `${path}.bak`);
}

/**
 * Replaces a file as a whole: temp, fsync, rename, fsync of the directory (INV-7). Whenever the power fails, the old
 * or the new content stands there. With `backup` the former content stays as `<path>.bak`. `mode` is that
 * of a private file from its first moment on. Rejects, with the file as it was, when the disk is full or the place is
 * not writable; and, with the new content there already, when the directory's fsync fails: a power loss may still bring
 * the old content back, so nobody may rely on the new one.
 */
export async function writeAtomically(path: string, text: string, backup = false, mode = 0o666): Promise<void> {
  await makeDirectory(dirname(path));
  await durablyIn(dirname(path), async () => {
    const temp = `${path}.tmp`;
    try {
      await writeThrough(temp, text, mode);
      if (backup) await keepBackup(path);
      await rename(temp, path);
    } catch (error) {
      await rm(temp, { force: true });
      throw error;
    }
  });
}

async function writeThrough(path: string, text: string, mode: number): Promise<void> {
  const handle = await open(path, 'w', mode);
  try {
    if (mode === PRIVATE_MODE) await handle.chmod(mode); // a temp left by a killed process keeps its own
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Removes a file and its backup, durably; the backup first, so that it never comes back as the truth. */
export async function removeDurably(path: string): Promise<void> {
  await durablyIn(dirname(path), async () => {
    await rm(`${path}.bak`, { force: true });
    await rm(path, { force: true });
  }).catch((error) => {
    if (!isMissing(error)) throw error; // no directory, nothing to remove
  });
}
