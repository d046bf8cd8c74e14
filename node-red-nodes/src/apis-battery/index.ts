import type { NodeAPI } from 'node-red';
import { attachToUnit, type UnitNodeDef } from '../lib/attach.ts';
import { batteryState } from '../lib/battery-state.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';
import { valueStatus } from '../lib/status.ts';
import { whenChanged } from '../lib/when-changed.ts';

/** Battery of a unit: output 1 tells its validated state on change, at most once a second. */
export default function register(RED: NodeAPI): void {
  registerNode<UnitNodeDef>(RED, 'apis-battery', (node, config) => {
    const send = whenChanged((payload: object) => node.send([{ topic: 'battery', payload }, null]));
    attachToUnit(RED, node, config.unit, {
      onState: (state, unitId) => {
        const battery = batteryState(state, unitId);
        if (battery === undefined) return undefined;
        send(battery);
        return valueStatus(`${battery.unitId} ${battery.rsoc.toFixed(0)} %`, battery.stale);
      },
    });
    respond(node, () => {
      // The daemon's own driver reads this battery; a second source of truth would be a safety hole (INV-11).
      throw new Error(RED._('apis-battery.errors.builtInDriver'));
    });
  });
}
