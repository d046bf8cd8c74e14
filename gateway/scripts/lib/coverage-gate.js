import { bin, node } from './paths.js';
import { runChild } from './run-child.js';

/** Rooms of which every branch is tested. */
const COMPLETE = ['market', 'grid-master', 'controller', 'cluster'].map((room) => `gateway/src/${room}/**`);

/** Only branches count here: a line that is run and decides nothing proves little. */
const LIMITS = ['--branches=100', '--lines=0', '--functions=0', '--statements=0'];

/**
 * Says which files fall short.
 * @param {string} directory where V8 has left its coverage
 * @param {readonly string[]} files patterns of the files that have to be complete
 * @returns {Promise<number>} 0 when every branch of each of them was taken, else 1
 */
export const coverageGate = (directory = '.tap/coverage', files = COMPLETE) =>
  runChild(node, [
    bin.c8,
    'report',
    `--temp-directory=${directory}`,
    '--reporter=text-summary',
    ...files.map((pattern) => `--include=${pattern}`),
    '--check-coverage',
    '--per-file',
    ...LIMITS,
  ]);
