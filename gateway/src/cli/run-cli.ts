import { ConfigError, messageOf, PeerError } from '../domain/errors.ts';
import type { Command, Io } from './command.ts';
import { helpOf, helpOfAll } from './help.ts';
import { suggestion } from './nearest.ts';
import { UsageError } from './option.ts';

const HELP = ['--help', '-h', 'help'];
const VERSION = ['--version', '-V', 'version'];

const asks = (args: readonly string[], words: readonly string[]): boolean => args.some((arg) => words.includes(arg));
/** What stands after `--` belongs to the command. */
const ownArguments = (args: readonly string[]): readonly string[] =>
  args.includes('--') ? args.slice(0, args.indexOf('--')) : args;

/** Runs one command line; never throws. Gives the exit code of architecture.md §7. */
export async function runCli(
  commands: Readonly<Record<string, Command>>,
  version: string,
  args: readonly string[],
  io: Io,
): Promise<number> {
  const [word = '--help', ...rest] = args;
  const own = ownArguments(rest);
  if (VERSION.includes(word) || asks(own, ['--version', '-V'])) return say(io, version);
  const wanted = HELP.includes(word) ? own[0] : word;
  const command = wanted !== undefined && Object.hasOwn(commands, wanted) ? commands[wanted] : undefined;
  if (HELP.includes(word) && wanted === undefined) return say(io, helpOfAll(commands));
  if (wanted === undefined || command === undefined) return unknown(io, wanted ?? '', Object.keys(commands));
  if (HELP.includes(word) || asks(own, ['--help', '-h'])) return say(io, helpOf(wanted, command));
  try {
    return await command.execute(rest, io);
  } catch (error) {
    return complain(io, wanted, error);
  }
}

function say(io: Io, text: string): 0 {
  io.out(`${text}\n`);
  return 0;
}

function unknown(io: Io, word: string, known: readonly string[]): 2 {
  io.err(`apis: unknown command "${word}".${suggestion(word, known)} "apis --help" lists all.\n`);
  return 2;
}

/** Who is wrong decides the code; a stack trace is for us, not for the user. */
function complain(io: Io, name: string, error: unknown): number {
  io.err(`apis ${name}: ${messageOf(error)}\n`);
  if (error instanceof UsageError) io.err(`"apis ${name} --help" tells how it is used.\n`);
  if (error instanceof UsageError || error instanceof ConfigError) return 2;
  if (!(error instanceof PeerError) && process.env.APIS_DEBUG !== undefined && error instanceof Error)
    io.err(`${error.stack}\n`);
  return 3;
}
