import { UnitBroker, type UnitBrokerOptions } from '../../src/adapters/broker/unit-broker.ts';
import { MeshBus, type MeshBusOptions } from '../../src/adapters/mesh/mesh-bus.ts';
import { staticPeers } from '../../src/adapters/mesh/peer-source.ts';
import { SystemClock } from '../../src/adapters/system/system-clock.ts';
import type { Channel } from '../../src/domain/messages.ts';
import type { Bus, Delivery } from '../../src/ports/bus.ts';
import { collectingLog, type LogLine } from '../../src/ports/log.ts';
import { aBeacon, aBirth } from './messages.ts';

export const PLACE = { communityId: 'test', clusterId: 'one' };
export const rootOf = (unitId: string): string => `apis/v1/test/one/${unitId}`;

/** One unit's end of the mesh, without a unit: a test says what the unit would say. */
export interface MeshEnd {
  readonly unitId: string;
  readonly broker: UnitBroker;
  readonly mesh: MeshBus;
  readonly bus: Bus;
  readonly lines: LogLine[];
  /** Says the birth, and a beacon now and then as a living unit does. */
  live(): void;
  /** Falls silent without a word, connections stay. */
  freeze(): void;
  close(): Promise<void>;
}

export interface MeshOptions {
  readonly members: readonly string[];
  readonly broker?: Partial<UnitBrokerOptions>;
  readonly mesh?: Partial<MeshBusOptions>;
  readonly session?: string;
  /** Brokers of the others; may grow until the first attempt. */
  readonly peers: readonly { readonly unitId: string; readonly host: string; readonly port: number }[];
}

const BEACON_MSEC = 200;

/** Opens a broker and the bus on it; `peers` are where the others are. */
export async function aMeshEnd(unitId: string, options: MeshOptions): Promise<MeshEnd> {
  const lines: LogLine[] = [];
  const log = collectingLog((line) => lines.push(line), { unitId });
  const broker = await UnitBroker.open({ ...PLACE, unitId, log, onOperator: () => undefined, ...options.broker });
  const mesh = new MeshBus({
    broker,
    peers: staticPeers(options.peers),
    isMember: (id) => options.members.includes(id),
    clock: new SystemClock(),
    log,
    ...options.mesh,
  });
  const session = options.session ?? `${unitId}-1`;
  const bus = mesh.join(session);
  let beacon = 0;
  let timer: NodeJS.Timeout | undefined;
  const freeze = (): void => clearInterval(timer);
  const beat = (): void => bus.publish('election', '', { ...aBeacon(), session, beacon: ++beacon });
  return {
    unitId,
    broker,
    mesh,
    bus,
    lines,
    live: () => {
      bus.publish('birth', '', { ...aBirth(unitId), session });
      beat();
      timer = setInterval(beat, BEACON_MSEC);
    },
    freeze,
    close: async () => {
      freeze();
      await mesh.close();
      await broker.close();
    },
  };
}

/** Resolves with the first delivery of the channel for which `isIt` holds; rejects after `limitMsec`. */
export function heard<C extends Channel>(
  bus: Bus,
  channel: C,
  isIt: (delivery: Delivery<C>) => boolean,
  limitMsec = 5_000,
): Promise<Delivery<C>> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`${bus.unitId} did not hear the ${channel} it waited for within ${limitMsec} ms`));
    }, limitMsec);
    const stop = bus.listen(channel, (delivery) => {
      if (!isIt(delivery)) return;
      clearTimeout(timer);
      stop();
      resolve(delivery);
    });
  });
}
