import { appendFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type HistoryRow, lineOf, parseRow } from './house-history.ts';

const DAY_SECONDS = 86_400;
export interface HistoryLimits {
  readonly days: number;
  readonly bytesPerDay: number;
}
const LIMITS: HistoryLimits = { days: 8, bytesPerDay: 8_000_000 };
const NAME = /^\d{4}-\d{2}-\d{2}\.ndjson$/;

const nameOf = (seconds: number): string => `${new Date(seconds * 1000).toISOString().slice(0, 10)}.ndjson`;
const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';
const orElse =
  <T>(otherwise: T) =>
  (error: unknown): T => {
    if (isMissing(error)) return otherwise;
    throw error;
  };

/**
 * The houses' past on disk: one append-only file per day of the community's time, one line per moment. Bounded: days
 * beyond the limit go, least lately written first, and a full day takes no more. All methods reject with the error
 * of the file system.
 */
export class HistoryFiles {
  readonly #directory: string;
  readonly #limits: HistoryLimits;
  #today = '';

  constructor(directory: string, limits: HistoryLimits = LIMITS) {
    this.#directory = directory;
    this.#limits = limits;
  }

  async append(row: HistoryRow): Promise<void> {
    const name = nameOf(row.t);
    if (name !== this.#today) {
      await mkdir(this.#directory, { recursive: true });
      await this.#forgetOldDays(name);
      this.#today = name;
    }
    const path = join(this.#directory, name);
    const size = await stat(path).then((file) => file.size, orElse(0));
    if (size > this.#limits.bytesPerDay) return;
    // What a power loss has cut off ends here, and not in front of this line.
    const isCut = size > 0 && !(await this.#endsWithLine(path));
    await appendFile(path, `${isCut ? '\n' : ''}${lineOf(row)}\n`);
  }

  /** Rows of the days from … to, in the order in which they were written. */
  async rows(fromSeconds: number, toSeconds: number): Promise<readonly HistoryRow[]> {
    const days: string[] = [];
    for (let day = Math.floor(fromSeconds / DAY_SECONDS); day * DAY_SECONDS <= toSeconds; day += 1)
      days.push(nameOf(day * DAY_SECONDS));
    const texts = await Promise.all(
      days.slice(-this.#limits.days).map((day) => readFile(join(this.#directory, day), 'utf8').catch(orElse(''))),
    );
    return texts.flatMap((text) => text.split('\n')).flatMap((line) => parseRow(line) ?? []);
  }

  #wasChecked = '';
  /** Looked at once per file and start: only another process's end can have cut it. */
  async #endsWithLine(path: string): Promise<boolean> {
    if (this.#wasChecked === path) return true;
    this.#wasChecked = path;
    return (await readFile(path, 'utf8')).endsWith('\n');
  }

  async #forgetOldDays(today: string): Promise<void> {
    const names = (await readdir(this.#directory)).filter((name) => NAME.test(name) && name !== today);
    const files = await Promise.all(
      names.map(async (name) => ({ name, writtenAt: (await stat(join(this.#directory, name))).mtimeMs })),
    );
    const tooOld = files.sort((a, b) => b.writtenAt - a.writtenAt).slice(this.#limits.days - 1);
    await Promise.all(tooOld.map(({ name }) => rm(join(this.#directory, name), { force: true })));
  }
}
