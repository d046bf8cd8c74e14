import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Forgets all that the named units have kept, and what the dashboard's pages keep of their past; nothing else that may
 * lie in the data directory is touched.
 */
export async function forgetUnits(dataDir: string, unitIds: readonly string[]): Promise<void> {
  const directories = unitIds.flatMap((unitId) => [join(dataDir, unitId), join(dataDir, 'history', unitId)]);
  await Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true })));
}
