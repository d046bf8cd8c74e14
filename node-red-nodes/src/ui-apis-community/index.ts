import type { Node, NodeAPI } from 'node-red';
import { actionAnswers } from '../lib/action-answers.ts';
import { type Attached, attachToUnit } from '../lib/attach.ts';
import { connectionOf } from '../lib/connection-of.ts';
import { type DashboardBase, type DashboardDef, everyTurn, groupOf } from '../lib/dashboard-node.ts';
import { registerNode } from '../lib/register.ts';
import { trimmed } from '../lib/trimmed.ts';
import type { ActionAnswer, CommunityMessage } from '../lib/widget-message.ts';

/** At least twice a second, as people expect of something that lives. */
const PERIOD_MSEC = 400;

/** Sends the state to all pages, and keeps it for those that open later. */
function sendPictures(
  node: Node,
  base: DashboardBase,
  { client, link }: Attached,
  answer: () => ActionAnswer | undefined,
) {
  const connection = connectionOf(link);
  everyTurn(node, PERIOD_MSEC, () => {
    const last = answer();
    const message: CommunityMessage = {
      payload: trimmed(client.state()),
      connection: connection(),
      ...(last === undefined ? {} : { answer: last }),
    };
    base.stores.data.save(base, node, message);
    base.emit(`msg-input:${node.id}`, message, node);
  });
}

/** Dashboard 2 widget: the community picture with its mode buttons. Output: what was pressed and carried out. */
export default function register(RED: NodeAPI): void {
  registerNode<DashboardDef>(RED, 'ui-apis-community', (node, config) => {
    const unit = config.unit; // Dashboard takes the configuration over and changes it
    const group = groupOf(RED, node, config);
    if (group === undefined) return;
    const attached = attachToUnit(RED, node, unit, {});
    const { act, last } = actionAnswers(node, () => attached, RED._('ui-apis-community.errors.noUnit'));
    group.register(node, config, { onChange: (_message, value) => act(value) });
    if (attached !== undefined) sendPictures(node, group.getBase(), attached, last);
  });
}
