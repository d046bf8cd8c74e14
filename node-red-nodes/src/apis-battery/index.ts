import type { NodeAPI } from 'node-red';
import { attachToUnit, type UnitNodeDef } from '../lib/attach.ts';
import { batteryState } from '../lib/battery-state.ts';
import { FreshCommands } from '../lib/fresh-commands.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';
import { valueStatus } from '../lib/status.ts';
import { whenChanged } from '../lib/when-changed.ts';
import { commandMessage, isWired, replyOf } from '../lib/wired-messages.ts';

/** Battery of a unit: output 1 tells its validated state on change; output 2 asks for it, where a flow reads it. */
export default function register(RED: NodeAPI): void {
  registerNode<UnitNodeDef>(RED, 'apis-battery', (node, config) => {
    const send = whenChanged((payload: object) => node.send([{ topic: 'battery', payload }, null]));
    const fresh = new FreshCommands();
    let isAsked = false;
    const attached = attachToUnit(RED, node, config.unit, {
      onState: (state, unitId) => {
        const battery = batteryState(state, unitId);
        if (battery === undefined) return undefined;
        send(battery);
        return valueStatus(`${battery.unitId} ${battery.rsoc.toFixed(0)} %`, battery.stale);
      },
      onWired: (command) => {
        isAsked = true;
        const leftMsec = command.command === 'get' ? fresh.timeLeft(command) : undefined;
        if (leftMsec === undefined) return;
        const { command: tag, payload } = commandMessage(command, leftMsec);
        node.send([null, { topic: 'read', command: tag, payload: { id: payload.id, deadline: payload.deadline } }]);
      },
    });
    respond(node, async (message) => {
      if (attached === undefined) throw new Error(RED._('apis-battery.errors.noUnit'));
      // The daemon's own driver reads this battery; a second source of truth would be a safety hole (INV-11).
      if (!(isWired(attached.client.state(), attached.link.unitId) ?? isAsked)) {
        throw new Error(RED._('apis-battery.errors.builtInDriver'));
      }
      const { id, content } = replyOf(message);
      await attached.client.sayAsDevice(`battery/${id}`, content);
    });
  });
}
