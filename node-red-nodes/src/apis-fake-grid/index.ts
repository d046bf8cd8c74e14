import type { NodeAPI, NodeDef } from 'node-red';
import { daemonFilePath } from '../lib/address.ts';
import { FakeGridLink } from '../lib/fake-grid-link.ts';
import type { FakeGridFields } from '../lib/fake-grid-setting.ts';
import type { FakeGridNode } from '../lib/fake-house-node.ts';
import { registerNode } from '../lib/register.ts';

/** Config node: which emulated DC network, and the network itself where this node hosts it. */
export default function register(RED: NodeAPI): void {
  registerNode<NodeDef & FakeGridFields, FakeGridNode>(RED, 'apis-fake-grid', (node, config) => {
    const link = new FakeGridLink(config, daemonFilePath());
    Object.assign(node, { link });
    const unwatch = link.watch(({ problem }) => {
      if (problem !== undefined) node.warn(problem);
    });
    node.on('close', (_removed: boolean, done: () => void) => {
      unwatch();
      link.close().then(done, done);
    });
  });
}
