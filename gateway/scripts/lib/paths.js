// Where things are, always by way of this file: the scripts work from any directory.
import { fileURLToPath } from 'node:url';

/** The project root, as URL with a trailing slash. */
export const root = new URL('../../../', import.meta.url);

/** @param {string} path relative to the root @returns {string} */
export const inRoot = (path) => fileURLToPath(new URL(path, root));

/**
 * The Node that the lock file pins. Always named by its path: after an installation a shell may still remember where it
 * found `node` before.
 */
export const node = inRoot('node_modules/node/bin/node');

/** Entry files of the tools, to be run by `node`. */
export const bin = {
  biome: inRoot('node_modules/@biomejs/biome/bin/biome'),
  c8: inRoot('node_modules/c8/bin/c8.js'),
  tap: inRoot('node_modules/tap/dist/esm/run.mjs'),
  tsc: inRoot('node_modules/typescript/bin/tsc'),
};
