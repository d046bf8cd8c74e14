import { startRuntime } from './runtime.ts';

/** A Node-RED in a process of its own, told what to do by its parent: so that it can be blocked and killed. */
type Order =
  | { readonly do: 'start'; readonly flow: never }
  | { readonly do: 'deploy'; readonly flow: never; readonly type: 'full' | 'flows' | 'nodes' }
  | { readonly do: 'receive'; readonly id: string; readonly message: object };

const done = (what: string): boolean | undefined => process.send?.({ done: what });
let runtime: Awaited<ReturnType<typeof startRuntime>> | undefined;

const ORDERS: { readonly [K in Order['do']]: (order: Extract<Order, { do: K }>) => Promise<void> } = {
  start: async ({ flow }) => {
    runtime = await startRuntime(flow);
    runtime.red.events.on('node-status', (status: never) => void process.send?.({ status }));
  },
  deploy: async ({ flow, type }) => runtime?.deploy(flow, type),
  receive: async ({ id, message }) => runtime?.node(id).receive(message),
};

process.on('message', (order: Order) => {
  const carryOut = ORDERS[order.do] as (order: Order) => Promise<void>; // an order goes to its own entry
  carryOut(order).then(
    () => done(order.do),
    (error: unknown) => process.send?.({ failed: String(error) }),
  );
});
process.on('disconnect', () => process.exit(0));
