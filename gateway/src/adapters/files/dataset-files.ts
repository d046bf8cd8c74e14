import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { ConfigError, messageOf, type Problem } from '../../domain/errors.ts';

/** A text and the file it comes from. */
export interface TextFile {
  readonly name: string;
  readonly text: string;
}

/** The two files of a dataset (emulator.md §3), as `parseDataset` of the emulation takes them. */
export interface DatasetFiles {
  readonly solar: TextFile;
  readonly loads: TextFile;
}

const WANTED = {
  solar: { pattern: /solar.*\.csv(\.gz)?$/i, shown: '*solar*.csv or *solar*.csv.gz' },
  loads: { pattern: /load.*\.csv(\.gz)?$/i, shown: '*load*.csv or *load*.csv.gz' },
} as const;

const unzip = promisify(gunzip);

const refusal = (file: string, message: string): ConfigError => new ConfigError([{ file, path: '', message }]);

/**
 * Finds and reads the sun and load files of a folder, gzipped or not, exactly one of each.
 * Throws `ConfigError` that names what is missing, stands there twice, or cannot be read.
 */
export async function loadDataset(folder: string): Promise<DatasetFiles> {
  const names = (await listed(folder)).sort();
  const problems: Problem[] = [];
  const find = (kind: keyof typeof WANTED): string => {
    const fitting = names.filter((one) => WANTED[kind].pattern.test(one));
    const shown = fitting.length > 1 ? fitting : names;
    const got = shown.length === 0 ? 'an empty folder' : shown.slice(0, 10).join(', ');
    if (fitting.length !== 1)
      problems.push({ file: folder, path: '', message: `expected one file ${WANTED[kind].shown}, got ${got}` });
    return join(folder, fitting[0] ?? '');
  };
  const [solar, loads] = [find('solar'), find('loads')];
  if (problems.length > 0) throw new ConfigError(problems);
  return { solar: await textOf(solar), loads: await textOf(loads) };
}

async function listed(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    throw refusal(folder, `expected a folder with a dataset, got ${messageOf(error)}`);
  }
}

async function textOf(name: string): Promise<TextFile> {
  try {
    const bytes = await readFile(name);
    // The format is plain ASCII, and a one-byte string is scanned faster.
    return { name, text: (name.endsWith('.gz') ? await unzip(bytes) : bytes).toString('latin1') };
  } catch (error) {
    throw refusal(name, `expected a readable file, got ${messageOf(error)}`);
  }
}
