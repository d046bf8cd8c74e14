import type { Node, NodeMessageInFlow } from 'node-red';

type Send = (message: unknown) => void;
type Done = (error?: Error) => void;

/**
 * Handles each message with `act` and calls `done` exactly once: with the error when `act` throws or rejects, so
 * that Catch nodes hear of it.
 */
export function respond(node: Node, act: (message: NodeMessageInFlow, send: Send) => void | Promise<void>): void {
  node.on('input', (message, send, done: Done) => {
    const finish = (error?: unknown): void =>
      done(error === undefined ? undefined : error instanceof Error ? error : new Error(String(error)));
    Promise.resolve()
      .then(() => act(message, send as Send))
      .then(() => finish(), finish);
  });
}
