import { once } from 'node:events';
import { connect } from 'node:net';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { UnitAddress } from '../broker/broker-connection.ts';

/** A refusal comes at once or not at all. */
const ANSWER_MSEC: Milliseconds = 500;

/** A name may stand for several addresses. */
const isRefusal = (error: unknown): boolean =>
  error instanceof AggregateError
    ? error.errors.every(isRefusal)
    : (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';

/**
 * Does the machine at this address say that nobody listens there? False when somebody does, be it a frozen process,
 * for which the kernel answers, and when nobody says anything, as from behind a cut. Never rejects.
 */
export async function isRefused({ host, port }: UnitAddress): Promise<boolean> {
  try {
    const socket = connect({ host, port }).on('error', () => {});
    await once(socket, 'connect', { signal: AbortSignal.timeout(ANSWER_MSEC) }).finally(() => socket.destroy());
    return false;
  } catch (error) {
    return isRefusal(error);
  }
}
