import { readFile } from 'node:fs/promises';
import { ConfigError, messageOf } from '../../domain/errors.ts';
import { isMissing } from './file-error.ts';

/** The text of a file, undefined when it cannot be read, for whatever reason: only where another one can be made. */
export const readIfThere = (file: string): Promise<string | undefined> => readFile(file, 'utf8').catch(() => undefined);

/**
 * The text of a file that need not be there; undefined only when it is not. Rejects `ConfigError` that names a file
 * which cannot be read: it must not pass for one that says nothing.
 */
export function readOptional(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw new ConfigError([{ file, path: '', message: `cannot be read: ${messageOf(error)}` }]);
  });
}
