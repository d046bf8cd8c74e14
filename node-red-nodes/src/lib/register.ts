import type { Node, NodeAPI, NodeDef } from 'node-red';

/** Registers a node type whose constructor is a plain function of its node and its configuration. */
export function registerNode<D extends NodeDef, N extends Node = Node>(
  RED: NodeAPI,
  type: string,
  create: (node: N, config: D) => void,
): void {
  RED.nodes.registerType(type, function construct(this: N, config: D) {
    RED.nodes.createNode(this, config);
    create(this, config);
  });
}
