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
