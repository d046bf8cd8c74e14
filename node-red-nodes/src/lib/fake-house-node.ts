import type { EmulatorClient } from '@apis-edge/gateway/client';
import type { Node, NodeAPI, NodeDef, NodeStatus } from 'node-red';
import type { FakeGridLink, GridNews } from './fake-grid-link.ts';

/** The config node, as other nodes see it. */
export interface FakeGridNode extends Node {
  readonly link: FakeGridLink;
}

export interface FakeHouseDef extends NodeDef {
  readonly grid?: string;
  /** Id of the emulated house. */
  readonly house?: string;
}

export interface FakeHouse {
  readonly id: string;
  readonly client: EmulatorClient;
  /** What the node shows while all is well. */
  show(status: NodeStatus): void;
}

const LOOKS = {
  noGrid: { fill: 'red', shape: 'dot' },
  noHouse: { fill: 'red', shape: 'dot' },
  waiting: { fill: 'red', shape: 'ring' },
  unknownHouse: { fill: 'red', shape: 'dot' },
} as const;

/** Shows why a node does not work, in the words of its catalogue. */
const showProblem = (node: Node, key: keyof typeof LOOKS): void =>
  node.status({ ...LOOKS[key], text: `${node.type}.status.${key}` });

/**
 * Keeps the status of a node true to its network until the node closes, and to one house of it when it has one. The
 * returned function sets what is shown while all is well.
 */
export function watchGrid(node: Node, link: FakeGridLink | undefined, house?: string): (status: NodeStatus) => void {
  if (link === undefined) {
    showProblem(node, 'noGrid');
    return () => {};
  }
  let well: NodeStatus = { fill: 'green', shape: 'dot', text: house ?? `${node.type}.status.ready` };
  let isWell = false;
  const see = ({ houses }: GridNews): void => {
    isWell = house === undefined ? houses.length > 0 : houses.includes(house);
    if (isWell) node.status(well);
    else showProblem(node, houses.length > 0 ? 'unknownHouse' : 'waiting');
  };
  node.on('close', link.watch(see));
  return (status) => {
    if (JSON.stringify(status) === JSON.stringify(well)) return;
    well = status;
    if (isWell) node.status(well);
  };
}

/**
 * Ties a node to a house of an emulated network, and keeps its status true. Undefined when no network or house is
 * chosen; the status says so.
 */
export function attachToHouse(RED: NodeAPI, node: Node, config: FakeHouseDef): FakeHouse | undefined {
  const grid = RED.nodes.getNode(config.grid ?? '') as FakeGridNode | null; // the editor lets only apis-fake-grid be chosen
  const id = config.house?.trim() ?? '';
  if (grid?.link === undefined || id === '') {
    showProblem(node, grid?.link === undefined ? 'noGrid' : 'noHouse');
    return undefined;
  }
  return { id, client: grid.link.client, show: watchGrid(node, grid.link, id) };
}

/** The house, or an error in the words of the node's catalogue. */
export function houseOr(RED: NodeAPI, node: Node, house: FakeHouse | undefined): FakeHouse {
  if (house === undefined) throw new Error(RED._(`${node.type}.errors.noHouse`));
  return house;
}
