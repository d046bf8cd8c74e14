import type { Field, ObjectOf, Shape, Spot } from './field.ts';
import { emptyObject, type JsonNode, type JsonObject, joinPath } from './json-tree.ts';
import { refuse } from './scalar-fields.ts';

/** The spot of an object's member; a missing member is blamed on the line of the object. */
export function childSpot(parent: JsonObject, spot: Spot, key: string): Spot {
  const node = parent.members.get(key);
  return { node, path: joinPath(spot.path, key), line: node?.line ?? parent.line, report: spot.report };
}

/** The object at the spot, or undefined after reporting that it is something else. */
export function objectAt(spot: Spot): JsonObject | undefined {
  if (spot.node?.kind === 'object') return spot.node;
  refuse(spot, 'an object');
  return undefined;
}

/**
 * An object with exactly these keys; all others are problems. A missing object is read as an empty one: defaults
 * of its keys apply, and its required keys are reported one by one.
 */
export function record<S extends Shape>(shape: S): Field<ObjectOf<S>> {
  const known = new Map(Object.entries(shape));
  return {
    expected: 'an object',
    optional: false,
    read(spot) {
      const object = spot.node === undefined ? emptyObject(spot.line) : objectAt(spot);
      if (object === undefined) return undefined;
      const problemsBefore = spot.report.problems.length;
      refuseUnknownKeys(object, spot, known);
      const entries = [...known].map(([key, field]) => [key, field.read(childSpot(object, spot, key))] as const);
      // Nobody may see an object that lacks what its type promises.
      if (spot.report.problems.length > problemsBefore) return undefined;
      // The cast: without a problem there is a value for each key of the shape that is not optional.
      return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as ObjectOf<S>;
    },
  };
}

function refuseUnknownKeys(object: JsonObject, spot: Spot, known: ReadonlyMap<string, unknown>): void {
  for (const key of object.members.keys()) {
    if (!known.has(key)) refuseUnknownKey(childSpot(object, spot, key), [...known.keys()]);
  }
}

/** Reports a key that means nothing here, naming those that do. */
export function refuseUnknownKey(spot: Spot, known: readonly string[]): void {
  spot.report.problem({
    line: spot.line,
    path: spot.path,
    message: `unknown key, expected one of ${known.join(', ')}`,
  });
}

/** Absence has a meaning of its own: the key stays optional. */
export function optional<T>(field: Field<T>): Field<T, true> {
  return {
    expected: field.expected,
    optional: true,
    read: (spot) => (spot.node === undefined ? undefined : field.read(spot)),
  };
}

/** A missing key means the given value. */
export function withDefault<T>(field: Field<T>, value: NoInfer<T>): Field<T> {
  return { ...field, read: (spot) => (spot.node === undefined ? value : field.read(spot)) };
}

/** A list of equal things, without repetitions of the same scalar when `unique`. */
export function list<T>(item: Field<T>, { unique = false, atLeast = 0 } = {}): Field<readonly T[]> {
  const expected = atLeast > 0 ? `a list of at least ${atLeast}` : 'a list';
  return {
    expected,
    optional: false,
    read(spot) {
      if (spot.node?.kind !== 'array' || spot.node.items.length < atLeast) {
        refuse(spot, expected);
        return undefined;
      }
      if (unique) refuseRepetitions(spot, spot.node.items);
      return spot.node.items.flatMap((node, index) => {
        const value = item.read({ node, path: `${spot.path}[${index}]`, line: node.line, report: spot.report });
        return value === undefined ? [] : [value];
      });
    },
  };
}

function refuseRepetitions(spot: Spot, items: readonly JsonNode[]): void {
  const seen = new Set<unknown>();
  for (const [index, node] of items.entries()) {
    if (node.kind !== 'scalar') continue;
    if (seen.has(node.value)) {
      refuse({ ...spot, node, line: node.line, path: `${spot.path}[${index}]` }, 'no repetition');
    }
    seen.add(node.value);
  }
}

/** An object whose keys are free (branch names, device options). Safe for any key name. */
export function dictionary<T>(item: Field<T>): Field<Readonly<Record<string, T>>> {
  return {
    expected: 'an object',
    optional: false,
    read(spot) {
      const object = objectAt(spot);
      if (object === undefined) return undefined;
      const entries: [string, T][] = [];
      for (const key of object.members.keys()) {
        const value = item.read(childSpot(object, spot, key));
        if (value !== undefined) entries.push([key, value]);
      }
      return Object.fromEntries(entries);
    },
  };
}
