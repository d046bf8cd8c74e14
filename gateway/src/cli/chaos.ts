import type { Milliseconds } from '../domain/quantities.ts';
import type { ChaosOptions, SeedReport } from '../emulation/chaos/chaos.ts';
import { runTime } from '../emulation/chaos/chaos-fault.ts';
import type { Violation } from '../emulation/chaos/run-result.ts';
import type { Io } from './command.ts';

/** What `apis chaos` is asked for. */
export interface ChaosValues extends ChaosOptions {
  readonly seeds: { readonly first: number; readonly last: number };
  readonly json: boolean;
}

/** What runs seeds, one at a time. */
export interface SeedRunner {
  run(seed: number, failing: (first: Violation) => void): Promise<SeedReport>;
  close(): Promise<void>;
}

/** What `apis chaos` needs of the world. */
export interface ChaosWorld {
  /** How many runners work at the same time. */
  readonly width: number;
  runner(options: ChaosOptions): SeedRunner;
  monotonic(): Milliseconds;
}

/**
 * `apis chaos`: runs the seeds, several at a time, and tells those that failed with their faults and event logs
 * (architecture.md §6, INV-1 … INV-11). Gives the exit code: 1 when an invariant did not hold.
 */
export async function chaos(values: ChaosValues, world: ChaosWorld, io: Io): Promise<0 | 1> {
  const began = world.monotonic();
  const reports = await runAll(values, world, io);
  const wallSeconds = (world.monotonic() - began) / 1000;
  const failed = reports.filter(({ violations }) => violations.length > 0);
  io.out(values.json ? jsonText(values, reports, wallSeconds) : plainText(values, reports, wallSeconds));
  return failed.length === 0 ? 0 : 1;
}

/** Every runner takes the next seed when it has ended one; the reports are in the order of the seeds. */
async function runAll(values: ChaosValues, world: ChaosWorld, io: Io): Promise<readonly SeedReport[]> {
  const { first, last } = values.seeds;
  const reports: SeedReport[] = [];
  let next = first;
  const work = async (): Promise<void> => {
    const runner = world.runner(values);
    try {
      while (next <= last) {
        const seed = next++;
        const report = await runner.run(seed, (first) =>
          io.err(`chaos: ${failureOf(seed, first)}; looking for the faults that are enough\n`),
        );
        reports.push(report);
        io.err(`chaos: ${progressOf(report)} (${reports.length} of ${last - first + 1})\n`);
      }
    } finally {
      await runner.close();
    }
  };
  await Promise.all(Array.from({ length: Math.min(world.width, last - first + 1) }, work));
  return reports.sort((a, b) => a.seed - b.seed);
}

const failureOf = (seed: number, { invariant, message }: Violation): string =>
  `seed ${seed} FAILED: ${invariant} ${message}`;

const progressOf = ({ seed, faults, deals, violations: [first] }: SeedReport): string =>
  first === undefined ? `seed ${seed} ok: ${faults} faults, ${deals} deals` : failureOf(seed, first);

const sum = (reports: readonly SeedReport[], of: (report: SeedReport) => number): number =>
  reports.reduce((total, report) => total + of(report), 0);

const percent = (part: number, whole: number): string => `${whole === 0 ? 0 : Math.round((100 * part) / whole)} %`;

function jsonText({ units, hours }: ChaosValues, reports: readonly SeedReport[], wallSeconds: number): string {
  const failed = reports.filter(({ violations }) => violations.length > 0);
  const result = {
    units,
    hours,
    seeds: reports.length,
    failedSeeds: failed.map(({ seed }) => seed),
    faults: sum(reports, ({ faults }) => faults),
    faultsInDeals: sum(reports, ({ faultsInDeals }) => faultsInDeals),
    deals: sum(reports, ({ deals }) => deals),
    virtualHours: sum(reports, ({ virtualMsec }) => virtualMsec) / 3_600_000,
    wallSeconds,
    failures: failed,
  };
  return `${JSON.stringify(result, null, 2)}\n`;
}

function plainText(values: ChaosValues, reports: readonly SeedReport[], wallSeconds: number): string {
  const { units, hours } = values;
  const failed = reports.filter(({ violations }) => violations.length > 0);
  const verdict =
    failed.length === 0
      ? 'INV-1 to INV-11 held'
      : `FAILED: ${failed.length} of ${reports.length} seeds (${failed.map(({ seed }) => seed).join(', ')})`;
  const faults = sum(reports, (report) => report.faults);
  const inDeals = sum(reports, (report) => report.faultsInDeals);
  const deals = sum(reports, (report) => report.deals);
  const summary =
    `${reports.length} runs of ${units} units and ${hours} h: ${verdict}; ` +
    `${faults} faults, ${percent(inDeals, faults)} of them while current flowed, ${deals} deals, ${wallSeconds.toFixed(0)} s`;
  return `${[...failed.map((report) => failureText(report, values)), summary].join('\n\n')}\n`;
}

/** A failure for people: what did not hold, the faults that are enough for it, what happened, and how to see it again. */
function failureText({ seed, violations, shrunk }: SeedReport, { units, hours }: ChaosValues): string {
  const { faults = [], log = [], trials = 0 } = shrunk ?? {};
  return [
    `seed ${seed} FAILED`,
    ...violations.map(({ invariant, message, at }) => `  ${runTime(at)} ${invariant}: ${message}`),
    '',
    `  ${faults.length === 0 ? 'no faults are needed' : 'these faults are enough'} (found in ${trials} runs):`,
    ...faults.map((fault) => `    ${fault}`),
    '',
    '  what happened before:',
    ...log.map((line) => `    ${line}`),
    '',
    `  again: apis chaos --units ${units} --hours ${hours} --seeds ${seed}`,
  ].join('\n');
}
