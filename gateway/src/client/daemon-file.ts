import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { ConfigError } from '../domain/errors.ts';

/** What a running daemon tells on `<data>/daemon.json`: who it is and where its units' brokers are. */
export interface DaemonFile {
  readonly pid: number;
  readonly units: readonly { readonly unitId: string; readonly host: string; readonly port: number }[];
  /** How many times faster than life its clock runs. */
  readonly speed: number;
  /** Where its emulated houses can be reached, when it has some. */
  readonly emulator?: { readonly host: string; readonly port: number };
}

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const port = v.pipe(positive, v.maxValue(65_535));
const address = v.object({ host: v.string(), port });
const daemonFile = v.object({
  pid: positive,
  units: v.array(v.object({ unitId: v.string(), host: v.string(), port })),
  speed: v.pipe(v.number(), v.finite(), v.gtValue(0)),
  emulator: v.exactOptional(address),
});

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** Reads `<data>/daemon.json`; rejects ConfigError when there is none (no daemon runs there) or it is not one. */
export async function readDaemonFile(path: string): Promise<DaemonFile> {
  const wrong = (message: string): ConfigError => new ConfigError([{ file: path, path: '', message }]);
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw isMissing(error)
      ? wrong('no such file; is a gateway running with this data directory?')
      : wrong(String(error));
  });
  try {
    return v.parse(daemonFile, JSON.parse(text));
  } catch {
    throw wrong('expected {pid, units: [{unitId, host, port}], speed} as a running gateway writes it');
  }
}
