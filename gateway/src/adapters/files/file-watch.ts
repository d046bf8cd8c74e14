import { unwatchFile, watchFile } from 'node:fs';
import type { Milliseconds } from '../../domain/quantities.ts';

/**
 * Calls `changed` after any of these files has changed, come or gone; looks at each every `everyMsec`. Looking finds
 * what events miss: files that an editor replaces, and those of another computer. Keeps no process alive.
 * Gives the function that ends it.
 */
export function watchFiles(paths: readonly string[], everyMsec: Milliseconds, changed: () => void): () => void {
  const listener = (): void => changed(); // one of our own, so that ending it ends no other watch on the file
  for (const path of paths) watchFile(path, { interval: everyMsec, persistent: false }, listener);
  return () => {
    for (const path of paths) unwatchFile(path, listener);
  };
}
