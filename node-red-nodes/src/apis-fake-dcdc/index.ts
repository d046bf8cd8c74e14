import { modeOfCode } from '@apis-edge/gateway/domain';
import type { NodeAPI } from 'node-red';
import { isOverdue, orderOf } from '../lib/fake-command.ts';
import { numberIn } from '../lib/fake-grid-setting.ts';
import { attachToHouse, type FakeHouseDef, houseOr } from '../lib/fake-house-node.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';
import { shortMode, valueStatus } from '../lib/status.ts';

interface FakeDcdcDef extends FakeHouseDef {
  /** Without a command for so many ms the converter goes to WAIT; 0 or nothing: it has no watchdog. */
  readonly watchdogMsec?: string | number;
}

interface Shown {
  readonly status?: { readonly status?: string };
  readonly meter?: { readonly ig?: number };
}

/** Converter of an emulated house: carries each command out and answers it, as a wired converter would. */
export default function register(RED: NodeAPI): void {
  registerNode<FakeDcdcDef>(RED, 'apis-fake-dcdc', (node, config) => {
    const house = attachToHouse(RED, node, config);
    const watchdogMsec = numberIn(config.watchdogMsec, 'watchdog') || undefined;
    respond(node, async (message, send) => {
      const { client, id, show } = houseOr(RED, node, house);
      const order = orderOf(message.payload);
      if (isOverdue(message.payload)) throw new Error(RED._('apis-fake-dcdc.errors.overdue'));
      const { dcdc, ...reply } = await client.order(id, order, watchdogMsec);
      const payload = Object(dcdc ?? reply);
      send({ ...message, topic: 'reply', payload });
      const { status, meter } = payload as Shown; // what the emulated device tells
      if (status !== undefined)
        show(valueStatus(`${id} ${shortMode(modeOfCode(status.status))} ${(meter?.ig ?? 0).toFixed(1)} A`));
    });
  });
}
