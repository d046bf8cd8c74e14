import { readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { EpochMsec } from '../domain/quantities.ts';
import { parseTimestamp } from '../domain/timestamp.ts';
import type { ValueKind } from './option.ts';

const number = (text: string): number => (/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN);

/** A whole number within limits. */
export const wholeNumber = (value: string, min: number, max: number): ValueKind<number> => ({
  value,
  expected: `a whole number from ${min} to ${max}`,
  parse: (text) => {
    const found = number(text);
    return Number.isInteger(found) && found >= min && found <= max ? found : undefined;
  },
});

export const port: ValueKind<number> = wholeNumber('PORT', 1, 65_535);

/** Beyond this a demo's screens are a blur and its process is busy with nothing else. */
const MAX_SPEED = 3_600;

export const speed: ValueKind<number> = {
  value: 'X',
  expected: `a number above 0 and up to ${MAX_SPEED}`,
  parse: (text) => {
    const found = number(text);
    return found > 0 && found <= MAX_SPEED ? found : undefined;
  },
};

export const text = (value: string): ValueKind<string> => ({
  value,
  expected: 'a text',
  parse: (given) => (given === '' ? undefined : given),
});

const ISO = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?)?$/;

/** Dates such as 02-30 are refused, not rolled over to March. */
function parseIso(given: string): EpochMsec | undefined {
  if (!ISO.test(given)) return undefined;
  const at = Date.parse(given.length === 10 ? `${given}T00:00:00Z` : `${given}Z`);
  return Number.isNaN(at) || new Date(at).toISOString().slice(0, given.length) !== given ? undefined : at;
}

/** Emulated time is UTC, so that a run does not depend on the machine's zone. */
export const startTime: ValueKind<EpochMsec> = {
  value: 'TIME',
  expected: 'a time such as 2026-06-21, 2026-06-21T08:30 or 2026/06/21-08:30:00',
  parse: (given) => parseIso(given.replace(/Z$/, '')) ?? parseTimestamp(given),
};

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

export const file: ValueKind<string> = {
  value: 'FILE',
  expected: 'a file',
  parse: (given) => (isFile(given) ? resolve(given) : undefined),
};

/** A directory to work in: may be new, but must not be something else. */
export const dataDirectory: ValueKind<string> = {
  value: 'DIR',
  expected: 'a directory, or a place where one can be made',
  parse: (given) => (given === '' || isFile(given) ? undefined : resolve(given)),
};

/** Files of a data set, by the names that the emulator's users give them (emulator.md §3). */
const DATASET_FILES = [/solar.*\.csv(\.gz)?$/i, /load.*\.csv(\.gz)?$/i];

export const datasetDirectory: ValueKind<string> = {
  value: 'DIR',
  expected: 'a directory with a *solar*.csv[.gz] and a *load*.csv[.gz]',
  parse: (given) => {
    if (!isDirectory(given)) return undefined;
    const names = readdirSync(given);
    return DATASET_FILES.every((pattern) => names.some((name) => pattern.test(name))) ? resolve(given) : undefined;
  },
};

/** `HOST:PORT` of a unit's broker; `PORT` alone is one on this machine. */
export const brokerAddress: ValueKind<{ host: string; port: number }> = {
  value: 'HOST:PORT',
  expected: 'HOST:PORT such as 127.0.0.1:18830',
  parse: (given) => {
    const [, host = '127.0.0.1', digits = ''] = /^(?:(\[[0-9a-fA-F:]+\]|[^:\s]+):)?(\d+)$/.exec(given) ?? [];
    const found = port.parse(digits);
    return found === undefined ? undefined : { host: host.replace(/^\[|\]$/g, ''), port: found };
  },
};

/** `A..B`, or `A` alone for one. */
export const seedRange: ValueKind<{ first: number; last: number }> = {
  value: 'A..B',
  expected: 'a range of seeds such as 1..20',
  parse: (given) => {
    const [, first = '', last = first] = /^(\d+)(?:\.\.(\d+))?$/.exec(given) ?? [];
    return first === '' || Number(last) < Number(first) ? undefined : { first: Number(first), last: Number(last) };
  },
};
