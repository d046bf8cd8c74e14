// The door of every npm script: brings the project to a runnable state (packages, build), then runs the task on the
// pinned Node. Plain JavaScript without dependencies, because it runs on any Node from 20.9 and before `npm ci`.
// Everything it says itself goes to stderr; stdout belongs to the task.
import { existsSync } from 'node:fs';
import { coverageGate } from './lib/coverage-gate.js';
import { bin, inRoot, node, root } from './lib/paths.js';
import { ensureBuilt, ensureInstalled } from './lib/prepare.js';
import { runChild } from './lib/run-child.js';
import { ensureSystemPackages } from './lib/system-packages.js';
import { withLock } from './lib/with-lock.js';

/** What `npm start` runs; arguments given after `npm start --` follow these. */
const START = ['gateway/bin/apis.js', 'up', '--flow', 'flows/emulated-community.json'];
const BENCH = ['gateway/scripts/bench.js'];
const CLUSTER_TEST = ['gateway/test/cluster/run.ts'];

/** Programs that tests start again and again are compiled once; not where coverage is measured, which this would blur. */
const COMPILED_ONCE = { NODE_COMPILE_CACHE: inRoot('node_modules/.cache/compile') };

const TAP = [bin.tap, '--reporter=./gateway/scripts/summary-reporter.js'];

const check = (...command) => runChild(node, command);

/** Checks that run before the tests; their outcome is counted in the reporter's last line, and the tests run anyway. */
const CHECKS = {
  build: () => ensureBuilt(),
  'lint (biome)': () => check(bin.biome, 'check', '.'),
  'types (tsc)': () => check(bin.tsc, '--build'),
};

const succeeds = async (action) => {
  try {
    return ((await action()) ?? 0) === 0;
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    return false;
  }
};

const runChecks = async () => {
  const outcome = {};
  for (const [name, action] of Object.entries(CHECKS)) outcome[name] = await succeeds(action);
  return outcome;
};

const allPassed = (outcome) => Object.values(outcome).every(Boolean);

const test = async (tapArguments, env = {}) => {
  const outcome = await runChecks();
  await ensureSystemPackages();
  const code = await runChild(node, [...TAP, ...tapArguments], { ...env, APIS_CHECKS: JSON.stringify(outcome) });
  return allPassed(outcome) ? code : code || 1;
};

/** All tests, and no branch of the rooms that have to be complete may be left out. */
const coverage = async (tapArguments) => {
  const code = await test(tapArguments);
  const gap = await coverageGate();
  return code || gap;
};

/** Runs a script of the project; one that is missing is told, not treated as success. */
const script = async ([file, ...rest], args) => {
  if (existsSync(new URL(file, root))) return runChild(node, [file, ...rest, ...args]);
  process.stderr.write(`${file} does not exist.\n`);
  return 2;
};

/** tap keeps its notes in one folder: two test runs in one checkout take turns. */
const tasks = {
  start: { needsBuild: true, run: (args) => script(START, args) },
  bench: { needsBuild: true, run: (args) => script(BENCH, args) },
  'cluster-test': { needsBuild: true, run: (args) => script(CLUSTER_TEST, args) },
  build: { needsBuild: true, run: () => 0 },
  lint: { needsBuild: false, run: async () => (allPassed(await runChecks()) ? 0 : 1) },
  test: {
    needsBuild: false,
    run: (args) => withLock('test', () => test(['--disable-coverage', ...args], COMPILED_ONCE)),
  },
  coverage: { needsBuild: false, run: (args) => withLock('test', () => coverage(args)) },
};

const [taskName = '', ...args] = process.argv.slice(2);
const task = Object.hasOwn(tasks, taskName) ? tasks[taskName] : undefined;

const main = async () => {
  if (!task) throw new Error(`unknown task "${taskName}"; known: ${Object.keys(tasks).join(', ')}`);
  await ensureInstalled();
  if (task.needsBuild) await ensureBuilt();
  return task.run(args);
};

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`run.js: ${error.message}\n`);
  process.exitCode = 2;
}
