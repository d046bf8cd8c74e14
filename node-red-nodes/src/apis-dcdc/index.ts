import type { CommunityState } from '@apis-edge/gateway/client';
import type { OperatorBody } from '@apis-edge/gateway/domain';
import type { Node, NodeAPI, NodeStatus } from 'node-red';
import { type Attached, attachToUnit, type UnitNodeDef } from '../lib/attach.ts';
import { converterState } from '../lib/converter-state.ts';
import { FlowDriver } from '../lib/flow-driver.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';
import { shortMode, valueStatus } from '../lib/status.ts';
import { whenChanged } from '../lib/when-changed.ts';
import { isWired, replyOf } from '../lib/wired-messages.ts';

interface DcdcDef extends UnitNodeDef {
  /** This flow drives the converter; absent in nodes of version 1, which only told. */
  readonly drives?: boolean;
}

/** By the conventions of nodes; the mode of a converter that the product does not know may have any length. */
const LONGEST_STATUS = 19;

/** A set-point as it was sent; what is wrong in it the client says. */
const manualOrder = (payload: unknown): OperatorBody => ({ ...Object(payload), kind: 'manual' });

const problem = (node: Node, key: string): NodeStatus => ({
  fill: 'red',
  shape: 'dot',
  text: `${node.type}.status.${key}`,
});

/** What keeps this flow from driving the converter, as a key of the status texts; undefined when nothing does. */
function obstacleTo(state: CommunityState, { link }: Attached): string | undefined {
  if (isWired(state, link.unitId) === false) return 'builtIn';
  return link.role === 'device' ? undefined : 'needsDevice';
}

/** Converter of a unit: output 2 tells its state; output 1 has its commands, where this flow drives it (RULE-18). */
export default function register(RED: NodeAPI): void {
  registerNode<DcdcDef>(RED, 'apis-dcdc', (node, config) => {
    const sendState = whenChanged((payload: object) => node.send([null, { topic: 'dcdc', payload }]));
    let driver: FlowDriver | undefined;
    let attached: Attached | undefined;
    attached = attachToUnit(RED, node, config.unit, {
      onState: (state, unitId) => {
        const converter = converterState(state, unitId);
        if (converter !== undefined) sendState(converter);
        const obstacle = attached && config.drives === true ? obstacleTo(state, attached) : undefined;
        if (obstacle !== undefined) return problem(node, obstacle);
        if (converter === undefined) return undefined;
        const mode = converter.mode === undefined ? converter.operationMode : shortMode(converter.mode);
        // Who drives a converter is reminded of what no flow can do: stop it when Node-RED is dead.
        const more = driver === undefined ? ` ${converter.ig.toFixed(1)} A` : ', watchdog';
        return valueStatus(`${mode.slice(0, LONGEST_STATUS - more.length)}${more}`, converter.stale);
      },
      overrule: () => (driver?.isLost ? { fill: 'red', shape: 'ring', text: `${node.type}.status.lost` } : undefined),
    });
    if (attached !== undefined && config.drives === true) {
      const { link, refresh } = attached;
      if (link.role === 'device') {
        driver = new FlowDriver({ attached, send: (command) => node.send([command, null]), changed: refresh });
        node.on('close', () => driver?.close());
      }
      refresh();
    }
    respond(node, async (message) => {
      // Converters obey the core alone (INV-2): one with a driver of its own takes nothing from a flow.
      if (attached === undefined) throw new Error(RED._('apis-dcdc.errors.noUnit'));
      // The core takes it in mode manual only, and within the hardware's limits (RULE-19).
      if (message.topic === 'manual') return attached.client.send(manualOrder(message.payload));
      if (driver === undefined || isWired(attached.client.state(), attached.link.unitId) === false) {
        throw new Error(RED._('apis-dcdc.errors.builtInDriver'));
      }
      await driver.answer(replyOf(message));
    });
  });
}
