import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import type { UnitAddress } from '../adapters/broker/broker-connection.ts';
import { isMissing } from '../adapters/files/file-error.ts';
import { ConfigError } from '../domain/errors.ts';

/** What a running daemon tells on `<data>/daemon.json`: who it is and where its units' brokers are. */
export interface DaemonFile {
  readonly pid: number;
  readonly units: readonly ({ readonly unitId: string } & UnitAddress)[];
  /** How many times faster than life its clock runs. */
  readonly speed: number;
  /** Where its emulated houses can be reached, when it has some. */
  readonly emulator?: { readonly host: string; readonly port: number };
}

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const port = v.pipe(positive, v.maxValue(65_535));
const tlsFiles = v.object({ ca: v.string(), cert: v.string(), key: v.string() });
const address = v.object({ host: v.string(), port });
const daemonFile = v.object({
  pid: positive,
  units: v.array(v.object({ unitId: v.string(), host: v.string(), port, tls: v.exactOptional(tlsFiles) })),
  speed: v.pipe(v.number(), v.finite(), v.gtValue(0)),
  emulator: v.exactOptional(address),
});

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
