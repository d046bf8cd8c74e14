// `npm run cluster-test [-- --short --once --plain --keep --only=<words>]`: separate gateways on machines of their own, disturbed in every way on the real
// clock. Prints a table, or with --json one object; exit 1 when a limit is broken.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { figuresOf } from '../bench/statistics.ts';
import { type Host, NetworkLab, noNamespaces, system } from '../support/namespaces.ts';
import { Running } from '../support/process.ts';
import { ClusterLab } from './cluster-lab.ts';
import { ledgerFigures, recordCount } from './ledgers.ts';
import type { Figure, Scenario } from './scenario.ts';
import { SUITES, type Suite } from './scenarios.ts';

const HOUSES = 4;
const IS_TRADING = /: first deal registered$/m;
const START_MSEC = 90_000;
/** From the last start to the first deal: of the cluster that comes up first, and of those that do so beside clusters at work. */
const FIRST_DEAL_MSEC = { first: 8_000, later: 20_000 } as const;
const say = (line: string): boolean => process.stderr.write(`${line}\n`);

interface Row {
  readonly scenario: string;
  readonly figure: string;
  readonly median: number;
  readonly worst: number;
  readonly runs: number;
  readonly limit: number;
  readonly problem?: string;
}

/** What the machines of one cluster offer to the test in the middle of them. */
interface Place {
  readonly suite: string;
  readonly hosts: readonly Host[];
  readonly directory: string;
  readonly comesUp: keyof typeof FIRST_DEAL_MSEC;
}

/** A limit in ms may be passed up to twice, for the machine's sake; an order or a count may not. */
const isBroken = ({ value, limit }: Figure): boolean => (limit === 0 ? value > 0 : value > 2 * limit);

/** The scenarios of a suite that are asked for. */
function scenariosOf(suite: Suite, args: readonly string[]): readonly Scenario[] {
  const only = args.find((arg) => arg.startsWith('--only='))?.slice('--only='.length) ?? '';
  if (suite.isLong && args.includes('--short')) return [];
  return suite.scenarios.filter(({ name }) => `${suite.name}: ${name}`.includes(only));
}

/** The clusters live side by side: each one waits most of its time. */
async function outside(args: readonly string[]): Promise<number> {
  const reason = noNamespaces();
  if (reason !== undefined) {
    process.stdout.write(`${JSON.stringify({ skipped: reason })}\n`);
    return 0;
  }
  const cancelled = new AbortController();
  const { signal } = cancelled;
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => cancelled.abort());
  const suites = SUITES.filter((suite) => scenariosOf(suite, args).length > 0);
  // One after the other comes up: all at once they would measure how long a machine takes to start so many programs.
  let isUp = Promise.resolve();
  const work = suites.map((suite, index) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const result = isUp.then(() => onMachines(suite, index, { args, signal, trades: resolve })).finally(resolve);
    isUp = promise;
    return result;
  });
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === 'rejected') say(String(result.reason));
  const rows = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  report(rows, args.includes('--json'));
  return results.some(({ status }) => status === 'rejected') || rows.some(({ problem }) => problem !== undefined)
    ? 1
    : 0;
}

/** Makes machines, lets a suite run in the middle of them, and removes them whatever happened. */
async function onMachines(
  { name: suite }: Suite,
  index: number,
  { args, signal, trades }: { args: readonly string[]; signal: AbortSignal; trades: () => void },
): Promise<readonly Row[]> {
  signal.throwIfAborted();
  const directory = await mkdtemp(join(tmpdir(), 'apis-cluster-'));
  const lab = await NetworkLab.open(`ac${process.pid}-${index}`, '10.78.1');
  try {
    for (let n = 0; n <= HOUSES; n += 1) await lab.addHost();
    const place: Place = { suite, directory, hosts: lab.hosts, comesUp: index === 0 ? 'first' : 'later' };
    const words = ['exec', lab.hub, process.execPath, fileURLToPath(import.meta.url), '--inside'];
    const running = new Running('netns', [...words, JSON.stringify(place), ...args], { program: 'ip' });
    signal.addEventListener('abort', () => running.child.kill('SIGKILL'));
    running.child.stderr?.pipe(process.stderr);
    running.says('err', IS_TRADING, START_MSEC).then(trades, () => {}); // how it ended says why it did not
    const code = await running.ended;
    if (code !== 0) throw new Error(`${suite}: the test itself failed (exit ${code})`);
    return JSON.parse(running.out);
  } finally {
    await endAll([lab.hub, ...lab.hosts.map(({ namespace }) => namespace)]);
    await lab.close();
    if (!args.includes('--keep')) await rm(directory, { recursive: true, force: true });
  }
}

/** Everything that runs in the namespaces was started by this test; a supervisor may start one more while it is looked for. */
async function endAll(namespaces: readonly string[]): Promise<void> {
  const idsIn = async (namespace: string): Promise<readonly number[]> =>
    (await system('ip', 'netns', 'pids', namespace)).trim().split('\n').filter(Boolean).map(Number);
  for (;;) {
    const pids = (await Promise.all(namespaces.map(idsIn))).flat();
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself meanwhile.
      }
    }
    await pause(50);
  }
}

/** One long-lived cluster, and everything that is done to it. */
async function inTheMiddle(
  { suite, hosts, directory, comesUp }: Place,
  args: readonly string[],
): Promise<readonly Row[]> {
  const found = SUITES.find(({ name }) => name === suite);
  if (found === undefined) throw new Error(`no suite ${suite}`);
  const emulatorHost = hosts[HOUSES] as Host; // one more was made than there are houses
  const houses = hosts.slice(0, HOUSES);
  const lab = await ClusterLab.open({
    directory,
    hosts: houses,
    emulatorHost,
    tls: !args.includes('--plain'),
    ...found,
  });
  const isOnce = args.includes('--short') || args.includes('--once');
  const rows: Row[] = [];
  const add = (scenario: string, runs: readonly (readonly Figure[])[]): void => {
    for (const name of new Set(runs.flat().map((figure) => figure.name))) {
      const figures = runs.flatMap((one) => one.filter((figure) => figure.name === name));
      rows.push(rowOf(`${suite}: ${scenario}`, name, figures));
    }
  };
  try {
    await lab.charge();
    for (const member of lab.members) lab.start(member);
    const started = performance.now();
    lab.units; // listens from now on
    const first = await lab.until('a first deal', ({ deals }) => deals.length > 0, 60_000);
    const limit = FIRST_DEAL_MSEC[comesUp];
    add('start', [[{ name: 'first deal registered, ms', value: first - started, limit }]]);
    say(`${suite}: first deal registered`);
    for (const scenario of scenariosOf(found, args)) {
      const runs: (readonly Figure[])[] = [];
      for (let n = 0; n < (isOnce ? 1 : scenario.times); n += 1) {
        say(`${suite}: ${scenario.name}, ${n + 1}`);
        await lab.charge();
        try {
          const figures = [...(await scenario.run(lab)), ...(await ledgerFigures(lab))];
          say(figures.map(({ name, value }) => `  ${name}: ${Math.round(value)}`).join('\n'));
          runs.push(figures);
        } catch (error) {
          say(`  ${String(error)}\n${lab.words()}`);
          rows.push({ ...rowOf(`${suite}: ${scenario.name}`, 'run', []), problem: String(error) });
        }
      }
      add(scenario.name, runs);
    }
    add('all deals', [[{ name: 'none finished', value: (await recordCount(lab)) === 0 ? 1 : 0, limit: 0 }]]);
  } catch (error) {
    say(lab.words());
    throw error;
  } finally {
    if (args.includes('--keep')) await lab.keepWords();
    await lab.close();
  }
  return rows;
}

function rowOf(scenario: string, figure: string, figures: readonly Figure[]): Row {
  const broken = figures.find(isBroken);
  return {
    scenario,
    figure,
    ...figuresOf(figures.map(({ value }) => value)),
    limit: figures[0]?.limit ?? 0,
    ...(broken === undefined ? {} : { problem: `${Math.round(broken.value)} with a limit of ${broken.limit}` }),
  };
}

function report(rows: readonly Row[], json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify({ rows })}\n`);
    return;
  }
  for (const { scenario, figure, median, worst, runs, limit, problem } of rows) {
    const text = `${scenario} | ${figure} | median ${median} | worst ${worst} | limit ${limit} | ${runs} runs`;
    process.stdout.write(`${text}${problem === undefined ? '' : ` | FAILED: ${problem}`}\n`);
  }
}

const [word, place = '', ...rest] = process.argv.slice(2);
if (word === '--inside') {
  process.stdout.write(JSON.stringify(await inTheMiddle(JSON.parse(place), rest)));
  process.exit(); // its clients are still about to reconnect; the outer process ends the gateways
}
process.exitCode = await outside(process.argv.slice(2));
