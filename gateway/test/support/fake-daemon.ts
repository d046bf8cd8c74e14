import { type Command, command } from '../../src/cli/command.ts';
import type { Daemon } from '../../src/cli/daemon.ts';
import { runDaemonProcess } from '../../src/cli/daemon-process.ts';
import { one } from '../../src/cli/option.ts';
import { runCli } from '../../src/cli/run-cli.ts';
import { dataDirectory, text } from '../../src/cli/value-kinds.ts';
import { ConfigError } from '../../src/domain/errors.ts';
import { collectingLog } from '../../src/ports/log.ts';

/** A process whose daemon does what the test wants to see handled: the frame around it is the real one. */

const never = new Promise<never>(() => {});
const units = [{ unitId: 'E001', host: '127.0.0.1', port: 18830 }];
const plain: Daemon = {
  units,
  speed: 1,
  displaced: new Promise<never>(() => {}),
  watchSpeed: () => {},
  ready: Promise.resolve(),
  waitingFor: () => [],
  stop: async () => {},
};
const later = (action: () => void): Daemon => {
  setTimeout(action, 50);
  return plain;
};

const behaviours: Readonly<Record<string, () => Promise<Daemon>>> = {
  well: async () => plain,
  'never-ready': async () => ({
    ...plain,
    ready: never,
    waitingFor: () => ['a reading of E002', 'a grid master, 1 of 3 members are there'],
  }),
  'not-ready': async () => ({ ...plain, ready: Promise.reject(new Error('E001 does not measure')) }),
  'bad-config': async () => {
    throw new ConfigError([{ file: 'unit.json', line: 3, path: 'unitId', message: 'expected an id' }]);
  },
  throws: async () =>
    later(() => {
      throw new Error('a defect');
    }),
  rejects: async () =>
    later(() => {
      void Promise.reject(new Error('a forgotten promise'));
    }),
  'stop-fails': async () => ({ ...plain, stop: () => Promise.reject(new Error('converter does not answer')) }),
  'stop-hangs': async () => ({ ...plain, stop: () => never }),
  'port-taken': async () => {
    throw Object.assign(new Error('listen'), { code: 'EADDRINUSE', address: '127.0.0.1', port: 1 });
  },
};

const commands: Readonly<Record<string, Command>> = {
  run: command({
    summary: 'run a daemon that behaves as told',
    options: { data: one(dataDirectory, ''), behaviour: one(text('NAME'), '') },
    run: ({ data = '', behaviour = '' }, _words, io) => {
      const start = behaviours[behaviour];
      if (start === undefined) throw new Error(`no behaviour ${behaviour}`);
      setInterval(() => {}, 1000); // stands for the brokers, which keep a real daemon's process alive
      const log = collectingLog(({ event }) => io.err(`${event}\n`));
      return runDaemonProcess({ dataDir: data, log, io, start, waitNotes: { firstMsec: 100, everyMsec: 50 } });
    },
  }),
};

process.exitCode = await runCli(commands, '0', process.argv.slice(2), {
  out: (line) => process.stdout.write(line),
  err: (line) => process.stderr.write(line),
});
setTimeout(() => process.exit(), 200).unref();
