import type { Command } from './command.ts';

const COLUMNS = 28;

const row = (left: string, right: string): string =>
  left.length < COLUMNS ? `  ${left.padEnd(COLUMNS)}${right}` : `  ${left}\n${' '.repeat(COLUMNS + 2)}${right}`;

/** Every command takes these two, wherever they stand. */
const COMMON = [row('--help', 'print this and do nothing else'), row('--version', 'print the version')];

/** Help of the whole command, out of the table. */
export function helpOfAll(commands: Readonly<Record<string, Command>>): string {
  const rows = Object.entries(commands).map(([name, { words, summary }]) =>
    row([name, words].filter(Boolean).join(' '), summary),
  );
  return [
    'Usage: apis <command> [options]',
    '',
    'Commands:',
    ...rows,
    '',
    'Options:',
    ...COMMON,
    '',
    '"apis <command> --help" tells the options of a command.',
    'Exit codes: 0 ok, 1 failed check, 2 bad usage or bad input, 3 runtime fault.',
  ].join('\n');
}

/** Help of one command. */
export function helpOf(name: string, { summary, words, options, notes = [] }: Command): string {
  const rows = Object.entries(options).map(([option, { value, help }]) =>
    row(value === undefined ? `--${option}` : `--${option} ${value}`, help),
  );
  return [
    `Usage: apis ${[name, words, '[options]'].filter(Boolean).join(' ')}`,
    '',
    `  ${summary}`,
    '',
    'Options:',
    ...rows,
    ...COMMON,
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ].join('\n');
}
