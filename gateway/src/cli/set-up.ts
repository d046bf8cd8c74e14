import { resolve } from 'node:path';
import { loadUnit, type UnitSettings } from '../config/load-unit.ts';
import { ConfigError, describeProblem } from '../domain/errors.ts';
import type { EpochMsec } from '../domain/quantities.ts';
import { DEFAULT_DATA_DIRECTORY } from './attach.ts';
import type { Io } from './command.ts';
import { DEMO_SPEED, DEMO_START, demoSettings } from './demo-set-up.ts';
import { fileReader } from './file-reader.ts';
import { many, one } from './option.ts';
import { dataDirectory, datasetDirectory, file, port, speed, startTime, text } from './value-kinds.ts';

/** Options of a set-up of units, for `gateway` and `up`. */
export const SET_UP_OPTIONS = {
  config: many(file, 'config of a unit; without any, four emulated houses'),
  data: one(dataDirectory, `where state and finished deals are kept; default ${DEFAULT_DATA_DIRECTORY}`),
  dataset: one(datasetDirectory, 'sun and load of emulated houses; default: a built-in year'),
  speed: one(speed, `how many times faster than life; only for emulated houses, which run at ${DEMO_SPEED} by default`),
  start: one(startTime, 'where emulated time begins (UTC)'),
  wired: many(text('ID'), 'emulated house whose devices a flow drives; then time runs at the speed of life'),
  'broker-port': one(port, "first port of the units' brokers; default the first free ones from 18830 up"),
} as const;

export interface SetUpValues {
  readonly config: readonly string[];
  readonly data: string | undefined;
  readonly dataset: string | undefined;
  readonly speed: number | undefined;
  readonly start: EpochMsec | undefined;
  readonly wired: readonly string[];
  readonly 'broker-port': number | undefined;
}

/** What runs, read and checked. */
export interface SetUp {
  readonly settings: readonly UnitSettings[];
  /** The built-in emulated community, not somebody's own units. */
  readonly isDemo: boolean;
  readonly dataDir: string;
  readonly speed: number;
  readonly startAt?: EpochMsec;
  readonly dataset?: string;
}

/** Directory of a command's data. */
export const dataDirOf = ({ data }: Pick<SetUpValues, 'data'>): string => data ?? resolve(DEFAULT_DATA_DIRECTORY);

/** Configs may stand as plain words, too: `--config a.json b.json`. */
export function readSetUp(values: SetUpValues, words: readonly string[], io: Io): SetUp {
  const configs = [...values.config, ...words.map((word) => file.parse(word) ?? word)];
  const isDemo = configs.length === 0;
  if (!isDemo && values.wired.length > 0) {
    const message = 'expected configs that say so themselves ("device": {"type": "flow"}), got --wired besides configs';
    throw new ConfigError([{ file: 'set-up', path: 'wired', message }]);
  }
  const isAccelerated = isDemo && values.wired.length === 0;
  const startAt = values.start ?? (isAccelerated ? DEMO_START : undefined);
  return {
    settings: isDemo ? demoSettings(values.wired) : configs.map((path) => settingsOf(path, io)),
    isDemo,
    dataDir: dataDirOf(values),
    speed: values.speed ?? (isAccelerated ? DEMO_SPEED : 1),
    ...(startAt === undefined ? {} : { startAt }),
    ...(values.dataset === undefined ? {} : { dataset: values.dataset }),
  };
}

function settingsOf(path: string, io: Io): UnitSettings {
  const { value, warnings } = loadUnit(path, fileReader);
  for (const warning of warnings) io.err(`warning: ${describeProblem(warning)}\n`);
  return value;
}
