import { parseArgs } from 'node:util';
import { suggestion } from './nearest.ts';
import { type Options, UsageError, type ValuesOf } from './option.ts';

/** Where a command writes; the process in real life, a recorder in tests. */
export interface Io {
  /** Results; with `--json` exactly one object. */
  out(text: string): void;
  /** Progress and complaints. */
  err(text: string): void;
}

interface Description<O extends Options> {
  readonly summary: string;
  /** Words after the options, as help shows them; absent: none are taken. */
  readonly words?: string;
  readonly options: O;
  /** Further lines of the help. */
  readonly notes?: readonly string[];
  /** Does it; gives the exit code: 0 ok, 1 failed check, 2 bad usage or input, 3 runtime fault. */
  readonly run: (values: ValuesOf<O>, words: readonly string[], io: Io) => Promise<number> | number;
}

/** A command as the table holds it: its options are only known to itself. */
export interface Command {
  readonly summary: string;
  readonly words?: string;
  readonly options: Options;
  readonly notes?: readonly string[];
  readonly execute: (args: readonly string[], io: Io) => Promise<number> | number;
}

/** Makes a command of its description; options are read, by their kinds, before it runs. */
export function command<const O extends Options>(description: Description<O>): Command {
  const { run, ...shown } = description;
  return {
    ...shown,
    execute: (args, io) => {
      const { texts, words } = split(args, description.options);
      if (description.words === undefined && words[0] !== undefined) {
        throw new UsageError(`unexpected "${words[0]}"`);
      }
      const values = Object.fromEntries(
        Object.entries(description.options).map(([name, option]) => [name, option.read(texts.get(name) ?? [], name)]),
      );
      return run(values as ValuesOf<O>, words, io); // each value was read by the option of that name
    },
  };
}

/** Options and words of a command line, without meaning yet; refuses options that the command does not have. */
function split(args: readonly string[], options: Options): { texts: Map<string, string[]>; words: string[] } {
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(options).map(([name, { value }]) => [name, { type: value === undefined ? 'boolean' : 'string' }]),
    ),
  });
  const texts = new Map<string, string[]>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind === 'option') note(texts, options, token);
  }
  return { texts, words };
}

function note(
  texts: Map<string, string[]>,
  options: Options,
  token: { readonly name: string; readonly rawName: string; readonly value: string | undefined },
): void {
  const { name, rawName, value } = token;
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) {
    throw new UsageError(`unknown option "${rawName}".${suggestion(name, Object.keys(options), '--')}`);
  }
  if (option.value !== undefined && value === undefined)
    throw new UsageError(`${rawName} needs a value: ${option.value}`);
  if (option.value === undefined && value !== undefined) throw new UsageError(`${rawName} takes no value`);
  texts.set(name, [...(texts.get(name) ?? []), value ?? '']);
}
