import type { NodeAPI } from 'node-red';
import { attachToHouse, type FakeHouseDef, houseOr } from '../lib/fake-house-node.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';
import { valueStatus } from '../lib/status.ts';

/** Battery of an emulated house: answers each message with a reading, as a wired battery would. */
export default function register(RED: NodeAPI): void {
  registerNode<FakeHouseDef>(RED, 'apis-fake-battery', (node, config) => {
    const house = attachToHouse(RED, node, config);
    respond(node, async (message, send) => {
      const { client, id, show } = houseOr(RED, node, house);
      const { battery, emu } = await client.read(id);
      // The message goes on, and with it whatever says which request is answered.
      send({ ...message, topic: 'reading', payload: { ...Object(battery), emu } });
      show(valueStatus(`${id} ${Number(Object(battery).rsoc).toFixed(0)} %`));
    });
  });
}
