// What a task may need first: the packages and the build. Each looks before it acts, and costs next to nothing when all is in place.
import { existsSync, readFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import { isBuildCurrent, rememberBuild } from './build-stamp.js';
import { bin, inRoot, node, root } from './paths.js';
import { runChild } from './run-child.js';
import { step } from './say.js';
import { withLock } from './with-lock.js';

/** The child's output goes to stderr, see run.js. */
const QUIET_STDOUT = ['ignore', 2, 2];

const readPackages = (file) => JSON.parse(readFileSync(new URL(file, root), 'utf8')).packages;

/**
 * Compares what the lock file asks for with npm's own record of what it installed last. npm writes that record at the
 * end, so an interrupted installation counts as none. Packages for other platforms are rightly missing.
 */
const isInstalled = () => {
  if (!existsSync(node) || !existsSync(new URL('node_modules/.package-lock.json', root))) return false;
  const installed = readPackages('node_modules/.package-lock.json');
  const isMet = ([path, { version, optional, link }]) =>
    path === '' ||
    !path.startsWith('node_modules/') ||
    link ||
    (installed[path]?.version ?? (optional && version)) === version;
  return Object.entries(readPackages('package-lock.json')).every(isMet);
};

/** The search path without the project's own tools: they vanish while `npm ci` replaces them. */
const outsidePath = () => {
  const isOutside = (folder) => !folder.startsWith(inRoot('.')) || !folder.includes('node_modules');
  return (process.env.PATH ?? '').split(delimiter).filter(isOutside).join(delimiter);
};

/** Installs exactly what package-lock.json says, unless that is there already. */
export const ensureInstalled = async () => {
  if (isInstalled()) return;
  await withLock('install', async () => {
    if (isInstalled()) return;
    // Node 20 fetches the pinned Node; that it is too old for some packages itself is no news.
    const npmCi = ['ci', '--no-progress', '--loglevel=error'];
    await step('install packages (npm ci, a minute or two the first time)', () =>
      runChild('npm', npmCi, { PATH: outsidePath() }, QUIET_STDOUT),
    );
    if (!existsSync(node))
      throw new Error(`the packages are installed, but ${node} is missing: were install scripts disabled?`);
  });
};

const BUILD_STEPS = [
  ['compile', [bin.tsc, '--build', 'gateway', 'node-red-nodes', 'registry']],
  ['build the editor and dashboard parts', ['node-red-nodes/build.mjs']],
];

/** Builds all packages when a source file was changed, added or removed since the last build. */
export const ensureBuilt = async () => {
  if (isBuildCurrent()) return;
  await withLock('build', async () => {
    if (isBuildCurrent()) return;
    const remember = rememberBuild();
    for (const [title, command] of BUILD_STEPS) {
      if (existsSync(new URL(command[0], root))) await step(title, () => runChild(node, command, {}, QUIET_STDOUT));
    }
    remember();
  });
};
