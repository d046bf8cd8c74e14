import './quiet-mdns.ts';
import { createRequire } from 'node:module';

/** What the test helper of Node-RED gives, as far as it is used here; its own types are years behind. */
export interface HelperNode {
  on(event: string, handle: (...args: never[]) => void): void;
  receive(message: object): void;
  /** Node-RED's own method, watched by the helper: one watch for all nodes. */
  readonly status: { getCalls(): readonly { readonly thisValue: unknown; readonly args: readonly [Status] }[] };
  readonly [property: string]: unknown;
}
export interface Status {
  readonly fill?: string;
  readonly shape?: string;
  readonly text?: string;
}
export interface Helper {
  init(redPath: string): void;
  startServer(done: () => void): void;
  stopServer(done: () => void): void;
  load(types: readonly unknown[], flow: readonly object[]): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): HelperNode;
  request(): { get(path: string): { expect(status: number): Promise<{ readonly body: unknown }> } };
}

const require = createRequire(import.meta.url);
export const helper = require('node-red-node-test-helper') as Helper;
helper.init(require.resolve('node-red'));

/** The core's Catch node: errors of the nodes under test arrive there. */
export const catchNode: unknown = require('@node-red/nodes/core/common/25-catch.js');

export interface Received {
  readonly topic?: string;
  readonly payload?: unknown;
  readonly error?: { readonly message: string };
}

/** Messages that a helper node has received so far. */
export function collect(id: string): Received[] {
  const messages: Received[] = [];
  helper.getNode(id).on('input', (message: Received) => void messages.push(message));
  return messages;
}

/** The status that a node shows now. */
export function statusOf(id: string): Status {
  const node = helper.getNode(id);
  return node.status.getCalls().findLast((call) => call.thisValue === node)?.args[0] ?? {};
}
