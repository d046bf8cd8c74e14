import { FIRST_BROKER_PORT } from './daemon.ts';
import { takenPort } from './port-owner.ts';

/** So many other gateways on one machine are somebody's mistake. */
const ATTEMPTS = 20;

/**
 * Starts something that listens on `count` ports in a row, from 18830 up (architecture.md §7): where another gateway
 * has those, on the next ones. A port that the user has named is not moved: that error goes to the caller.
 */
export async function onFreePorts<T>(count: number, start: (firstPort: number) => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    const first = FIRST_BROKER_PORT + attempt * count;
    try {
      return await start(first);
    } catch (error) {
      const port = takenPort(error)?.port ?? 0;
      if (attempt + 1 === ATTEMPTS || port < first || port >= first + count) throw error;
    }
  }
}
