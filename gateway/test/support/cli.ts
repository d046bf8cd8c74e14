import type { Command, Io } from '../../src/cli/command.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { runCli } from '../../src/cli/run-cli.ts';

/** Runs a command line in this process. */
export async function cli(
  args: readonly string[],
  commands: Readonly<Record<string, Command>> = COMMANDS,
): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const io: Io = {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
  };
  return { code: await runCli(commands, '1.2.3', args, io), ...said };
}
