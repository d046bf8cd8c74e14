import { ConfigError, type Problem } from '../domain/errors.ts';
import { type Dataset, LOADS_PER_DAY, SampledYear, SOLAR_PER_DAY } from './dataset.ts';

/** Text and the name it is known by in messages. */
export interface CsvFile {
  readonly name: string;
  readonly text: string;
}

const COMMA = 44;
const NEWLINE = 10;
const RETURN = 13;
const DOT = 46;
const ZERO = 48;

const HOME_COLUMN = 1;
const FIRST_LOAD_COLUMN = 6;
const WATTS_PER_KW = 1000;

const refusal = (file: string, line: number, column: number | undefined, message: string): ConfigError =>
  new ConfigError([{ file, line, path: column === undefined ? '' : `column ${column + 1}`, message }]);

const isDigit = (code: number): boolean => code >= ZERO && code <= ZERO + 9;

/**
 * Walks through a CSV text cell by cell without making strings of them: the load file has 11 MB.
 * Columns count from 0 here and from 1 in messages, as lines do.
 */
class CsvCursor {
  readonly file: CsvFile;
  at = 0;
  line = 1;
  column = 0;

  constructor(file: CsvFile) {
    this.file = file;
  }

  isAtEnd(): boolean {
    return this.at >= this.file.text.length;
  }

  /** True where only a line break, or nothing at all, is left of the row. */
  isBlankRow(): boolean {
    const code = this.file.text.charCodeAt(this.at);
    return this.column === 0 && (this.isAtEnd() || code === NEWLINE || code === RETURN);
  }

  skipRow(): void {
    const end = this.file.text.indexOf('\n', this.at);
    this.at = end < 0 ? this.file.text.length : end + 1;
    this.line += 1;
    this.column = 0;
  }

  /** Reads a cell that must be a number of 0 or more, and steps over the comma behind it. */
  number(): number {
    const { text } = this.file;
    const start = this.at;
    let value = 0;
    let scale = 0;
    let digits = 0;
    for (; ; this.at += 1) {
      const code = text.charCodeAt(this.at);
      if (isDigit(code)) {
        value = value * 10 + (code - ZERO);
        scale *= 10;
        digits += 1;
      } else if (code === DOT && scale === 0) scale = 1;
      else break;
    }
    if (digits === 0 || !this.#isCellEnd()) return this.#slowNumber(start);
    this.#next();
    return scale > 1 ? value / scale : value;
  }

  skipCells(count: number): void {
    for (let skipped = 0; skipped < count; skipped += 1) {
      while (!this.#isCellEnd()) this.at += 1;
      this.#next();
    }
  }

  /** Refuses the row when it goes on, and steps to the next one. */
  endRow(expected: number): void {
    const last = this.file.text.charCodeAt(this.at - 1);
    if (last === COMMA) throw refusal(this.file.name, this.line, this.column, `expected ${expected} columns, got more`);
    this.skipRow();
  }

  #isCellEnd(): boolean {
    const code = this.file.text.charCodeAt(this.at);
    return code === COMMA || code === NEWLINE || code === RETURN || Number.isNaN(code);
  }

  #next(): void {
    if (this.file.text.charCodeAt(this.at) === COMMA) this.at += 1;
    this.column += 1;
  }

  /** Spaces, exponents, signs: rare enough for the ordinary way; and everything that is wrong ends here. */
  #slowNumber(start: number): number {
    this.at = start;
    while (!this.#isCellEnd()) this.at += 1;
    const text = this.file.text.slice(start, this.at).trim();
    const value = Number(text);
    if (text === '' || !Number.isFinite(value) || value < 0) {
      const got = text === '' ? 'nothing' : text.length > 40 ? `${text.slice(0, 40)}…` : text;
      throw refusal(this.file.name, this.line, this.column, `expected a number of 0 or more, got ${got}`);
    }
    this.#next();
    return value;
  }
}

/** No house has more sun or load: a megawatt is a wrong unit or a slipped comma. */
const MOST_WATTS = 1e6;

/** Reads `count` numbers into `target`; a row that ends early is refused, and a number that no house can have. */
function readRow(cursor: CsvCursor, target: number[], count: number, expected: number, factor: number): void {
  for (let index = 0; index < count; index += 1) {
    const code = cursor.file.text.charCodeAt(cursor.at);
    if (
      index > 0 &&
      (Number.isNaN(code) || code === NEWLINE || code === RETURN) &&
      cursor.file.text.charCodeAt(cursor.at - 1) !== COMMA
    ) {
      throw refusal(cursor.file.name, cursor.line, undefined, `expected ${expected} columns, got ${cursor.column}`);
    }
    const watts = cursor.number() * factor;
    if (watts > MOST_WATTS) {
      const limit = `at most ${MOST_WATTS / factor} for a house`;
      throw refusal(cursor.file.name, cursor.line, cursor.column - 1, `expected ${limit}, got ${watts / factor}`);
    }
    target.push(watts);
  }
  cursor.endRow(expected);
}

/**
 * Sun: one row per day, 24 hourly values in W, no header (emulator.md §3). Throws `ConfigError` with file, line and column.
 */
export function parseSolar(file: CsvFile): Float32Array {
  const cursor = new CsvCursor(file);
  const watts: number[] = [];
  for (; !cursor.isAtEnd(); ) {
    if (cursor.isBlankRow()) cursor.skipRow();
    else readRow(cursor, watts, SOLAR_PER_DAY, SOLAR_PER_DAY, 1);
  }
  if (watts.length === 0)
    throw refusal(file.name, 1, undefined, 'expected one row of 24 values per day, got an empty file');
  return Float32Array.from(watts);
}

/** `E001` for customer 1: the file names customers by number, houses are called like this everywhere else. */
const homeOf = (customer: number): string => `E${String(customer).padStart(3, '0')}`;

/**
 * Loads: a header, then one row per customer and day with the customer in the second column and 48 half-hourly values
 * in kW from the seventh (emulator.md §3). Every half-hour counts. With `most`, customers beyond that many are skipped
 * unread. Throws `ConfigError` with file, line and column.
 */
export function parseLoads(file: CsvFile, most = Infinity): ReadonlyMap<string, Float32Array> {
  const cursor = new CsvCursor(file);
  const rows = new Map<number, number[]>();
  cursor.skipRow();
  for (; !cursor.isAtEnd(); ) {
    if (cursor.isBlankRow()) {
      cursor.skipRow();
      continue;
    }
    cursor.skipCells(HOME_COLUMN);
    const customer = cursor.number();
    if (!rows.has(customer) && rows.size >= most) {
      cursor.skipRow();
      continue;
    }
    const watts = rows.get(customer) ?? [];
    rows.set(customer, watts);
    cursor.skipCells(FIRST_LOAD_COLUMN - HOME_COLUMN - 1);
    readRow(cursor, watts, LOADS_PER_DAY, FIRST_LOAD_COLUMN + LOADS_PER_DAY, WATTS_PER_KW);
  }
  if (rows.size === 0)
    throw refusal(file.name, 1, undefined, 'expected a header and one row per customer and day, got none');
  return new Map([...rows].map(([customer, watts]) => [homeOf(customer), Float32Array.from(watts)]));
}

const YEAR_DAYS: readonly number[] = [365, 366];
/** Further homes would say the same once more. */
const MOST_PROBLEMS = 5;

/** A short year would begin again in its midst: summer in the sun, winter in the loads, or one home's day for ever. */
const yearProblem = ({ name }: CsvFile, path: string, days: number): readonly Problem[] =>
  YEAR_DAYS.includes(days)
    ? []
    : [{ file: name, path, message: `expected a whole year, one row for each of 365 or 366 days, got ${days}` }];

/**
 * Both files as a dataset; with `mostHomes` only so many homes are read. Throws `ConfigError`, also for a sun or a home
 * that does not last a year of 365 or 366 days.
 */
export function parseDataset(files: { readonly solar: CsvFile; readonly loads: CsvFile }, mostHomes?: number): Dataset {
  const solar = parseSolar(files.solar);
  const loads = parseLoads(files.loads, mostHomes);
  const problems = [
    ...yearProblem(files.solar, '', solar.length / SOLAR_PER_DAY),
    ...[...loads].flatMap(([home, watts]) => yearProblem(files.loads, `home ${home}`, watts.length / LOADS_PER_DAY)),
  ];
  if (problems.length > 0) throw new ConfigError(problems.slice(0, MOST_PROBLEMS));
  return new SampledYear(solar, loads);
}
