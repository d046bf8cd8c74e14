// Knows whether dist is current: by a digest over path, size and modification time of every file a build reads.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { inRoot } from './paths.js';

const STAMP = '.cache/build.stamp';
const SOURCES = ['gateway/src', 'node-red-nodes', 'registry/src', 'package-lock.json', 'tsconfig.base.json'];
const CONFIGS = ['gateway/tsconfig.json', 'registry/tsconfig.json'];

/** Results, and things that no build reads. */
const IGNORED = new Set(['node_modules', 'dist', 'resources', 'test', '.tap']);

const describeFile = (path) => {
  const { size, mtimeMs } = statSync(inRoot(path));
  return `${path} ${size} ${mtimeMs}\n`;
};

const describeTree = (path) => {
  if (!statSync(inRoot(path)).isDirectory()) return describeFile(path);
  const names = readdirSync(inRoot(path)).filter((name) => !IGNORED.has(name));
  return names
    .sort()
    .map((name) => describeTree(`${path}/${name}`))
    .join('');
};

const digest = () =>
  createHash('sha256')
    .update([...SOURCES, ...CONFIGS].map(describeTree).join(''))
    .digest('hex');

/** @returns {boolean} whether the last build saw the very files that are here now */
export const isBuildCurrent = () => {
  const isThere = [STAMP, 'gateway/dist'].every((path) => existsSync(inRoot(path)));
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
