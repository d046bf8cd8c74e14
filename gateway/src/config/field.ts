import type { JsonNode } from './json-tree.ts';
import type { Report } from './report.ts';

/** Where a field is read: the value (undefined when the key is missing), its path, and the line to blame. */
export interface Spot {
  readonly node: JsonNode | undefined;
  readonly path: string;
  readonly line: number;
  readonly report: Report;
}

/**
 * One key of a configuration file: its type, range and default in one place; the TypeScript type is derived from it.
 * `read` gives the value, or undefined after reporting a problem (or, for an optional key, because it is absent).
 */
export interface Field<T, Optional extends boolean = false> {
  readonly expected: string;
  readonly optional: Optional;
  read(spot: Spot): T | undefined;
}

export type Shape = Readonly<Record<string, Field<unknown, boolean>>>;

/** The type of a field's value. */
export type ValueOf<F> = F extends Field<infer T, boolean> ? T : never;

type OptionalKeys<S extends Shape> = { [K in keyof S]: S[K] extends Field<unknown, true> ? K : never }[keyof S];
type Flat<T> = { [K in keyof T]: T[K] };

/** The type of an object described by a shape: keys stay optional only where absence has a meaning. */
export type ObjectOf<S extends Shape> = Flat<
  { readonly [K in Exclude<keyof S, OptionalKeys<S>>]: ValueOf<S[K]> } & {
    readonly [K in OptionalKeys<S>]?: ValueOf<S[K]>;
  }
>;
