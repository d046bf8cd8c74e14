import { rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Forgets all that the named units have kept; nothing else that may lie in the data directory is touched. */
export async function forgetUnits(dataDir: string, unitIds: readonly string[]): Promise<void> {
  await Promise.all(unitIds.map((unitId) => rm(join(dataDir, unitId), { recursive: true, force: true })));
}
