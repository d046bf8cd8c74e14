import { readFileSync } from 'node:fs';

/** What one sub-command is: one line of help, and its action, which gives the exit code (0 ok, 1 failed, 2 bad input, 3 fault). */
interface Command {
  readonly summary: string;
  readonly run: (args: readonly string[]) => Promise<number> | number;
}

const versionText = (): string => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
};

const helpText = (): string =>
  [
    'Usage: apis <command> [options]',
    '',
    ...Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`),
    '',
  ].join('\n');

const print = (text: string): number => {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  return 0;
};

const commands: Readonly<Record<string, Command>> = {
  help: { summary: 'print this list', run: () => print(helpText()) },
  version: { summary: 'print the version', run: () => print(versionText()) },
};

const aliases: Readonly<Record<string, string>> = {
  '--help': 'help',
  '-h': 'help',
  '--version': 'version',
  '-V': 'version',
};

const main = async ([word = 'help', ...args]: readonly string[]): Promise<number> => {
  const name = aliases[word] ?? word;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return command.run(args);
  process.stderr.write(`apis: unknown command "${word}". Try "apis --help".\n`);
  return 2;
};

process.exitCode = await main(process.argv.slice(2));
