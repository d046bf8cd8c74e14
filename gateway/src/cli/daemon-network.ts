import { MeshBus } from '../adapters/mesh-bus.ts';
import { MqttMirror } from '../adapters/mqtt-mirror.ts';
import { joinedPeers, type PeerSource, staticPeers } from '../adapters/peer-source.ts';
import { UnitBroker } from '../adapters/unit-broker.ts';
import type { UnitSettings } from '../config/load-unit.ts';
import type { EmulationBody, EmulationState } from '../domain/emulation.ts';
import type { Birth, OperatorBody } from '../domain/messages.ts';
import type { Bus } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { MemoryBusHub } from '../ports/memory-bus.ts';

export interface DaemonUnit {
  readonly unitId: string;
  readonly host: string;
  readonly port: number;
}

export interface NetworkOptions {
  readonly settings: readonly UnitSettings[];
  readonly clock: Clock;
  readonly log: Log;
  /** Port of the first unit whose config names none, the others follow; 0 takes free ports. */
  readonly firstBrokerPort: number;
  readonly operate: (unitId: string, body: OperatorBody | EmulationBody) => Promise<EmulationState | undefined>;
  /** For units whose device is driven by a flow: hears what that flow says. */
  readonly hearDevice: (unitId: string) => ((key: string, payload: Uint8Array) => void) | undefined;
}

/** How the units of a daemon are connected: with each other, with the rest of the cluster and with clients. */
export interface DaemonNetwork {
  readonly units: readonly DaemonUnit[];
  /** The bus of one unit. */
  join(unitId: string, session: string): Bus;
  /** What the births of the units tell clients, where the bus does not know it by itself. */
  addresses(unitId: string): Pick<Birth, 'broker' | 'peers'> | undefined;
  /** Says a command to the flow that drives a unit's device. */
  tellDevice(unitId: string, id: string, command: unknown): void;
  close(): Promise<void>;
}

/** True when members of the cluster run in other processes: then every unit speaks and listens through brokers. */
export const isMesh = (settings: readonly UnitSettings[]): boolean => {
  const here = settings.map(({ unitConfig }) => unitConfig.unitId);
  return settings.some(({ policy }) => policy.memberUnitIds.some((unitId) => !here.includes(unitId)));
};

/** Opens the brokers of all units; rejects with the error of a port that is taken, and then leaves nothing open. */
export async function openNetwork(options: NetworkOptions): Promise<DaemonNetwork> {
  const brokers: UnitBroker[] = [];
  try {
    for (const [index, { unitConfig }] of options.settings.entries()) {
      brokers.push(await openBroker(unitConfig, index, options));
    }
  } catch (error) {
    await Promise.all(brokers.map((broker) => broker.close()));
    throw error;
  }
  const units = brokers.map(({ place, address }) => ({ unitId: place.unitId, ...address }));
  const brokerOf = (unitId: string): UnitBroker => brokers.find(({ place }) => place.unitId === unitId) as UnitBroker; // one was opened for every unit
  return {
    units,
    tellDevice: (unitId, id, command) => brokerOf(unitId).tellDevice(id, command),
    ...(isMesh(options.settings) ? meshOf(options, brokers, units) : hubOf(options, brokers, units)),
  };
}

type Wiring = Pick<DaemonNetwork, 'join' | 'addresses' | 'close'>;

function openBroker(
  { communityId, clusterId, unitId, mqtt }: UnitSettings['unitConfig'],
  index: number,
  { log, firstBrokerPort, operate, hearDevice }: NetworkOptions,
): Promise<UnitBroker> {
  const onDevice = hearDevice(unitId);
  return UnitBroker.open({
    communityId,
    clusterId,
    unitId,
    host: mqtt.host,
    port: mqtt.port ?? (firstBrokerPort === 0 ? 0 : firstBrokerPort + index),
    log,
    onOperator: (body) => operate(unitId, body),
    ...(onDevice === undefined ? {} : { onDevice }),
  });
}

/** All members live here: they share one bus in memory, which runs at any speed, and their brokers mirror it. */
function hubOf(
  { settings, clock }: NetworkOptions,
  brokers: readonly UnitBroker[],
  units: readonly DaemonUnit[],
): Wiring {
  const hub = new MemoryBusHub(clock);
  const mirrors = brokers.map((broker) => new MqttMirror(broker, hub));
  return {
    join: (unitId, session) => hub.join(unitId, session),
    addresses: (unitId) => {
      const own = units.find((unit) => unit.unitId === unitId);
      const named = settings.find(({ unitConfig }) => unitConfig.unitId === unitId)?.unitConfig.peers ?? [];
      return {
        ...(own === undefined ? {} : { broker: { host: own.host, port: own.port } }),
        peers: [...units.filter((unit) => unit !== own), ...named],
      };
    },
    close: async () => {
      await Promise.all(mirrors.map((mirror) => mirror.stop()));
    },
  };
}

function meshOf(options: NetworkOptions, brokers: readonly UnitBroker[], units: readonly DaemonUnit[]): Wiring {
  const { settings, clock, log } = options;
  const meshes = new Map(
    brokers.map((broker, index) => {
      const { unitId } = broker.place;
      const { unitConfig, policy } = settings[index] as UnitSettings; // brokers stand in the order of the settings
      const peers = peersOf(unitConfig, units);
      const mesh = new MeshBus({
        broker,
        peers,
        isMember: (id) => policy.memberUnitIds.includes(id),
        clock,
        log: log.child({ unitId }),
      });
      const close = async (): Promise<void> => {
        await peers.close();
        await mesh.close();
        await broker.close();
      };
      return [unitId, { mesh, close }] as const;
    }),
  );
  return {
    join: (unitId, session) => meshes.get(unitId)?.mesh.join(session) as Bus, // one was made for every unit
    addresses: () => undefined,
    close: async () => {
      await Promise.all([...meshes.values()].map(({ close }) => close()));
    },
  };
}

/** Whom a unit may find: its neighbours in the same process, and those that its config names. */
const peersOf = ({ unitId, peers }: UnitSettings['unitConfig'], units: readonly DaemonUnit[]): PeerSource =>
  joinedPeers([staticPeers(units.filter((unit) => unit.unitId !== unitId)), staticPeers(peers)]);
