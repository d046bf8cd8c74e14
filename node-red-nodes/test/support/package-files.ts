import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the package under test. */
export const PACKAGE_DIR = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly wires?: readonly (readonly string[])[];
  readonly [property: string]: unknown;
}
export type Flow = readonly FlowNode[];

interface Manifest {
  readonly name: string;
  readonly license: string;
  readonly keywords: readonly string[];
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly 'node-red': { readonly version: string; readonly nodes: Readonly<Record<string, string>> };
  readonly 'node-red-dashboard-2': {
    readonly widgets: Readonly<Record<string, { readonly output: string; readonly component: string }>>;
  };
}

export const readText = (...path: readonly string[]): string => readFileSync(join(PACKAGE_DIR, ...path), 'utf8');
export const readJson = <T>(...path: readonly string[]): T => JSON.parse(readText(...path)) as T; // files of this repository

export const manifest: Manifest = readJson('package.json');
export const nodeTypes: readonly string[] = Object.keys(manifest['node-red'].nodes);
export const exampleNames: readonly string[] = readdirSync(join(PACKAGE_DIR, 'examples')).filter((name) =>
  name.endsWith('.json'),
);
