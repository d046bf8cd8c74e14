import type { NodeAPI } from 'node-red';
import { attachToHouse, type FakeHouseDef, houseOr } from '../lib/fake-house-node.ts';
import { houseMessage, overridesOf } from '../lib/fake-house-state.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';
import { valueStatus } from '../lib/status.ts';
import { whenChanged } from '../lib/when-changed.ts';

const POLL_MSEC = 1_000;

/** An emulated house: overrides in; sun, load and import out, on change and at most once a second. */
export default function register(RED: NodeAPI): void {
  registerNode<FakeHouseDef>(RED, 'apis-fake-house', (node, config) => {
    const house = attachToHouse(RED, node, config);
    const send = whenChanged((payload: object) => node.send({ topic: 'house', payload }));
    const look = async (): Promise<void> => {
      if (house === undefined) return;
      const message = houseMessage(await house.client.state(house.id));
      house.show(valueStatus(`${house.id} ${message.rsoc} % ☀${message.pvW} W`));
      send(message);
    };
    // Whether the network is there is what the status tells, from its own watch.
    const timer = setInterval(() => void look().catch(() => {}), POLL_MSEC);
    node.on('close', () => clearInterval(timer));
    respond(node, async ({ payload }) => {
      const { client, id } = houseOr(RED, node, house);
      await client.override(id, overridesOf(payload));
      await look();
    });
  });
}
