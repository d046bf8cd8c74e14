import type { CommunityState, HeardMessage } from '@apis-edge/gateway/client';
import type { Node, NodeAPI, NodeDef, NodeStatus } from 'node-red';
import { atMost } from './at-most.ts';
import { linkStatus } from './status.ts';
import type { SharedClient, UnitLink } from './unit-link.ts';

/** The config node, as other nodes see it. */
export interface ApisUnitNode extends Node {
  readonly link: UnitLink;
}

/** Properties that every node which looks at a unit has. */
export interface UnitNodeDef extends NodeDef {
  readonly unit: string;
}

export interface Handlers {
  /** Something changed; at most once per second. Returns the status while connected, default is plain `connected`. */
  readonly onState?: (state: CommunityState, unitId: string) => NodeStatus | undefined;
  readonly onMessage?: (message: HeardMessage, unitId: string) => void;
}

export interface Attached {
  readonly link: UnitLink;
  readonly client: SharedClient;
}

const PERIOD_MSEC = 1000;

/** Anything thrown becomes an error of the node: nothing of ours may end the process (node-red.md §2). */
const guarded =
  <A extends unknown[]>(node: Node, handle: (...args: A) => void) =>
  (...args: A): void => {
    try {
      handle(...args);
    } catch (error) {
      node.error(error instanceof Error ? error.message : String(error));
    }
  };

/** Shows a status only when it is another one: the editor asks for at most two per second. */
function statusOf(node: Node): (status: NodeStatus) => void {
  let shown = '';
  return (status) => {
    const text = JSON.stringify(status);
    if (text !== shown) node.status(status);
    shown = text;
  };
}

/** Keeps status and outputs up to date until the returned function is called. */
function watch(node: Node, { link, client }: Attached, handlers: Handlers): () => void {
  const show = statusOf(node);
  let hasFailed = false;
  const update = guarded(node, () => {
    const state = link.state();
    const own = handlers.onState?.(client.state(), link.unitId);
    if (state === 'connected' && own !== undefined) return show(own);
    // Retries go back and forth between connecting and disconnected; the user is told one thing.
    hasFailed = state !== 'connected' && (hasFailed || state !== 'connecting');
    show(linkStatus(node.type, state === 'connecting' && hasFailed ? 'disconnected' : state));
  });
  const refresh = atMost(PERIOD_MSEC, update);
  // Until the unit is there nothing is sent: then each change is looked at, so that its first state comes at once.
  const onChange = (): void => (link.state() === 'connected' ? refresh.request() : update());
  const stops = [client.on('connection', update), client.on('change', onChange)];
  const hear = guarded(node, (message: HeardMessage) => handlers.onMessage?.(message, link.unitId));
  stops.push(client.on('message', hear));
  update();
  return () => {
    for (const stop of [...stops, refresh.stop]) stop();
  };
}

/**
 * Ties a node to the unit it names: shared connection, status, handlers that cannot throw, and giving it all back
 * on close. Undefined when no unit is configured; the status says so.
 */
export function attachToUnit(RED: NodeAPI, node: Node, unit: string, handlers: Handlers): Attached | undefined {
  const config = RED.nodes.getNode(unit) as ApisUnitNode | null; // the editor lets only apis-unit be chosen here
  if (config?.link === undefined) {
    node.status(linkStatus(node.type, 'noUnit'));
    return undefined;
  }
  const attached = { link: config.link, client: config.link.acquire() };
  const stop = watch(node, attached, handlers);
  node.on('close', (_removed: boolean, done: () => void) => {
    stop();
    attached.link.release().then(done, done);
  });
  return attached;
}
