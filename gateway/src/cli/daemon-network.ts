import type { UnitAddress } from '../adapters/broker/broker-connection.ts';
import { UnitBroker } from '../adapters/broker/unit-broker.ts';
import type { Discovery } from '../adapters/discovery/discovery.ts';
import { mdnsPeers } from '../adapters/discovery/mdns-peers.ts';
import { networkIdentity } from '../adapters/identity/network-identity.ts';
import type { TlsIdentity } from '../adapters/identity/tls-identity.ts';
import { MeshBus } from '../adapters/mesh/mesh-bus.ts';
import { MqttMirror } from '../adapters/mesh/mqtt-mirror.ts';
import { joinedPeers, staticPeers } from '../adapters/mesh/peer-source.ts';
import { shareRevocations } from '../adapters/mesh/revocation-gossip.ts';
import type { UnitSettings } from '../config/load-unit.ts';
import type { EmulationBody, EmulationState } from '../domain/emulation.ts';
import { ConfigError } from '../domain/errors.ts';
import type { Birth, OperatorBody } from '../domain/messages.ts';
import type { Bus } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { MemoryBusHub } from '../ports/memory-bus.ts';
import { isEverywhere, openTls, type UnitTls } from './broker-tls.ts';
import { openDiscovery } from './daemon-discovery.ts';

/** A unit, and where clients on this machine reach it. */
export type DaemonUnit = { readonly unitId: string } & UnitAddress;

export interface NetworkOptions {
  readonly settings: readonly UnitSettings[];
  /** Directory of a unit's data. */
  readonly directoryOf: (settings: UnitSettings) => string;
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
  /** The certificates of a unit; undefined for one whose broker speaks plainly. */
  identity(unitId: string): TlsIdentity | undefined;
  /** Says something to the flows at a unit, as `UnitBroker` does. */
  tellFlow(unitId: string, ...said: Parameters<UnitBroker['tellFlow']>): void;
  /** Resolves when the units may begin; rejects `ConfigError` when one of them lives already in another process. */
  admitted(): Promise<void>;
  /** Rejects, with the same, when that is found out later; never resolves. */
  readonly displaced: Promise<never>;
  close(): Promise<void>;
}

/** True when members of the cluster run in other processes: then every unit speaks and listens through brokers. */
export const isMesh = (settings: readonly UnitSettings[]): boolean => {
  const here = settings.map(({ unitConfig }) => unitConfig.unitId);
  return settings.some(({ policy }) => policy.memberUnitIds.some((unitId) => !here.includes(unitId)));
};

/** A unit's broker with its certificates. */
interface Station {
  readonly broker: UnitBroker;
  readonly settings: UnitSettings;
  readonly tls: UnitTls | undefined;
}

/**
 * Opens the brokers of all units; rejects with `ConfigError` or the error of a port that is taken, and then leaves
 * nothing open.
 */
export async function openNetwork(options: NetworkOptions): Promise<DaemonNetwork> {
  const stations: Station[] = [];
  const discoveries: (Discovery | undefined)[] = [];
  try {
    for (const [index, settings] of options.settings.entries())
      stations.push(await openStation(settings, index, options));
    const units = stations.map(localAddress);
    for (const station of stations) discoveries.push(await discoveryOf(station, units, options));
  } catch (error) {
    await Promise.all([...discoveries.map((discovery) => discovery?.close()), ...stations.map(closeStation)]);
    throw error;
  }
  const units = stations.map(localAddress);
  const stationOf = (unitId: string): Station =>
    stations.find(({ broker }) => broker.place.unitId === unitId) as Station; // one was opened for every unit
  return {
    units,
    identity: (unitId) => stationOf(unitId).tls?.identity,
    tellFlow: (unitId, ...said) => stationOf(unitId).broker.tellFlow(...said),
    ...(isMesh(options.settings)
      ? meshOf(options, stations, units, discoveries)
      : hubOf(options, stations, discoveries)),
  };
}

const discoveryOf = (
  { broker, settings, tls }: Station,
  units: readonly DaemonUnit[],
  { clock, log }: NetworkOptions,
): Promise<Discovery | undefined> =>
  openDiscovery({
    settings,
    broker,
    fingerprint: tls?.identity.identity.fingerprint,
    localIds: units.map(({ unitId }) => unitId),
    clock,
    log: log.child({ unitId: broker.place.unitId }),
  });

type Wiring = Omit<DaemonNetwork, 'units' | 'identity' | 'tellFlow'>;

async function openStation(settings: UnitSettings, index: number, options: NetworkOptions): Promise<Station> {
  const { log, firstBrokerPort, operate, hearDevice } = options;
  const { communityId, clusterId, unitId, mqtt } = settings.unitConfig;
  const tls = await openTls(settings, options.directoryOf(settings), log.child({ unitId }));
  const onDevice = hearDevice(unitId);
  try {
    const broker = await UnitBroker.open({
      communityId,
      clusterId,
      unitId,
      host: mqtt.host,
      port: mqtt.port ?? (firstBrokerPort === 0 ? 0 : firstBrokerPort + index),
      external: mqtt.broker === 'external',
      log,
      onOperator: (body) => operate(unitId, body),
      ...(tls === undefined ? {} : { tls }),
      ...(onDevice === undefined ? {} : { onDevice }),
    });
    return { broker, settings, tls };
  } catch (error) {
    tls?.identity.close();
    throw error;
  }
}

async function closeStation({ broker, tls }: Station): Promise<void> {
  await broker.close();
  tls?.identity.close();
}

function localAddress({ broker, tls }: Station): DaemonUnit {
  const { host, port } = broker.address;
  const local = isEverywhere(host) ? '127.0.0.1' : host;
  return { unitId: broker.place.unitId, host: local, port, ...(tls && { tls: tls.files }) };
}

/** Where the rest of the cluster finds the broker. */
function publicAddress({ broker, settings }: Station): UnitAddress {
  const { host, port } = broker.address;
  const { reachedAt } = settings.unitConfig.mqtt;
  if (reachedAt !== undefined || !isEverywhere(host)) return { host: reachedAt ?? host, port };
  const { ip } = networkIdentity();
  return { host: ip === 'NA' ? '127.0.0.1' : ip, port };
}

/** All members live here: they share one bus in memory, which runs at any speed, and their brokers mirror it. */
function hubOf(
  { clock }: NetworkOptions,
  stations: readonly Station[],
  discoveries: readonly (Discovery | undefined)[],
): Wiring {
  const hub = new MemoryBusHub(clock);
  const mirrors = stations.map(({ broker }) => new MqttMirror(broker, hub));
  return {
    join: (unitId, session) => hub.join(unitId, session),
    addresses: (unitId) => {
      const places = stations.map((station) => ({ unitId: station.broker.place.unitId, ...publicAddress(station) }));
      const named = stations.find(({ broker }) => broker.place.unitId === unitId)?.settings.unitConfig.peers ?? [];
      const own = places.find((place) => place.unitId === unitId);
      return {
        ...(own && { broker: { host: own.host, port: own.port } }),
        peers: [...places.filter((place) => place !== own), ...named],
      };
    },
    admitted: async () => {},
    displaced: new Promise<never>(() => {}),
    close: async () => {
      await Promise.all(discoveries.map((discovery) => discovery?.close()));
      await Promise.all(mirrors.map((mirror) => mirror.stop()));
      for (const { tls } of stations) tls?.identity.close();
    },
  };
}

interface Mesh {
  readonly mesh: MeshBus;
  readonly tls: UnitTls | undefined;
  readonly close: () => Promise<void>;
}

function meshOf(
  { clock, log }: NetworkOptions,
  stations: readonly Station[],
  units: readonly DaemonUnit[],
  discoveries: readonly (Discovery | undefined)[],
): Wiring {
  const { promise: displaced, reject: displace } = Promise.withResolvers<never>();
  displaced.catch(() => undefined); // heard by whoever waits for it
  const meshes = new Map<string, Mesh>(
    stations.map((station, index) => {
      const { broker, settings, tls } = station;
      const discovery = discoveries[index];
      const { unitId } = broker.place;
      const peers = joinedPeers([
        staticPeers(units.filter((unit) => unit.unitId !== unitId)),
        staticPeers(settings.unitConfig.peers),
        ...(discovery === undefined ? [] : [mdnsPeers(discovery, broker.place)]),
      ]);
      const mesh = new MeshBus({
        broker,
        peers,
        reachedAt: publicAddress(station),
        isMember: (id) => settings.policy.memberUnitIds.includes(id),
        onDuplicate: ({ address }) => displace(duplicate(settings, address)),
        clock,
        log: log.child({ unitId }),
        ...(tls && { tls: tls.identity, roles: tls.rules.roles }),
      });
      const close = async (): Promise<void> => {
        await peers.close();
        await mesh.close();
        await closeStation(station);
      };
      return [unitId, { mesh, tls, close }] as const;
    }),
  );
  return {
    join: (unitId, session) => {
      const { mesh, tls } = meshes.get(unitId) as Mesh; // one was made for every unit
      const bus = mesh.join(session);
      if (tls !== undefined) shareRevocations(bus, tls.identity, log.child({ unitId }));
      return bus;
    },
    addresses: () => undefined,
    admitted: async () => {
      await Promise.race([displaced, Promise.all([...meshes.values()].map(({ mesh }) => mesh.firstLook()))]);
    },
    displaced,
    close: async () => {
      await Promise.all([...meshes.values()].map(({ close }) => close()));
    },
  };
}

const duplicate = ({ file, unitConfig: { unitId } }: UnitSettings, { host, port }: UnitAddress): ConfigError =>
  new ConfigError([
    {
      file: file ?? 'set-up',
      path: 'unitId',
      message: `expected an id that no other unit has, got ${unitId}, which lives at ${host}:${port} already`,
    },
  ]);
