import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bin, inRoot, node } from './paths.js';
import { runChild } from './run-child.js';

/** Rooms of which every branch is tested. */
const COMPLETE = ['market', 'grid-master', 'controller', 'cluster'].map((room) => `gateway/src/${room}`);

/** Only branches count here: a line that is run and decides nothing proves little. */
const LIMITS = ['--branches=100', '--lines=0', '--functions=0', '--statements=0'];

const filesBelow = (path) =>
  path.endsWith('.ts')
    ? [path]
    : readdirSync(inRoot(path), { recursive: true })
        .filter((name) => name.endsWith('.ts'))
        .map((name) => `${path}/${name}`);

/** A file of types alone is compiled to nothing, and never loaded. */
const isOfTypesAlone = (file) => {
  const compiled = readFileSync(inRoot(file.replace('/src/', '/dist/').replace(/\.ts$/, '.js')), 'utf8');
  return compiled.replaceAll(/\/\*.*?\*\/|\/\/[^\n]*/gs, '').trim() === 'export {};';
};

/** Files of which the report says nothing, for no test has loaded them: of their branches 0 of 0 are taken. */
const unloaded = (paths, reportDirectory) => {
  const loaded = new Set(Object.keys(JSON.parse(readFileSync(join(reportDirectory, 'coverage-summary.json'), 'utf8'))));
  return paths.flatMap(filesBelow).filter((file) => !loaded.has(inRoot(file)) && !isOfTypesAlone(file));
};

/**
 * Says which files fall short.
 * @param {string} directory where V8 has left its coverage
 * @param {readonly string[]} paths rooms and files that have to be complete
 * @returns {Promise<number>} 0 when every branch of each of them was taken, else 1
 */
export const coverageGate = async (directory = '.tap/coverage', paths = COMPLETE) => {
  const report = mkdtempSync(join(tmpdir(), 'apis-coverage-report-'));
  try {
    const code = await runChild(node, [
      bin.c8,
      'report',
      `--temp-directory=${directory}`,
      `--reports-dir=${report}`,
      '--reporter=text-summary',
      '--reporter=json-summary',
      ...paths.map((path) => `--include=${path.endsWith('.ts') ? path : `${path}/**`}`),
      '--check-coverage',
      '--per-file',
      ...LIMITS,
    ]);
    if (code !== 0) return code;
    const missed = unloaded(paths, report);
    for (const file of missed) process.stderr.write(`ERROR: no test has loaded ${file}\n`);
    return missed.length === 0 ? 0 : 1;
  } finally {
    rmSync(report, { recursive: true });
  }
};
