import { isatty } from 'node:tty';
import { createPinoLog } from '../adapters/log/pino-log.ts';
import { readDataset } from '../api/read-dataset.ts';
import type { UnitSettings } from '../config/load-unit.ts';
import type { Io } from './command.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { runDaemonProcess } from './daemon-process.ts';
import { onFreePorts } from './free-broker-ports.ts';
import { computeMuch } from './lean-process.ts';
import { logLevel } from './log-level.ts';
import { readSetUp, type SetUpValues } from './set-up.ts';
import { SUPERVISED_ENV } from './supervisor-socket.ts';

/** With more units a compiler pays: 50 take 34 % of a core with it, 42 to 52 % without. */
const FEW_UNITS = 4;

/** The time of emulated ones can be made to pass hundreds of times faster than life, now or later. */
const isMuch = (settings: readonly UnitSettings[]): boolean =>
  settings.length > FEW_UNITS || settings.some(({ unitConfig }) => unitConfig.device?.type === 'emulated');

/** `apis gateway`: one or more units in this process, until it is told to stop. */
export async function runGateway(values: SetUpValues, words: readonly string[], io: Io): Promise<number> {
  const isSupervised = process.env[SUPERVISED_ENV] !== undefined;
  const log = createPinoLog({ level: logLevel(process.env, isSupervised, isatty(2)) });
  const { settings, dataDir, speed, startAt, dataset: folder } = readSetUp(values, words, io);
  if (isMuch(settings)) computeMuch();
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
