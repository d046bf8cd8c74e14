import type { CommunityState, HeardMessage } from '@apis-edge/gateway/client';
import type { DealQuestion, WiredCommand } from '@apis-edge/gateway/domain';
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
  /** The unit asks something of a device that a flow drives. */
  readonly onWired?: (command: WiredCommand) => void;
  /** The unit asks before it says a request or an accept. */
  readonly onQuestion?: (question: DealQuestion) => void;
  /** The node goes: what it has to say before its connection does; it never rejects. */
  readonly onClose?: () => Promise<void>;
  /** A status that comes before all others, whatever the connection does. */
  readonly overrule?: () => NodeStatus | undefined;
}

export interface Attached {
  readonly link: UnitLink;
  readonly client: SharedClient;
  /** Looks at everything again now. */
  refresh(): void;
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

/** Keeps status and outputs up to date until `stop`; `update` does so at once. */
function watch(
  node: Node,
  { link, client }: Omit<Attached, 'refresh'>,
  handlers: Handlers,
): { update(): void; stop(): void } {
  const show = statusOf(node);
  let hasFailed = false;
  const update = guarded(node, () => {
    const state = link.state();
    const own = handlers.onState?.(client.state(), link.unitId);
    const first = handlers.overrule?.();
    if (first !== undefined) return show(first);
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
  const wired = guarded(node, (command: WiredCommand) => handlers.onWired?.(command));
  const asked = guarded(node, (question: DealQuestion) => handlers.onQuestion?.(question));
  stops.push(client.on('message', hear), client.on('wired', wired), client.on('question', asked));
  update();
  return {
    update,
    stop: () => {
      for (const stop of [...stops, refresh.stop]) stop();
    },
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
  const { link } = config;
  const client = link.acquire();
  const { update, stop } = watch(node, { link, client }, handlers);
  node.on('close', (_removed: boolean, done: () => void) => {
    stop();
    const said = handlers.onClose?.() ?? Promise.resolve();
    said.then(() => link.release()).then(done, done);
  });
  return { link, client, refresh: update };
}
