import type { HeardMessage, KnownFault } from '@apis-edge/gateway/client';
import { type GridState, labelOfMode } from '@apis-edge/gateway/domain';
import type { NodeAPI, NodeStatus } from 'node-red';
import { attachToUnit, type UnitNodeDef } from '../lib/attach.ts';
import { openDealsOf } from '../lib/deals.ts';
import { operatorCommands } from '../lib/operator-command.ts';
import { RecentKeys } from '../lib/recent-keys.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';
import { linkStatus, valueStatus } from '../lib/status.ts';
import { whenChanged } from '../lib/when-changed.ts';

/** What output 1 tells: the grid master's word without its heartbeat, in the words of the user interface. */
const gridMessage = (grid: GridState) => ({
  gridMasterUnitId: grid.gridMasterUnitId,
  term: grid.term,
  mode: labelOfMode(grid.mode.value),
  voltageReferenceUnitId: grid.voltageReferenceUnitId ?? null,
  masterDealId: grid.masterDealId ?? null,
  handOver: grid.handOver ?? null,
  hasGlobalErrors: grid.hasGlobalErrors,
});

const statusOf = (type: string, grid: GridState | undefined): NodeStatus =>
  grid === undefined
    ? { ...linkStatus(type, 'connecting'), text: `${type}.status.noGridMaster` }
    : valueStatus(`${grid.gridMasterUnitId} ${labelOfMode(grid.mode.value)}`, grid.hasGlobalErrors);

/** A unit repeats its last faults to whoever connects again; session and key tell them apart. */
const faultKey = ({ unitId, key, envelope }: HeardMessage): string => `${unitId}/${envelope.session}/${key}`;

/** The community's grid master, through any of its units: modes in; grid state, deals and faults out. */
export default function register(RED: NodeAPI): void {
  registerNode<UnitNodeDef>(RED, 'apis-grid-master', (node, config) => {
    const sendGrid = whenChanged((payload: object) => node.send([{ topic: 'grid', payload }, null, null]));
    const sendDeals = whenChanged((payload: unknown) => node.send([null, { topic: 'deals', payload }, null]));
    const sendFault = (payload: KnownFault): void => node.send([null, null, { topic: 'fault', payload }]);
    const faults = new RecentKeys(500);
    const attached = attachToUnit(RED, node, config.unit, {
      onState: (state) => {
        if (state.grid !== undefined) sendGrid(gridMessage(state.grid));
        if (state.grid !== undefined || state.deals.length > 0) sendDeals(openDealsOf(state));
        return statusOf(node.type, state.grid);
      },
      onMessage: (message) => {
        if (message.channel !== 'fault' || !faults.add(faultKey(message))) return;
        sendFault({ ...message.envelope.body, faultId: message.key });
      },
    });
    respond(node, async (message) => {
      if (attached === undefined) throw new Error(RED._('apis-grid-master.errors.noUnit'));
      const reason =
        typeof message.topic === 'string' && message.topic !== '' ? message.topic : `node ${node.name ?? node.id}`;
      const { client } = attached;
      // One that fails keeps nobody from hearing the others; the first failure is told.
      const sent = await Promise.allSettled(
        operatorCommands(message.payload, reason, client.state()).map((body) => client.send(body)),
      );
      const failed = sent.find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    });
  });
}
