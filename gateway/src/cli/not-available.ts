import { type Command, command } from './command.ts';
import { flag, many } from './option.ts';
import { text } from './value-kinds.ts';

/** A command that the contract names and this version does not have: it says so and fails, with exit code 2. */
export const notAvailable = (summary: string, options: readonly string[], words?: string): Command =>
  command({
    summary: `${summary} (not available in this version)`,
    ...(words === undefined ? {} : { words }),
    options: {
      ...Object.fromEntries(options.map((name) => [name, many(text('VALUE'), 'not available in this version')])),
      json: flag('not available in this version'),
    },
    run: (_values, _words, io) => {
      io.err('apis: this command is not available in this version.\n');
      return 2;
    },
  });
