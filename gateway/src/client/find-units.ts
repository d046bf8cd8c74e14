import { setTimeout as pause } from 'node:timers/promises';
import { Discovery } from '../adapters/discovery/discovery.ts';
import { SystemClock } from '../adapters/system/system-clock.ts';
import { SystemEntropy } from '../adapters/system/system-entropy.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { type Log, silentLog } from '../ports/log.ts';

/** A unit that announced itself; whether it answers is another question. */
export interface FoundUnit {
  readonly communityId: string;
  readonly clusterId: string;
  readonly unitId: string;
  readonly host: string;
  readonly port: number;
  /** As it says itself: a hint for people, no proof. */
  readonly fingerprint?: string;
}

export interface FindUnitsOptions {
  /** How long to listen; all units of a quiet network answer within some 200 ms. */
  readonly waitMsec?: Milliseconds;
  /** Name or address of the one interface to look on; default all, loopback included. */
  readonly interface?: string;
  readonly log?: Log;
}

const WAIT_MSEC: Milliseconds = 1_000;

/** Asks by mDNS which units there are, of whatever cluster; sorted by community, cluster and unit. */
export async function findUnits(options: FindUnitsOptions = {}): Promise<readonly FoundUnit[]> {
  const discovery = new Discovery({
    clock: new SystemClock(),
    entropy: new SystemEntropy(),
    log: options.log ?? silentLog,
    interface: options.interface,
  });
  try {
    await pause(options.waitMsec ?? WAIT_MSEC);
    return discovery.found().units.map(({ service: _service, instance: _instance, ...unit }) => unit);
  } finally {
    await discovery.close();
  }
}
