import { CONFIG_KINDS } from '../config/load.ts';
import { caCommand } from './ca-command.ts';
import { chaosCommand } from './chaos-command.ts';
import { check as checkFiles } from './check.ts';
import { type Command, command } from './command.ts';
import { fileReader } from './file-reader.ts';
import { nodeRedCommand } from './node-red-command.ts';
import { deals, emergencyStop, faults, mode, policy, status } from './operator-commands.ts';
import { one } from './option.ts';
import { safeStopCommand } from './safe-stop-command.ts';
import { SET_UP_OPTIONS } from './set-up.ts';
import { simulateCommand } from './simulate-command.ts';
import { up } from './up.ts';
import { datasetDirectory, port, speed, startTime, text, wholeNumber } from './value-kinds.ts';

const gateway = command({
  summary: 'run one or more units, without Node-RED',
  words: '[CONFIG…]',
  options: SET_UP_OPTIONS,
  // Loaded only where it runs: the supervisor and the short commands stay small.
  run: async (values, words, io) => (await import('./run-gateway.ts')).runGateway(values, words, io),
});

const emulator = command({
  summary: 'serve emulated houses to clients of apis-emulator',
  options: {
    houses: one(wholeNumber('N', 1, 1000), 'how many houses, E001 and on; default 4'),
    host: one(text('ADDRESS'), 'address to serve on, without any log-in; default 127.0.0.1'),
    port: one(port, 'port of the HTTP API; default 4390'),
    dataset: one(datasetDirectory, 'sun and load of the houses; default: a built-in year'),
    acceleration: one(speed, 'how many times faster than life; default 1'),
    start: one(startTime, 'where emulated time begins (UTC); default now'),
  },
  run: async (
    { houses = 4, host = '127.0.0.1', port = 4390, acceleration = 1, start = Date.now(), dataset },
    _words,
    io,
  ) => (await import('./run-emulator.ts')).runEmulator({ houses, host, port, acceleration, start, dataset }, io),
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
  'node-red': nodeRedCommand,
  emulator,
  simulate: simulateCommand,
  chaos: chaosCommand,
  status,
  deals,
  faults,
  mode,
  policy,
  'emergency-stop': emergencyStop,
  check,
  ca: caCommand,
  'safe-stop': safeStopCommand,
};
