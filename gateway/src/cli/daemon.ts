import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { FlowDevice } from '../adapters/drivers/flow-device.ts';
import { DealLogFiles } from '../adapters/files/deal-log-files.ts';
import { DurableStore } from '../adapters/files/durable-store.ts';
import { timeHoldingStore } from '../adapters/files/time-holding-store.ts';
import { watchExpiry } from '../adapters/identity/expiry-watch.ts';
import { networkIdentity } from '../adapters/identity/network-identity.ts';
import type { TlsIdentity } from '../adapters/identity/tls-identity.ts';
import { PacedClock } from '../adapters/system/paced-clock.ts';
import { runStopCommand } from '../adapters/system/stop-command.ts';
import { SystemClock } from '../adapters/system/system-clock.ts';
import { SystemEntropy } from '../adapters/system/system-entropy.ts';
import { type EmulatorApi, startEmulatorApi } from '../api/emulator-api.ts';
import type { Pacer } from '../api/emulator-routes.ts';
import { stopCommandOf } from '../config/device-field.ts';
import type { UnitSettings } from '../config/load-unit.ts';
import type { EmulationBody, EmulationState } from '../domain/emulation.ts';
import { ConfigError, InternalError } from '../domain/errors.ts';
import type { OperatorBody } from '../domain/messages.ts';
import type { EpochMsec } from '../domain/quantities.ts';
import type { WiredCommand } from '../domain/wired-device.ts';
import { LocalCommunity } from '../emulation/community.ts';
import type { Dataset } from '../emulation/dataset.ts';
import { World } from '../emulation/world.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Device } from '../ports/device.ts';
import { SeededEntropy } from '../ports/entropy.ts';
import type { ExclusiveLocks } from '../ports/exclusive-locks.ts';
import type { Log } from '../ports/log.ts';
import type { Unit } from '../unit/unit.ts';
import { lockConverters } from './converter-lock.ts';
import { type DaemonNetwork, type DaemonUnit, isMesh, openNetwork } from './daemon-network.ts';
import { demoHouse } from './demo-set-up.ts';
import { emulationDesk, isEmulationBody } from './emulation-desk.ts';
import { httpDeviceOf } from './http-device-of.ts';
import { LiveSettings } from './live-settings.ts';
import { LoopWatch } from './loop-watch.ts';
import { waitingFor } from './waiting-for.ts';

/** First port of the units' brokers; each further unit takes the next one. */
export const FIRST_BROKER_PORT = 18_830;
const EMULATION_SEED = 1;
/** Emulated time stands still while the disk works, and the loops with it: that is no hang, up to this. */
const SLOW_DISK_MSEC = 30_000;
const BEAT_MSEC = 500;
/** A safe-stop that is still at work has the converter first (RULE-11). */
const SAFE_STOP_MSEC = 15_000;

export interface DaemonOptions {
  readonly settings: readonly UnitSettings[];
  readonly dataDir: string;
  readonly log: Log;
  /** Times wall speed; other than 1 only when every device is emulated (architecture.md §6). */
  readonly speed?: number;
  /** Where emulated time begins; default now. */
  readonly startAt?: EpochMsec;
  /** Sun and load of emulated houses. */
  readonly dataset?: Dataset;
  /** The dataset is somebody's own: it is played as it was recorded, for every house alike. */
  readonly isRecorded?: boolean;
  /** Default `FIRST_BROKER_PORT`; 0 takes free ports. */
  readonly firstBrokerPort?: number;
  /** Called whenever a control loop has gone round and none of the others is late. */
  readonly onBeat?: () => void;
}

/** Units, their brokers and, where devices are emulated, the physics: everything of one process. */
export interface Daemon {
  readonly units: readonly DaemonUnit[];
  readonly speed: number;
  /** Where its emulated houses can be reached over HTTP, when it has some. */
  readonly emulator?: { readonly host: string; readonly port: number };
  /** Tells every speed that an operator sets later. */
  watchSpeed(tell: (speed: number) => void): void;
  /** Resolves when every unit has measured and knows its grid master. */
  readonly ready: Promise<void>;
  /** What `ready` waits for, in words; empty when it is there. */
  waitingFor(): readonly string[];
  /** Rejects `ConfigError` when a unit must go because it lives in another process already; never resolves. */
  readonly displaced: Promise<never>;
  /** Orderly end: every converter in WAIT, brokers closed. */
  stop(): Promise<void>;
}

/** Starts a daemon; rejects with `ConfigError` before anything runs, or with the error of a port that is taken. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { settings } = options;
  const emulated = settings.filter(isEmulated);
  const speed = options.speed ?? 1;
  checkSettings(settings, emulated.length, speed);
  const driven = settings.filter((one) => !isEmulated(one) && !isWired(one)).map(({ unitConfig }) => unitConfig);
  const lock = await lockConverters(driven, SAFE_STOP_MSEC);
  try {
    const daemon = await startLocked(options, emulated, speed);
    return { ...daemon, stop: () => daemon.stop().finally(() => lock.release()) };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function startLocked(options: DaemonOptions, emulated: readonly UnitSettings[], speed: number): Promise<Daemon> {
  const { settings, log, dataDir } = options;

  const zoneOffsetMinutes = settings[0]?.unitConfig.timeZoneOffsetMinutes;
  const start = options.startAt ?? Date.now();
  const paced =
    emulated.length === settings.length && !isMesh(settings)
      ? new PacedClock({ speed, start, zoneOffsetMinutes: zoneOffsetMinutes ?? 0 })
      : undefined;
  const clock: Clock = paced ?? new SystemClock(zoneOffsetMinutes);
  const housed = settings.filter(hasHouse);
  const world = housed.length === 0 ? undefined : worldOf(housed, clock, options);
  let network: DaemonNetwork | undefined;
  const flowDevices = new Map(
    settings.filter(isWired).map((one) => {
      const { unitId } = one.unitConfig;
      return [
        unitId,
        flowDeviceOf(one, clock, (command) => network?.tellFlow(unitId, 'device-command', command.id, command)),
      ];
    }),
  );
  const devices = await Promise.all(
    settings.map((one) => flowDevices.get(one.unitConfig.unitId) ?? deviceOf(one, world)),
  );
  const locks = await Promise.all(settings.map(batteryLocksOf));
  const houses = new Map(housed.map((one) => [houseOf(one), one.unitConfig.unitId]));

  // The brokers stand before the units speak; their operators' words reach units that exist by then.
  let community: LocalCommunity | undefined;
  const onSpeed = new Set<(speed: number) => void>();
  const pacer = paced && pacerOf(paced, onSpeed);
  const emulate = emulationDesk(world, houses, pacer);
  const operate = async (unitId: string, body: OperatorBody | EmulationBody): Promise<EmulationState | undefined> => {
    if (isEmulationBody(body)) return emulate(body);
    const unit = community?.unit(unitId);
    if (unit === undefined) throw new InternalError(`${unitId} is still starting`);
    await unit.operate(body);
    return undefined;
  };
  let emulator: EmulatorApi | undefined;
  try {
    network = await openNetwork({
      settings,
      directoryOf: (one) => directoryOf(one, dataDir),
      clock,
      log,
      firstBrokerPort: options.firstBrokerPort ?? FIRST_BROKER_PORT,
      operate,
      hearDevice: (unitId) => {
        const device = flowDevices.get(unitId);
        return device && ((key, payload) => device.hear(key, payload));
      },
    });
    emulator = world && (await startEmulatorApi({ world, port: 0, log, ...(pacer && { pacer }) }));
  } catch (error) {
    world?.close();
    await network?.close();
    throw error;
  }
  const { units } = network;
  const loops = new LoopWatch(clock, options.onBeat);
  const patience = paced && setInterval(() => isDiskSlow(paced) && options.onBeat?.(), BEAT_MSEC);
  const live = settings.map((one) => new LiveSettings(one));

  const held = <T>(work: Promise<T>): Promise<T> => paced?.during(work) ?? work;
  community = new LocalCommunity({
    clock,
    hub: network,
    log,
    policyHash: hashOf,
    pulse: loops.pulse,
    members: live.map((one, index) => {
      const { unitId } = one.unitConfig;
      const directory = directoryOf(one, dataDir);
      const ledger = ledgerOf(one, directory);
      const addresses = network?.addresses(unitId);
      const store = new DurableStore(directory, (report) => log.warn({ unitId, ...report }, 'store.recovered'));
      return {
        settings: one,
        device: devices[index] as Device, // one was opened for every unit
        store: paced === undefined ? store : timeHoldingStore(store, paced),
        saveFinished: async (deal) => {
          await held(ledger.save(deal));
        },
        entropy: new SystemEntropy(),
        network: networkIdentity(),
        question: (question) => network?.tellFlow(unitId, 'question', question.id, question),
        ...locks[index],
        ...(addresses === undefined ? {} : { addresses }),
      };
    }),
  });

  try {
    await network.admitted();
  } catch (error) {
    await emulator?.close();
    world?.close();
    await network.close();
    throw error;
  }
  paced?.start();
  const started = community.start();
  const unfollow = live.map((one) => {
    const unit = community.unit(one.unitConfig.unitId);
    return one.follow({
      changed: () => unit?.settingsChanged(),
      refused: (message, reason) => unit?.settingsRefused(message, reason),
    });
  });
  const unwatch = community.units.map((unit) => watchCertificate(unit, network?.identity(unit.unitId)));
  const ready = started.then(() => community.ready());
  const stop = async (): Promise<void> => {
    clearInterval(patience);
    for (const end of [...unfollow, ...unwatch]) end();
    await started.catch(() => undefined); // a failed start is the business of whoever awaits `ready`
    await community.stop();
    await emulator?.close();
    world?.close();
    await paced?.stop();
    await network.close();
  };
  const { units: running } = community;
  const members = settings[0]?.policy.memberUnitIds ?? [];
  return {
    units,
    speed,
    ...(emulator === undefined ? {} : { emulator: { host: emulator.host, port: emulator.port } }),
    watchSpeed: (tell) => onSpeed.add(tell),
    ready,
    waitingFor: () => waitingFor(running, members),
    displaced: network.displaced,
    stop,
  };
}

const isDiskSlow = ({ heldForMsec }: PacedClock): boolean => heldForMsec > 0 && heldForMsec < SLOW_DISK_MSEC;

/** Certificates age in true time, whatever the pace of emulated houses. */
const watchCertificate = (unit: Unit, tls: TlsIdentity | undefined): Unsubscribe =>
  tls === undefined
    ? () => {}
    : watchExpiry({
        clock: new SystemClock(),
        identity: () => tls.identity,
        warn: (reason, message) => unit.warn(reason, message),
      });

const directoryOf = ({ unitConfig }: UnitSettings, dataDir: string): string =>
  unitConfig.dataDir ?? join(dataDir, unitConfig.unitId);

const isEmulated = ({ unitConfig }: UnitSettings): boolean => unitConfig.device?.type === 'emulated';

const isWired = ({ unitConfig }: UnitSettings): boolean => unitConfig.device?.type === 'flow';

/** A house of the emulated place; that of a wired unit is driven by a flow over HTTP. */
const hasHouse = (one: UnitSettings): boolean =>
  isEmulated(one) || (isWired(one) && one.unitConfig.device?.house !== undefined);

const pacerOf = (clock: PacedClock, onSpeed: ReadonlySet<(speed: number) => void>): Pacer => ({
  speed: () => clock.speed,
  setSpeed: (speed) => {
    clock.setSpeed(speed);
    for (const tell of onSpeed) tell(speed);
  },
});

/** The driver of a device behind a flow; its deadline is that of every driver call. */
function flowDeviceOf(one: UnitSettings, clock: Clock, say: (command: WiredCommand) => void): FlowDevice {
  const stopCommand = stopCommandOf(one.unitConfig.device);
  return new FlowDevice({
    clock,
    session: new SystemEntropy().uuid(),
    deadlineMsec: one.policy.controller.requestTimeoutMsec,
    say,
    ...(stopCommand && { stopIndependently: () => runStopCommand(stopCommand, SAFE_STOP_MSEC) }),
  });
}

const houseOf = ({ unitConfig }: UnitSettings): string => String(unitConfig.device?.house ?? unitConfig.unitId);

function checkSettings(settings: readonly UnitSettings[], emulated: number, speed: number): void {
  const refuse = (path: string, message: string): never => {
    throw new ConfigError([{ file: 'set-up', path, message }]);
  };
  const ids = settings.map(({ unitConfig }) => unitConfig.unitId);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (ids.length === 0) refuse('units', 'expected at least one unit config, got none');
  if (twice !== undefined) refuse('unitId', `expected every unit to have an id of its own, got ${twice} twice`);
  // One process is one bus and one clock: what is meant for all must be the same in all.
  const alike: Readonly<Record<string, (one: UnitSettings) => unknown>> = {
    communityId: ({ unitConfig }) => unitConfig.communityId,
    clusterId: ({ unitConfig }) => unitConfig.clusterId,
    timeZoneOffsetMinutes: ({ unitConfig }) => unitConfig.timeZoneOffsetMinutes,
    policyFile: ({ policy }) => hashOf(policy),
  };
  for (const [key, read] of Object.entries(alike)) {
    const values = [...new Set(settings.map(read))];
    if (values.length > 1) refuse(key, `expected the same for all units of one process, got ${values.join(' and ')}`);
  }
  if (speed !== 1 && emulated < ids.length) {
    refuse('speed', `expected 1 because a real device is among the units, got ${speed}`);
  }
  if (speed !== 1 && isMesh(settings)) {
    refuse('speed', `expected 1 because members of the cluster run in other processes, got ${speed}`);
  }
}

function worldOf(settings: readonly UnitSettings[], clock: Clock, { dataset, isRecorded }: DaemonOptions): World {
  return new World({
    clock,
    entropy: new SeededEntropy(EMULATION_SEED),
    houses: settings.map((one) => ({
      ...(isRecorded ? { rsoc: demoHouse(houseOf(one)).rsoc } : demoHouse(houseOf(one))),
      id: houseOf(one),
      capacityWh: one.hwConfig.batteryNominalCapacityWh,
    })),
    ...(dataset === undefined ? {} : { dataset }),
  });
}

async function deviceOf(settings: UnitSettings, world: World | undefined): Promise<Device> {
  return isEmulated(settings) && world !== undefined
    ? world.device(houseOf(settings))
    : httpDeviceOf(settings.unitConfig);
}

/** Only where they are asked for: the locks bring a part of Node that most daemons never need. */
async function batteryLocksOf({ unitConfig }: UnitSettings): Promise<{ batteryLocks?: ExclusiveLocks }> {
  if (!unitConfig.batteryCapacityManagement.enabled) return {};
  const { FileLocks } = await import('../adapters/files/file-locks.ts');
  return { batteryLocks: new FileLocks(unitConfig.fileSystemExclusiveLockFileFormat) };
}

/** An original's `dealLogDirFormat` wins over the data directory (architecture.md §8). */
function ledgerOf({ unitConfig }: UnitSettings, directory: string): DealLogFiles {
  const { dealLogDirFormat } = unitConfig;
  return new DealLogFiles(
    dealLogDirFormat === undefined ? { directory: join(directory, 'deals') } : { dealLogDirFormat },
  );
}

/** Equal policies have equal hashes, whatever the order of their keys. */
function hashOf(policy: unknown): string {
  const canonical = JSON.stringify(policy, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(canonical).digest('hex').slice(0, 16);
}
