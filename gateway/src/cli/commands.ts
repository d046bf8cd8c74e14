import { CONFIG_KINDS } from '../config/load.ts';
import { check as checkFiles } from './check.ts';
import { type Command, command } from './command.ts';
import { fileReader } from './file-reader.ts';
import { notAvailable } from './not-available.ts';
import { deals, emergencyStop, faults, mode, status } from './operator-commands.ts';
import { one } from './option.ts';
import { SET_UP_OPTIONS } from './set-up.ts';
import { simulateCommand } from './simulate-command.ts';
import { up } from './up.ts';
import { text } from './value-kinds.ts';

const gateway = command({
  summary: 'run one or more units, without Node-RED',
  words: '[CONFIG…]',
  options: SET_UP_OPTIONS,
  // Loaded only where it runs: the supervisor and the short commands stay small.
  run: async (values, words, io) => (await import('./run-gateway.ts')).runGateway(values, words, io),
});

const check = command({
  summary: 'validate configs, policies, scenarios, profiles and flows',
  words: 'FILE…',
  options: { as: one(text('KIND'), `kind of the files, one of ${CONFIG_KINDS.join(', ')}; default: by content`) },
  run: ({ as }, files, io) => checkFiles(files, as, { ...fileReader, print: (line) => io.out(`${line}\n`) }),
});

/** The commands of architecture.md §7, in its order; help is printed from this table. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  up,
  gateway,
  emulator: notAvailable('serve the emulated houses to clients of apis-emulator', [
    'houses',
    'port',
    'dataset',
    'acceleration',
  ]),
  simulate: simulateCommand,
  chaos: notAvailable('run the whole protocol through faults in virtual time', ['units', 'hours', 'seeds']),
  status,
  deals,
  faults,
  mode,
  'emergency-stop': emergencyStop,
  check,
  ca: notAvailable('cluster CA and certificates', [], 'init|issue|show'),
  'safe-stop': notAvailable("put a unit's converter to WAIT without the core", ['config'], '[CONFIG…]'),
};
