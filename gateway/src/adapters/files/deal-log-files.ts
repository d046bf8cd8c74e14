import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Deal, isSaveworthy, type LoggedDeal } from '../../domain/deal.ts';
import { InternalError } from '../../domain/errors.ts';
import { parseTimestamp } from '../../domain/timestamp.ts';
import { writeAtomically } from './atomic-file.ts';

/** Letters of the original's date patterns that a directory name can sensibly hold, as parts of an ISO date. */
const DATE_PARTS: Readonly<Record<string, readonly [number, number]>> = {
  u: [0, 4],
  y: [0, 4],
  M: [5, 7],
  d: [8, 10],
  H: [11, 13],
};

/**
 * Directory by a pattern such as `'{tmpdir}/apis/dealLog/'uuuu'/'MM'/'dd` (market.md §1.3, `dealLogDirFormat`):
 * quoted text stands for itself, letters for parts of `isoDate`, `{tmpdir}` for the temp directory.
 */
export function formatDirectory(pattern: string, isoDate: string): string {
  const formatted = pattern.replaceAll(/'((?:[^']|'')*)'|([A-Za-z])\2*/g, (run, literal?: string, letter?: string) => {
    if (letter === undefined) return literal === '' ? "'" : (literal ?? '').replaceAll("''", "'");
    const part = DATE_PARTS[letter];
    return part === undefined ? run : isoDate.slice(...part);
  });
  return formatted.replaceAll('{tmpdir}', tmpdir());
}

function originalFields(deal: Deal): LoggedDeal {
  const { term: _term, revision: _revision, ...fields } = deal;
  return fields;
}

/**
 * One file for each deal that was carried out (market.md §3.9, RULE-13): below `<directory>/YYYY/MM/DD` by the deal's
 * creation, or where an original's `dealLogDirFormat` says, then without the ending `.json`.
 */
export class DealLogFiles {
  readonly #pathOf: (isoDate: string, dealId: string) => string;

  constructor(options: { readonly directory: string } | { readonly dealLogDirFormat: string }) {
    this.#pathOf =
      'directory' in options
        ? (date, dealId) => join(options.directory, ...date.slice(0, 10).split('-'), `${dealId}.json`)
        : (date, dealId) => join(formatDirectory(options.dealLogDirFormat, date), dealId);
  }

  /** Writes, or writes again, the record of a deal; gives its path, undefined for a deal not worth one. */
  async save(deal: Deal): Promise<string | undefined> {
    if (!isSaveworthy(deal)) return undefined;
    const createdAt = parseTimestamp(deal.createDateTime);
    if (createdAt === undefined || !/^[A-Za-z0-9._-]+$/.test(deal.dealId)) {
      throw new InternalError(`deal ${deal.dealId} of ${deal.createDateTime} has no place in the log`);
    }
    const path = this.#pathOf(new Date(createdAt).toISOString(), deal.dealId);
    await writeAtomically(path, JSON.stringify(originalFields(deal)));
    return path;
  }
}

const PART_OF_DATE = /^\d{2}(?:\d{2})?$/;

/** Folders of days below `<directory>/YYYY/MM`, the youngest first. */
async function* youngestDays(directory: string, depth = 0): AsyncGenerator<string> {
  if (depth === 3) return yield directory;
  const names = await readdir(directory).catch(() => []); // no log yet, or not ours to read: nothing to show
  const parts = names.filter((name) => PART_OF_DATE.test(name)).sort();
  for (const part of parts.reverse()) yield* youngestDays(join(directory, part), depth + 1);
}

/** The last `limit` records below `<directory>/YYYY/MM/DD`, the youngest first; what is no record is passed over. */
export async function lastLoggedDeals(directory: string, limit: number): Promise<readonly LoggedDeal[]> {
  const deals: LoggedDeal[] = [];
  for await (const day of youngestDays(directory)) {
    const names = (await readdir(day)).filter((name) => name.endsWith('.json'));
    const ofDay = await Promise.all(names.map((name) => readLogged(join(day, name))));
    const known = ofDay.filter((deal) => deal !== undefined);
    deals.push(...known.sort((a, b) => (a.createDateTime < b.createDateTime ? 1 : -1)));
    if (deals.length >= limit) break;
  }
  return deals.slice(0, limit);
}

async function readLogged(path: string): Promise<LoggedDeal | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(path, 'utf8'));
    const isRecord = typeof record === 'object' && record !== null && 'dealId' in record && 'createDateTime' in record;
    return isRecord ? (record as LoggedDeal) : undefined; // only `save` above writes there
  } catch {
    return undefined; // a day may hold files of others; `save` leaves no half ones
  }
}
