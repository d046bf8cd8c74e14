import type { NodeAPI } from 'node-red';
import { attachToUnit, type UnitNodeDef } from '../lib/attach.ts';
import { converterState } from '../lib/converter-state.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';
import { valueStatus } from '../lib/status.ts';
import { whenChanged } from '../lib/when-changed.ts';

/** Converter of a unit: output 2 tells its state on change, at most once a second. */
export default function register(RED: NodeAPI): void {
  registerNode<UnitNodeDef>(RED, 'apis-dcdc', (node, config) => {
    const send = whenChanged((payload: object) => node.send([null, { topic: 'dcdc', payload }]));
    attachToUnit(RED, node, config.unit, {
      onState: (state, unitId) => {
        const converter = converterState(state, unitId);
        if (converter === undefined) return undefined;
        send(converter);
        const mode = converter.mode ?? converter.operationMode;
        return valueStatus(`${mode} ${converter.ig.toFixed(1)} A`, converter.stale);
      },
    });
    respond(node, () => {
      // Converters obey the core alone (INV-2); the daemon's own driver commands this one.
      throw new Error(RED._('apis-dcdc.errors.builtInDriver'));
    });
  });
}
