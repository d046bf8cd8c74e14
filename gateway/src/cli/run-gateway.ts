import { isatty } from 'node:tty';
import { createPinoLog } from '../adapters/log/pino-log.ts';
import { readDataset } from '../api/read-dataset.ts';
import type { Io } from './command.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { runDaemonProcess } from './daemon-process.ts';
import { onFreePorts } from './free-broker-ports.ts';
import { logLevel } from './log-level.ts';
import { readSetUp, type SetUpValues } from './set-up.ts';
import { SUPERVISED_ENV } from './supervisor-socket.ts';

/** `apis gateway`: one or more units in this process, until it is told to stop. */
export async function runGateway(values: SetUpValues, words: readonly string[], io: Io): Promise<number> {
  const isSupervised = process.env[SUPERVISED_ENV] !== undefined;
  const log = createPinoLog({ level: logLevel(process.env, isSupervised, isatty(2)) });
  const { settings, dataDir, speed, startAt, dataset: folder } = readSetUp(values, words, io);
  const dataset = await readDataset(
    folder,
    settings.map(({ unitConfig }) => unitConfig.unitId),
  );
  const start = (firstBrokerPort: number, onBeat: () => void): Promise<Daemon> =>
    startDaemon({
      settings,
      dataDir,
      log,
      speed,
      firstBrokerPort,
      dataset,
      isRecorded: folder !== undefined,
      onBeat,
      ...(startAt === undefined ? {} : { startAt }),
    });
  const port = values['broker-port'];
  return runDaemonProcess({
    dataDir,
    log,
    io,
    ...(isSupervised ? { supervised: { args: process.argv.slice(3) } } : {}),
    start: (onBeat) =>
      port === undefined ? onFreePorts(settings.length, (first) => start(first, onBeat)) : start(port, onBeat),
  });
}
