// `npm run cluster-test [-- --short --plain --only=<words>]`: separate gateways on machines of their own, disturbed in every way on the real
// clock. Prints a table, or with --json one object; exit 1 when a limit is broken.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { figuresOf } from '../bench/statistics.ts';
import { type Host, NetworkLab, noNamespaces, system } from '../support/namespaces.ts';
import { Running } from '../support/process.ts';
import { ClusterLab } from './cluster-lab.ts';
import { type Figure, SCENARIOS } from './scenarios.ts';

const HOUSES = 4;
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

/** A limit in ms may be passed up to twice, for the machine's sake; an order or a count may not. */
const isBroken = ({ value, limit }: Figure): boolean => (limit === 0 ? value > 0 : value > 2 * limit);

/** Outside: makes the machines, lets the test run in the middle of them, and removes them whatever happened. */
async function outside(args: readonly string[]): Promise<number> {
  const reason = noNamespaces();
  if (reason !== undefined) {
    process.stdout.write(`${JSON.stringify({ skipped: reason })}\n`);
    return 0;
  }
  const lab = await NetworkLab.open(`ac${process.pid}`, '10.78.1');
  const inner = async (): Promise<number> => {
    for (let n = 0; n <= HOUSES; n += 1) await lab.addHost();
    const script = fileURLToPath(import.meta.url);
    const rest = [script, '--inside', JSON.stringify(lab.hosts), ...args];
    const running = new Running('netns', ['exec', lab.hub, process.execPath, ...rest], { program: 'ip' });
    running.child.stdout?.pipe(process.stdout);
    running.child.stderr?.pipe(process.stderr);
    const stop = (): boolean => running.child.kill('SIGKILL');
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
    return (await running.ended) ?? 3;
  };
  try {
    return await inner();
  } finally {
    await endAll(lab);
    await lab.close();
  }
}

/** Everything that runs in the namespaces was started by this test. */
async function endAll(lab: NetworkLab): Promise<void> {
  for (const { namespace } of lab.hosts) {
    const pids = (await system('ip', 'netns', 'pids', namespace)).trim().split('\n').filter(Boolean).map(Number);
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself meanwhile.
      }
    }
  }
}

async function insideTheNetwork(hosts: readonly Host[], args: readonly string[]): Promise<number> {
  const isShort = args.includes('--short');
  const only = args.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);
  const directory = await mkdtemp(join(tmpdir(), 'apis-cluster-'));
  const emulatorHost = hosts[HOUSES] as Host; // one more was made than there are houses
  const lab = await ClusterLab.open({
    directory,
    hosts: hosts.slice(0, HOUSES),
    emulatorHost,
    gridCurrentA: 0.5,
    admission: 'n-1',
    tls: !args.includes('--plain'),
  });
  const rows: Row[] = [];
  try {
    await lab.charge();
    for (const member of lab.members) lab.start(member);
    const started = performance.now();
    const first = await lab.until('a first deal', ({ deals }) => deals.length > 0, 60_000);
    rows.push(rowOf('start', 'first deal registered, ms', [{ name: '', value: first - started, limit: 8_000 }]));
    for (const scenario of SCENARIOS.filter(({ name, isLong }) =>
      only === undefined ? !(isShort && isLong) : name.includes(only),
    )) {
      const runs: (readonly Figure[])[] = [];
      for (let n = 0; n < (isShort ? 1 : scenario.times); n += 1) {
        say(`${scenario.name}, ${n + 1}`);
        await lab.charge();
        try {
          const figures = await scenario.run(lab);
          say(figures.map(({ name, value }) => `  ${name}: ${Math.round(value)}`).join('\n'));
          runs.push(figures);
        } catch (error) {
          say(`  ${String(error)}`);
          rows.push({ ...rowOf(scenario.name, 'run', []), problem: String(error) });
        }
      }
      for (const name of new Set(runs.flat().map((figure) => figure.name))) {
        rows.push(
          rowOf(
            scenario.name,
            name,
            runs.flatMap((figures) => figures.filter((one) => one.name === name)),
          ),
        );
      }
    }
  } catch (error) {
    say(lab.words());
    throw error;
  } finally {
    await lab.close();
    if (!args.includes('--keep')) await rm(directory, { recursive: true, force: true });
  }
  report(rows, args.includes('--json'));
  return rows.some(({ problem }) => problem !== undefined) ? 1 : 0;
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

const [word, hosts = '[]', ...rest] = process.argv.slice(2);
process.exitCode =
  word === '--inside' ? await insideTheNetwork(JSON.parse(hosts), rest) : await outside(process.argv.slice(2));
if (word === '--inside') process.exit(); // the gateways still run; the outer process ends them
