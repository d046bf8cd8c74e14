import type { Milliseconds } from '../domain/quantities.ts';

/**
 * A control loop says that it has just gone round, and within which time it will have done so again at the latest: a
 * supervisor takes one that does not for hung.
 */
export type Pulse = (loop: string, nextWithinMsec: Milliseconds) => void;
