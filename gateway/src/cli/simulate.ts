import { type FileReader, readParsed } from '../config/load-unit.ts';
import { ConfigError, messageOf, type Problem } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Dataset } from '../emulation/dataset.ts';
import { layOut, STUDY_CASES, type StudyCase, type StudyOptions } from '../emulation/year/study.ts';
import { type CaseResults, percent, studyPlot } from '../emulation/year/study-plot.ts';
import { type CaseResult, caseResultOf, gapClosed } from '../emulation/year/study-result.ts';
import { studyTable } from '../emulation/year/study-table.ts';
import { type DealCurrentName, type TradeSetUp, tradeSetUp } from '../emulation/year/trade-set-up.ts';
import type { Io } from './command.ts';

/** What `apis simulate` is asked for. */
export interface SimulateValues {
  readonly houses: number;
  readonly days: number;
  readonly dataset?: string | undefined;
  readonly policy?: string | undefined;
  readonly scenario?: string | undefined;
  readonly seed?: number | undefined;
  readonly pv?: StudyOptions['pv'] | undefined;
  readonly losses?: StudyOptions['losses'] | undefined;
  readonly 'deal-current'?: DealCurrentName | undefined;
  readonly plot?: string | undefined;
  readonly compare: boolean;
  readonly json: boolean;
}

/** What `apis simulate` needs of the world. */
export interface SimulateWorld {
  readonly files: FileReader;
  /** The first `homes` homes of a folder, if it has so many, or of the built-in year; throws ConfigError for an unusable folder. */
  dataset(folder: string | undefined, homes: number): Promise<Dataset>;
  /** Throws when the file cannot be written. */
  write(file: string, text: string): void;
  monotonic(): Milliseconds;
}

/**
 * `apis simulate`: runs an energy study in virtual time and prints its result, as a table or as one JSON object
 * (emulator.md §8). Gives the exit code.
 * @throws ConfigError for unusable files or too few homes; then nothing was printed or written
 */
export async function simulate(values: SimulateValues, world: SimulateWorld, io: Io): Promise<0> {
  const began = world.monotonic();
  const study = await prepare(values, world);
  const results = run(study, values.compare ? STUDY_CASES : ['apis'], io);
  if (values.plot !== undefined) writePlot(values.plot, studyPlot(results, headingOf(study)), world);
  const wallSeconds = Math.round(world.monotonic() - began) / 1000;
  io.out(values.json ? jsonText(results, study, wallSeconds) : plainText(results, study));
  return 0;
}

async function prepare(values: SimulateValues, world: SimulateWorld): Promise<StudyOptions> {
  const { houses, days, seed = 1, pv = 'uniform', losses = 'compat' } = values;
  const files = readFiles(values, world.files);
  const dataset = await world.dataset(values.dataset, houses);
  const trade = tradeSetUp(dataset.homes.slice(0, houses), values['deal-current'], files);
  return { houses, days, seed, pv, losses, dataset, trade };
}

/** The user's policy and scenario where named; the problems of both are shown together. */
function readFiles(
  { policy, scenario }: SimulateValues,
  reader: FileReader,
): Partial<Pick<TradeSetUp, 'policy' | 'scenario'>> {
  const problems: Problem[] = [];
  const read = <K extends 'policy' | 'scenario'>(kind: K, file: string | undefined) => {
    if (file === undefined) return {};
    try {
      return { [kind]: readParsed(kind, file, reader).value };
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return {};
    }
  };
  const found = { ...read('policy', policy), ...read('scenario', scenario) };
  if (problems.length > 0) throw new ConfigError(problems);
  return found;
}

function run(study: StudyOptions, cases: readonly StudyCase[], io: Io): CaseResults {
  const runs = layOut(study);
  const results: Partial<Record<StudyCase, CaseResult>> = {};
  for (const name of cases) {
    results[name] = caseResultOf(runs[name]());
    io.err(`simulate: ${name} done\n`);
  }
  return results;
}

function writePlot(file: string, svg: string, world: SimulateWorld): void {
  try {
    world.write(file, svg);
  } catch (error) {
    throw new ConfigError([
      { file, path: '', message: `expected a file that can be written, got ${messageOf(error)}` },
    ]);
  }
}

const headingOf = ({ houses, days, pv, losses, seed, trade }: StudyOptions): string =>
  `${houses} houses, ${days} days, PV ${pv}, losses ${losses}, ` +
  `deals of ${trade.policy.mediator.deal.gridCurrentA} A, seed ${seed}`;

const gapOf = ({ alone, apis, pooled }: CaseResults): number | undefined =>
  alone && apis && pooled && gapClosed(alone.selfSufficiency, apis.selfSufficiency, pooled.selfSufficiency);

function jsonText(results: CaseResults, study: StudyOptions, wallSeconds: number): string {
  const { houses, days, pv, losses, seed, trade } = study;
  const gap = gapOf(results);
  const outcome = gap === undefined ? results.apis : { ...results, gapClosed: gap };
  const dealCurrentA = trade.policy.mediator.deal.gridCurrentA;
  return `${JSON.stringify({ wallSeconds, seed, houses, days, pv, losses, dealCurrentA, ...outcome }, null, 2)}\n`;
}

function plainText(results: CaseResults, study: StudyOptions): string {
  const gap = gapOf(results);
  const closed = gap === undefined ? [] : [`Deals close ${percent(gap)} of the gap between alone and shared.`];
  return `${[headingOf(study), studyTable(results), ...closed].join('\n\n')}\n`;
}
