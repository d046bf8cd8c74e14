import { modeOfCode } from '@apis-edge/gateway/domain';
import type { NodeAPI } from 'node-red';
import { isOverdue, orderOf } from '../lib/fake-command.ts';
import { numberIn } from '../lib/fake-grid-setting.ts';
import { attachToHouse, type FakeHouse, type FakeHouseDef, houseOr } from '../lib/fake-house-node.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';
import { valueStatus } from '../lib/status.ts';

interface FakeDcdcDef extends FakeHouseDef {
  /** Without a command for so many ms the converter goes to WAIT; 0 or nothing: it has no watchdog. */
  readonly watchdogMsec?: string | number;
}

interface Shown {
  readonly status?: { readonly status?: string };
  readonly meter?: { readonly ig?: number };
}

/** The converter's own watchdog (RULE-18): every command winds it up, and its end is WAIT. */
function watchdog(house: FakeHouse, limitMsec: number): { wind(): void; end(): void } {
  let timer: NodeJS.Timeout | undefined;
  const bark = (): void => {
    house.client.order(house.id, { command: 'set', mode: 'WAIT' }).then(
      () => house.show(valueStatus(`${house.id} WAIT by watchdog`, true)),
      () => wind(),
    );
  };
  const wind = (): void => {
    clearTimeout(timer);
    timer = setTimeout(bark, limitMsec);
  };
  return { wind, end: () => clearTimeout(timer) };
}

/** Converter of an emulated house: carries each command out and answers it, as a wired converter would. */
export default function register(RED: NodeAPI): void {
  registerNode<FakeDcdcDef>(RED, 'apis-fake-dcdc', (node, config) => {
    const house = attachToHouse(RED, node, config);
    const limitMsec = numberIn(config.watchdogMsec, 'watchdog') ?? 0;
    const guard = house === undefined || limitMsec <= 0 ? undefined : watchdog(house, limitMsec);
    node.on('close', () => guard?.end());
    respond(node, async (message, send) => {
      const { client, id, show } = houseOr(RED, node, house);
      const order = orderOf(message.payload);
      if (isOverdue(message.payload)) throw new Error(RED._('apis-fake-dcdc.errors.overdue'));
      guard?.wind();
      const { dcdc, ...reply } = await client.order(id, order);
      const payload = Object(dcdc ?? reply);
      send({ ...message, topic: 'reply', payload });
      const { status, meter } = payload as Shown; // what the emulated device tells
      if (status !== undefined)
        show(valueStatus(`${id} ${modeOfCode(status.status) ?? '?'} ${(meter?.ig ?? 0).toFixed(1)} A`));
    });
  });
}
