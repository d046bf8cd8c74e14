import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Deal, isSaveworthy } from '../domain/deal.ts';
import { InternalError } from '../domain/errors.ts';
import { parseTimestamp } from '../domain/timestamp.ts';
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

/** A deal as the original logs it: without our order of copies. */
function originalFields(deal: Deal): Omit<Deal, 'term' | 'revision'> {
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
