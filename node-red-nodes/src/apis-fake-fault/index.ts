import type { NodeAPI } from 'node-red';
import { carryOut, type FaultFields, faultWish } from '../lib/fake-fault.ts';
import { type FakeGridNode, type FakeHouseDef, watchGrid } from '../lib/fake-house-node.ts';
import { registerNode } from '../lib/register.ts';
import { respond } from '../lib/respond.ts';

/** Breaks something in an emulated network, and mends it again: the fault palette (emulator.md §6.4). */
export default function register(RED: NodeAPI): void {
  registerNode<FakeHouseDef & FaultFields>(RED, 'apis-fake-fault', (node, config) => {
    const grid = RED.nodes.getNode(config.grid ?? '') as FakeGridNode | null; // the editor lets only apis-fake-grid be chosen
    const show = watchGrid(node, grid?.link);
    respond(node, async (message, send) => {
      if (grid?.link === undefined) throw new Error(RED._('apis-fake-fault.errors.noGrid'));
      const wish = faultWish(message.payload, config);
      const faults = await carryOut(grid.link.client, wish);
      send({ ...message, topic: wish.heal ? 'healed' : 'injected', payload: { ...wish, faults } });
      const place = wish.fault === 'lineBreak' ? '' : ` ${wish.house}`;
      show({
        fill: wish.heal ? 'green' : 'blue',
        shape: 'dot',
        text: `${wish.heal ? '✓' : '⚡'}${place} ${wish.fault}`.slice(0, 32),
      });
    });
  });
}
