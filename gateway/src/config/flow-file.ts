import type { Field, Spot } from './field.ts';
import { type JsonNode, type JsonObject, plain } from './json-tree.ts';
import { refuse } from './scalar-fields.ts';

/** A Node-RED flow as far as it concerns `apis check`: what the nodes are and where their wires lead. */
export interface FlowFile {
  readonly nodes: readonly FlowNode[];
}

export interface FlowNode {
  readonly id: string;
  readonly type: string;
  /** Ids of the nodes wired to any output. */
  readonly wiresTo: readonly string[];
}

const EXPECTED = 'a list of nodes';

/** An exported flow: a list of nodes, each with id and type, ids unique, wires to nodes of the same file. */
export const flowFields: Field<FlowFile> = {
  expected: EXPECTED,
  optional: false,
  read(spot) {
    if (spot.node?.kind !== 'array') {
      refuse(spot, EXPECTED);
      return undefined;
    }
    const nodes: FlowNode[] = [];
    const ids = new Set(spot.node.items.flatMap((item) => textMember(item, 'id') ?? []));
    for (const [index, item] of spot.node.items.entries()) {
      const at = { node: item, path: `[${index}]`, line: item.line, report: spot.report };
      const node = readNode(at, new Set(nodes.map(({ id }) => id)), ids);
      if (node !== undefined) nodes.push(node);
    }
    return { nodes };
  },
};

function readNode(spot: Spot, earlier: ReadonlySet<string>, ids: ReadonlySet<string>): FlowNode | undefined {
  const [id, type] = [textMember(spot.node, 'id'), textMember(spot.node, 'type')];
  if (spot.node?.kind !== 'object' || id === undefined || type === undefined) {
    refuse(spot, 'a node with the texts id and type');
    return undefined;
  }
  if (earlier.has(id))
    spot.report.problem({ line: spot.line, path: spot.path, message: `expected a unique id, got "${id}" again` });
  const wiresTo = wires(spot.node);
  for (const target of wiresTo.filter((wire) => !ids.has(wire))) {
    spot.report.problem({
      line: spot.line,
      path: `${spot.path}.wires`,
      message: `expected the id of a node in this file, got "${target}"`,
    });
  }
  return { id, type, wiresTo };
}

function textMember(node: JsonNode | undefined, key: string): string | undefined {
  const member = node?.kind === 'object' ? node.members.get(key) : undefined;
  return member?.kind === 'scalar' && typeof member.value === 'string' && member.value !== ''
    ? member.value
    : undefined;
}

/** All targets of all outputs. */
function wires(node: JsonObject): string[] {
  const member = node.members.get('wires');
  const value = member === undefined ? [] : plain(member);
  return [value].flat(3).filter((target) => typeof target === 'string');
}
