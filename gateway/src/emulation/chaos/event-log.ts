import type { Milliseconds } from '../../domain/quantities.ts';
import { runTime } from './chaos-fault.ts';

interface Entry {
  readonly at: Milliseconds;
  readonly who: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Entries are dropped in bulk, so that nothing is copied for each of them. */
const SLACK = 4_000;

/** Longer texts are cut: a whole deal or a stack is no line. */
const LONGEST_TEXT = 160;

const textOf = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value, (_key, one) => rounded(one)) ?? '');
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
};

const rounded = (value: unknown): unknown => (typeof value === 'number' ? Math.round(value * 1000) / 1000 : value);

const lineOf = ({ at, who, event, fields }: Entry): string =>
  [
    runTime(at),
    who.padEnd(5),
    event,
    ...Object.entries(fields).map(([name, value]) => `${name}=${textOf(value)}`),
  ].join('  ');

/** FNV-1a of 32 bits over the code units of a text. */
function hashed(seed: number, text: string): number {
  let hash = seed;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 16_777_619);
  return hash;
}

/** What happened lately, for people: time of the run, unit, event, numbers. Older entries are forgotten. */
export class EventLog {
  readonly #keepMsec: Milliseconds;
  #entries: Entry[] = [];
  #hash = 2_166_136_261;

  constructor(keepMsec: Milliseconds) {
    this.#keepMsec = keepMsec;
  }

  add(at: Milliseconds, who: string, event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const entry = { at, who, event, fields };
    this.#entries.push(entry);
    this.#hash = hashed(this.#hash, lineOf(entry));
    if (this.#entries.length < 2 * SLACK) return;
    const first = this.#entries.findIndex((entry) => entry.at >= at - this.#keepMsec);
    this.#entries = this.#entries.slice(Math.min(first < 0 ? SLACK : first, SLACK));
  }

  /** Of every line that was ever added: equal ones belong to runs that are the same from beginning to end. */
  get fingerprint(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  /** The entries of the last so many ms before `at`, one line each. */
  lines(at: Milliseconds): readonly string[] {
    return this.#entries.filter((entry) => entry.at >= at - this.#keepMsec).map(lineOf);
  }
}
