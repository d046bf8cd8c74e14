import { runStopCommand } from '../adapters/system/stop-command.ts';
import { SystemClock } from '../adapters/system/system-clock.ts';
import { stopCommandOf } from '../config/device-field.ts';
import { loadUnit, readParsed } from '../config/load-unit.ts';
import type { Policy } from '../config/policy.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import { type SafeStopOptions, safeStop } from '../controller/index.ts';
import { ConfigError, messageOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { command, type Io } from './command.ts';
import { type ConverterLock, lockConverter } from './converter-lock.ts';
import { fileReader } from './file-reader.ts';
import { httpDeviceOf } from './http-device-of.ts';
import { flag, many, one, UsageError } from './option.ts';
import { text, wholeNumber } from './value-kinds.ts';

const DEFAULT_LIMIT_SEC = 10;

/** What became of one unit's converter. */
interface Outcome {
  /** Id, or the file that should have told it. */
  readonly unit: string;
  /** 0 in WAIT, or nothing to do; 2 a bad file, 3 not in WAIT. */
  readonly code: 0 | 2 | 3;
  readonly message: string;
}

/** `apis safe-stop`: for the supervisor, for systemd's `ExecStopPost`, and for people. */
export const safeStopCommand = command({
  summary: "put a unit's converter to WAIT without the core",
  words: '[CONFIG…]',
  options: {
    config: many(text('FILE'), 'config of a unit'),
    timeout: one(wholeNumber('SECONDS', 1, 3600), `when to give up; default ${DEFAULT_LIMIT_SEC}`),
    json: flag('print one JSON object'),
  },
  notes: [
    'It waits for the process that drives the converter to be gone; a running gateway is stopped with "apis mode".',
    'Exit code 3: the converter does not confirm WAIT. An operator must go there.',
  ],
  run: async ({ config, timeout = DEFAULT_LIMIT_SEC, json }, words, io) => {
    const files = [...config, ...words];
    if (files.length === 0) throw new UsageError('expected the config of a unit: --config FILE');
    const { outcomes, code } = await stopConverters(files, timeout * 1000, io);
    if (json) io.out(`${JSON.stringify({ units: outcomes })}\n`);
    else for (const { code, message } of outcomes) (code === 0 ? io.out : io.err)(`${message}\n`);
    return code;
  },
});

type StopTiming = Pick<SafeStopOptions, 'currentDelayMsec'>;

/**
 * Brings the converters of unit configs to WAIT, for the command and for the supervisor. One bad file, or one dead
 * converter, keeps nobody else from WAIT. `code` is the worst of all.
 */
export async function stopConverters(
  files: readonly string[],
  limitMsec: Milliseconds,
  io: Io,
  timing: StopTiming = {},
): Promise<{ readonly outcomes: readonly Outcome[]; readonly code: number }> {
  // A reference waits by itself for the others, which therefore all go at once (RULE-7).
  const outcomes = await Promise.all(files.map((file) => stopOne(file, limitMsec, io, timing)));
  return { outcomes, code: Math.max(0, ...outcomes.map(({ code }) => code)) };
}

interface StoppedUnit {
  readonly unitConfig: UnitConfig;
  readonly policy: Partial<Policy>;
}

/** A policy or scenario that has been spoilt meanwhile keeps no converter from WAIT (control.md S11). */
function readUnit(path: string, io: Io): StoppedUnit {
  try {
    return loadUnit(path, fileReader).value;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { value } = readParsed('config', path, fileReader);
    io.err(`warning: ${messageOf(error)}\n`);
    return { unitConfig: value, policy: {} };
  }
}

/** Devices that no driver of ours reaches without a daemon, and what is to be said of them. */
const UNREACHED: Readonly<Record<string, (config: UnitConfig) => string>> = {
  emulated: ({ unitId }) => `${unitId}: its converter is emulated inside the gateway and has ended with it.`,
  flow: ({ unitId }) =>
    `${unitId}: its converter stands behind a flow and is brought to WAIT by its own watchdog (RULE-18).`,
};

async function stopOne(file: string, limitMsec: Milliseconds, io: Io, timing: StopTiming): Promise<Outcome> {
  const endAt = performance.now() + limitMsec;
  let unit = file;
  let lock: ConverterLock | undefined;
  try {
    const { unitConfig, policy } = readUnit(file, io);
    unit = unitConfig.unitId;
    const command = stopCommandOf(unitConfig.device);
    if (command !== undefined) {
      await runStopCommand(command, limitMsec);
      return { unit, code: 0, message: `${unit}: in WAIT, says its independent safe-stop (RULE-18).` };
    }
    const unreached = new Map(Object.entries(UNREACHED)).get(unitConfig.device?.type ?? '');
    if (unreached !== undefined) return { unit, code: 0, message: unreached(unitConfig) };
    lock = await lockConverter(unitConfig, limitMsec);
    const { was, tookMsec } = await safeStop({
      open: () => httpDeviceOf(unitConfig),
      clock: new SystemClock(),
      policy,
      limitMsec: Math.max(0, endAt - performance.now()),
      ...timing,
    });
    const before = was === undefined ? '' : `, was in ${was}`;
    return { unit, code: 0, message: `${unit}: in WAIT after ${(tookMsec / 1000).toFixed(1)} s${before}.` };
  } catch (error) {
    return { unit, code: error instanceof ConfigError ? 2 : 3, message: `${unit}: ${messageOf(error)}` };
  } finally {
    await lock?.release();
  }
}
