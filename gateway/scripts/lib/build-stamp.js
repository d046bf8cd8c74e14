// Knows whether dist is current: by a digest over path, size and modification time of every file a build reads.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { inRoot } from './paths.js';

const STAMP = '.cache/build.stamp';
/** What a build reads, and nothing that it writes: results among them would make every build out of date by itself. */
const SOURCES = [
  'gateway/src',
  'node-red-nodes/src',
  'node-red-nodes/build.mjs',
  'registry/src',
  'flows',
  'gateway/tsconfig.json',
  'node-red-nodes/tsconfig.json',
  'registry/tsconfig.json',
  'tsconfig.base.json',
  'package-lock.json',
];
const RESULTS = [
  'gateway/dist',
  'node-red-nodes/dist/nodes',
  'node-red-nodes/resources',
  'node-red-nodes/examples/flows',
];

const describeFile = (path) => {
  const { size, mtimeMs } = statSync(inRoot(path));
  return `${path} ${size} ${mtimeMs}\n`;
};

const describeTree = (path) => {
  if (!statSync(inRoot(path)).isDirectory()) return describeFile(path);
  return readdirSync(inRoot(path))
    .sort()
    .map((name) => describeTree(`${path}/${name}`))
    .join('');
};

const digest = () => createHash('sha256').update(SOURCES.map(describeTree).join('')).digest('hex');

/** @returns {boolean} whether the last build saw the very files that are here now, and its results are there */
export const isBuildCurrent = () => {
  const isThere = [STAMP, ...RESULTS].every((path) => existsSync(inRoot(path)));
  return isThere && readFileSync(inRoot(STAMP), 'utf8') === digest();
};

/**
 * Takes the digest before the build, to be stored after it: a file changed meanwhile makes the next run build again.
 * @returns {() => void} stores it
 */
export const rememberBuild = () => {
  const before = digest();
  return () => {
    mkdirSync(inRoot('.cache'), { recursive: true });
    writeFileSync(inRoot(STAMP), before);
  };
};
