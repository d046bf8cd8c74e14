import type { Node } from 'node-red';
import { everyTurn } from './dashboard-node.ts';
import type { EmulationNews } from './page-message.ts';
import type { SharedClient } from './unit-link.ts';

const PERIOD_MSEC = 1000;

/**
 * Asks a unit again and again how its emulation stands, one question at a time; gives the last answer, or why there
 * is none. Null until the first one.
 */
export function watchEmulation(node: Node, client: SharedClient): () => EmulationNews | null {
  let news: EmulationNews | null = null;
  let isAsking = false;
  const ask = async (): Promise<void> => {
    isAsking = true;
    try {
      news = await client.emulation();
    } catch (error) {
      news = { problem: error instanceof Error ? error.message : String(error) };
    } finally {
      isAsking = false;
    }
  };
  everyTurn(node, PERIOD_MSEC, () => {
    // Without a connection there is nobody to ask: what is known stays, and the page says that it is old.
    if (!isAsking && client.connection === 'connected' && client.unitId() !== undefined) void ask();
  });
  return () => news;
}
