import type { OperatorBody } from '@apis-edge/gateway/domain';
import type { Node, NodeAPI } from 'node-red';
import { type Attached, attachToUnit, type UnitNodeDef } from '../lib/attach.ts';
import { registerNode } from '../lib/register.ts';
import { linkStatus } from '../lib/status.ts';
import { trimmed } from '../lib/trimmed.ts';
import type { ActionAnswer, CommunityMessage } from '../lib/widget-message.ts';

interface CommunityDef extends UnitNodeDef {
  readonly group: string;
}

/** The parts of Dashboard 2's nodes that are used; it publishes no types. */
interface DashboardBase {
  emit(event: string, message: unknown, node: Node): void;
  readonly stores: { readonly data: { save(base: DashboardBase, node: Node, message: unknown): void } };
}
interface DashboardGroup extends Node {
  register(node: Node, config: CommunityDef, handlers: Record<string, unknown>): void;
  getBase(): DashboardBase;
}

/** At least twice a second, as people expect of something that lives. */
const PERIOD_MSEC = 400;
const SPEED_EVERY = 25;

/** Sends the state to all pages, and keeps it for those that open later. */
function sendPictures(
  node: Node,
  base: DashboardBase,
  { client, link }: Attached,
  answer: () => ActionAnswer | undefined,
) {
  let turn = 0;
  let speed: number | undefined;
  const look = (): void => {
    if (turn++ % SPEED_EVERY === 0)
      link.speed().then(
        (value) => {
          speed = value;
        },
        () => {},
      );
    const last = answer();
    const message: CommunityMessage = {
      payload: trimmed(client.state()),
      connection: { state: link.state(), unitId: link.unitId, ...(speed === undefined ? {} : { speed }) },
      ...(last === undefined ? {} : { answer: last }),
    };
    base.stores.data.save(base, node, message);
    base.emit(`msg-input:${node.id}`, message, node);
  };
  const timer = setInterval(() => {
    try {
      look();
    } catch (error) {
      node.error(String(error)); // a timer that throws would end Node-RED
    }
  }, PERIOD_MSEC);
  node.on('close', () => clearInterval(timer));
}

/** Carries out what was pressed on a page, and tells how it ended. The core decides; nothing is checked twice. */
function answerer(node: Node, attached: () => Attached | undefined, noUnit: string) {
  let count = 0;
  let last: ActionAnswer | undefined;
  const act = async (request: unknown): Promise<void> => {
    const id = ++count;
    const message = { topic: 'action', payload: request };
    try {
      const unit = attached();
      if (unit === undefined) throw new Error(noUnit);
      await unit.client.send(request as OperatorBody); // refuses what is none, with a clear message
      last = { id, ok: true, text: '' };
      node.send(message);
    } catch (error) {
      last = { id, ok: false, text: error instanceof Error ? error.message : String(error) };
      node.error(last.text, message);
    }
  };
  return { act, last: () => last };
}

/** Dashboard 2 widget: the community picture with its mode buttons. Output: what was pressed and carried out. */
export default function register(RED: NodeAPI): void {
  registerNode<CommunityDef>(RED, 'ui-apis-community', (node, config) => {
    const unit = config.unit; // Dashboard takes the configuration over and changes it
    const group = RED.nodes.getNode(config.group) as DashboardGroup | null; // the editor lets only ui-group be chosen
    if (group === null)
      return void node.status({ ...linkStatus(node.type, 'noUnit'), text: 'ui-apis-community.status.noGroup' });
    const attached = attachToUnit(RED, node, unit, {});
    const { act, last } = answerer(node, () => attached, RED._('ui-apis-community.errors.noUnit'));
    // Dashboard calls onChange(message, value) for what the page sends as widget-change.
    group.register(node, config, { onChange: (_message: unknown, value: unknown) => act(value) });
    if (attached !== undefined) sendPictures(node, group.getBase(), attached, last);
  });
}
