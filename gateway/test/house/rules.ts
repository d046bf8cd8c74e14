import { posix } from 'node:path';
import { CORE, IMPURE, NODE_RED_BROWSER, NODE_RED_FILES, NODE_RED_PACKAGES, ROOMS } from './rooms.ts';
import { findInCode, importsOf, type Source } from './scan.ts';

/** `gateway/src/market/x.ts` → `market`; undefined for a file that lies in no room. */
export function roomOf(path: string): string | undefined {
  return /^gateway\/src\/([^/]+)\/./.exec(path)?.[1];
}

const isRelative = (specifier: string): boolean => specifier.startsWith('.');

/** Where a relative import leads, from the project root. */
const targetOf = (path: string, specifier: string): string => posix.join(posix.dirname(path), specifier);

/** `@scope/name/sub` → `@scope/name`, `name/sub` → `name`. */
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

const mayImport = (path: string, room: string, specifier: string): boolean => {
  const rule = ROOMS[room];
  if (!rule) return false;
  if (isRelative(specifier)) {
    const target = roomOf(targetOf(path, specifier)) ?? '';
    return target === room || rule.rooms.includes(target);
  }
  return rule.packages === 'any' || rule.packages.includes(packageOf(specifier));
};

/** Breaches of the import table in one file of the gateway, each as `file:line: …`. */
export function importBreaches({ path, text }: Source): string[] {
  const room = roomOf(path);
  if (room === undefined || !Object.hasOwn(ROOMS, room)) return [`${path}:1: lies in no room of the architecture`];
  const refused = importsOf(text).filter(({ what }) => !mayImport(path, room, what));
  return refused.map(({ line, what }) => `${path}:${line}: ${room} may not import '${what}'`);
}

/** Places where a core room reaches the outside without a port. */
export function purityBreaches({ path, text }: Source): string[] {
  if (!CORE.includes(roomOf(path) ?? '')) return [];
  return Object.entries(IMPURE).flatMap(([name, pattern]) =>
    findInCode(text, pattern).map(({ line, what }) => `${path}:${line}: the core may not use ${name}: ${what}`),
  );
}

/** Imports of the Node-RED package that are neither the gateway's public parts nor its own files. */
export function nodeRedBreaches({ path, text }: Source): string[] {
  const packages = path.startsWith(NODE_RED_BROWSER) ? NODE_RED_PACKAGES : [...NODE_RED_PACKAGES, ...NODE_RED_FILES];
  const isAllowed = (specifier: string): boolean =>
    isRelative(specifier) ? targetOf(path, specifier).startsWith('node-red-nodes/') : packages.includes(specifier);
  const refused = importsOf(text).filter(({ what }) => !isAllowed(what));
  return refused.map(({ line, what }) => `${path}:${line}: Node-RED nodes may not import '${what}'`);
}

const DEPENDENCY_FIELDS = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'];

const EXACT = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;

/** Dependencies of a package.json whose version is a range. */
export function inexactVersions(path: string, manifest: Readonly<Record<string, unknown>>): string[] {
  const dependencies = DEPENDENCY_FIELDS.flatMap((field) => Object.entries(manifest[field] ?? {}));
  const inexact = dependencies.filter(([, version]) => !EXACT.test(String(version)));
  return inexact.map(([name, version]) => `${path}: ${name} has the version "${version}", expected an exact one`);
}

/** What would tie a committed file to the machine or network it was made on. */
const LOCAL_TRACES: Readonly<Record<string, RegExp>> = {
  'an absolute path of one machine': /(?<![\w.~-])\/(?:home|work|Users|root)\/\w/,
  'a package registry': /\bregistry\.(?:npmjs|yarnpkg|npmmirror)\b|\b(?:artifactory|jfrog|npm\.pkg)\.[a-z]/i,
  'the source of a locked package': /"resolved": "[a-z+]+:/,
};

/** Lines that carry a trace of the machine or network they were written on. */
export function localTraces({ path, text }: Source): string[] {
  return text.split('\n').flatMap((line, index) =>
    Object.entries(LOCAL_TRACES)
      .filter(([, pattern]) => pattern.test(line))
      .map(([name]) => `${path}:${index + 1}: contains ${name}: ${line.trim().slice(0, 120)}`),
  );
}
