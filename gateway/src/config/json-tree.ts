/**
 * JSON with comments as a tree that still knows what a plain object forgets: the line of every value, and the order
 * of members as written (integer-like keys included; scenario windows and battery levels are ordered, market §2.2).
 */
export type JsonNode = JsonObject | JsonArray | JsonScalar;

/** Members in file order; a repeated key keeps its first place and its last value, as in the original's parser. */
export interface JsonObject {
  readonly kind: 'object';
  readonly line: number;
  readonly members: ReadonlyMap<string, JsonNode>;
}

export interface JsonArray {
  readonly kind: 'array';
  readonly line: number;
  readonly items: readonly JsonNode[];
}

export interface JsonScalar {
  readonly kind: 'scalar';
  readonly line: number;
  readonly value: string | number | boolean | null;
}

/** An object without members at the given line: what a missing object is read as, so that its defaults apply. */
export const emptyObject = (line: number): JsonObject => ({ kind: 'object', line, members: new Map() });

/** The path of a member; keys that would be ambiguous with dots are quoted. */
export function joinPath(path: string, key: string): string {
  const name = /^[^.\s"[\]]+$/.test(key) ? key : JSON.stringify(key);
  return path === '' ? name : `${path}.${name}`;
}

/** The line of a dotted path, or of the nearest object above it that stands in the file. */
export function lineOfPath(root: JsonNode, path: string): number {
  let node = root;
  for (const key of path.split('.')) {
    const child = node.kind === 'object' ? node.members.get(key) : undefined;
    if (child === undefined) break;
    node = child;
  }
  return node.line;
}

/** Plain data as found in a file. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A tree as plain data. */
export function plain(node: JsonNode): JsonValue {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'array') return node.items.map(plain);
  return Object.fromEntries([...node.members].map(([key, value]) => [key, plain(value)]));
}
