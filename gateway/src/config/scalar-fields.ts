import type { Field, Spot } from './field.ts';
import { expectedGot, shown } from './report.ts';

type Scalar = string | number | boolean | null;

/** A field that accepts the scalars for which `convert` gives a value. */
export function scalar<T extends Scalar>(expected: string, convert: (value: Scalar) => T | undefined): Field<T> {
  return {
    expected,
    optional: false,
    read(spot) {
      const value = spot.node?.kind === 'scalar' ? convert(spot.node.value) : undefined;
      if (value === undefined) refuse(spot, expected);
      return value;
    },
  };
}

/** Reports that the value at the spot is not what was expected. */
export function refuse(spot: Spot, expected: string): void {
  spot.report.problem({ line: spot.line, path: spot.path, message: expectedGot(expected, shown(spot.node)) });
}

export interface Range {
  readonly min?: number;
  readonly max?: number;
  /** Lower bound that is itself not allowed. */
  readonly above?: number;
}

const isWithin = (value: number, { min = -Infinity, max = Infinity, above = -Infinity }: Range): boolean =>
  Number.isFinite(value) && value >= min && value <= max && value > above;

function rangeText({ min, max, above }: Range): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  const parts = [
    above === undefined ? '' : ` > ${above}`,
    min === undefined ? '' : ` ≥ ${min}`,
    max === undefined ? '' : ` ≤ ${max}`,
  ].filter((part) => part !== '');
  return parts.join(' and');
}

/** A finite number within the range. */
export const number = (range: Range = {}): Field<number> =>
  scalar(`a number${rangeText(range)}`, (value) =>
    typeof value === 'number' && isWithin(value, range) ? value : undefined,
  );

/** A whole number within the range. */
export const integer = (range: Range = {}): Field<number> =>
  scalar(`an integer${rangeText(range)}`, (value) =>
    typeof value === 'number' && Number.isSafeInteger(value) && isWithin(value, range) ? value : undefined,
  );

/** The longest time a timer can take; longer ones would fire at once. */
const LONGEST_MSEC = 2 ** 31 - 1;

/** A period or time limit in milliseconds, at least 1. */
export const msec: Field<number> = integer({ min: 1, max: LONGEST_MSEC });

/** A waiting time in milliseconds that may be 0. */
export const delayMsec: Field<number> = integer({ min: 0, max: LONGEST_MSEC });

/** A TCP port. */
export const port: Field<number> = integer({ min: 1, max: 65535 });

/** true or false. */
export const flag: Field<boolean> = scalar('true or false', (value) =>
  typeof value === 'boolean' ? value : undefined,
);

/** Text that is not empty. */
export const text: Field<string> = scalar('a text that is not empty', (value) =>
  typeof value === 'string' && value !== '' ? value : undefined,
);

/** Text that is never repeated in messages. */
export const secretText: Field<string> = {
  expected: 'a text',
  optional: false,
  read(spot) {
    if (spot.node?.kind === 'scalar' && typeof spot.node.value === 'string') return spot.node.value;
    spot.report.problem({
      line: spot.line,
      path: spot.path,
      message: 'expected a text, got something else (not shown)',
    });
    return undefined;
  },
};

/** Ids become topic levels, file names and interlock owners, so only characters that are harmless in all of them. */
const ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The id of a unit, cluster or community. */
export const id: Field<string> = scalar(
  'an id (1 to 64 letters, digits, ".", "_" or "-", starting with a letter or digit)',
  (value) => (typeof value === 'string' && ID_PATTERN.test(value) ? value : undefined),
);

/** One of the given words. */
export function choice<const W extends readonly string[]>(...words: W): Field<W[number]> {
  const isWord = (value: Scalar): value is W[number] => words.some((word) => word === value);
  return scalar(words.map((word) => `"${word}"`).join(' or '), (value) => (isWord(value) ? value : undefined));
}
