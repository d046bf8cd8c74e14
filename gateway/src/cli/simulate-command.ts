import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { readDataset } from '../api/read-dataset.ts';
import { houseIds } from '../emulation/world-options.ts';
import { LOSS_PROFILES } from '../emulation/year/loss-profile.ts';
import { PV_CASES } from '../emulation/year/pv-case.ts';
import { DEAL_CURRENTS } from '../emulation/year/trade-set-up.ts';
import { command } from './command.ts';
import { flag, one, UsageError, type ValueKind } from './option.ts';
import { type SimulateWorld, simulate } from './simulate.ts';
import { text, wholeNumber } from './value-kinds.ts';

/** One of the names in a table. */
export function nameIn<T extends object>(table: T): ValueKind<keyof T & string> {
  const names = Object.keys(table) as (keyof T & string)[]; // the tables are closed literals
  return {
    value: names.join('|'),
    expected: `one of ${names.join(', ')}`,
    parse: (given) => names.find((name) => name === given),
  };
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Known to be wrong before minutes are spent on what goes into it. */
const pictureFile: ValueKind<string> = {
  value: 'FILE.svg',
  expected: 'a file in a directory that exists',
  parse: (given) => (given === '' || isDirectory(given) || !isDirectory(dirname(resolve(given))) ? undefined : given),
};

const houses = wholeNumber('N', 1, 1000);
const days = wholeNumber('D', 1, 3650);

const needed = <T>(value: T | undefined, name: string, { expected }: ValueKind<T>): T => {
  if (value === undefined) throw new UsageError(`--${name}: expected ${expected}, got nothing`);
  return value;
};

const realWorld: SimulateWorld = {
  files: {
    read: (path) => readFileSync(path, 'utf8'),
    beside: (file, name) => resolve(dirname(file), name),
  },
  dataset: (folder, homes) => readDataset(folder, houseIds(homes)),
  write: (file, content) => writeFileSync(file, content),
  monotonic: () => performance.now(),
};

/** `apis simulate` as the table of commands takes it. */
export const simulateCommand = command({
  summary: 'play a year of a trading community and report its self-sufficiency',
  options: {
    houses: one(houses, 'how many houses, the first N of the data set'),
    days: one(days, 'how many days, from 1 January on'),
    dataset: one(text('DIR'), 'folder with *solar*.csv[.gz] and *load*.csv[.gz] (default: a built-in year)'),
    pv: one(nameIn(PV_CASES), 'which houses have how much PV (default uniform)'),
    policy: one(text('FILE'), 'policy.json to trade by (default: 100 Wh deals of 2 A)'),
    scenario: one(text('FILE'), 'scenario.json of every house (default: offers above 90 %, asks below 60 %)'),
    'deal-current': one(nameIn(DEAL_CURRENTS), 'current of a deal in A; 6.6 with deals up to 500 Wh (default 2)'),
    losses: one(nameIn(LOSS_PROFILES), 'what devices lose (default compat)'),
    seed: one(wholeNumber('S', 0, 2 ** 32 - 1), 'decides when each house looks at its market (default 1)'),
    compare: flag('also with houses that do not trade, and with one battery for all'),
    plot: one(pictureFile, 'draw the result, by month'),
    json: flag('print one JSON object'),
  },
  notes: [
    '--houses and --days are needed. Every house begins half full; its battery holds 4800 Wh.',
    'Self-sufficiency is the part of the load that is not imported. What devices lose is imported, too: it can be below 0.',
  ],
  run: (values, _words, io) =>
    simulate(
      { ...values, houses: needed(values.houses, 'houses', houses), days: needed(values.days, 'days', days) },
      realWorld,
      io,
    ),
});
