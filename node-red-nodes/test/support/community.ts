import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnitBroker } from '../../../gateway/src/adapters/broker/unit-broker.ts';
import { MqttMirror } from '../../../gateway/src/adapters/mesh/mqtt-mirror.ts';
import type { EmulationBody, EmulationState } from '../../../gateway/src/domain/emulation.ts';
import type { OperatorBody } from '../../../gateway/src/domain/messages.ts';
import type { DealQuestion } from '../../../gateway/src/domain/question.ts';
import type { UnitData } from '../../../gateway/src/domain/unit-data.ts';
import type { WiredCommand } from '../../../gateway/src/domain/wired-device.ts';
import type { Bus } from '../../../gateway/src/ports/bus.ts';
import { silentLog } from '../../../gateway/src/ports/log.ts';
import { MemoryBusHub } from '../../../gateway/src/ports/memory-bus.ts';
import { VirtualClock } from '../../../gateway/src/ports/virtual-clock.ts';
import { aBirth, aMode, aUnit } from '../../../gateway/test/support/messages.ts';

export interface FakeUnit {
  readonly bus: Bus;
  readonly port: number;
  readonly heard: (OperatorBody | EmulationBody)[];
  /** What the unit's device said, `heartbeat` or `dcdc/<id>` and the like; empty unless the unit is wired. */
  readonly said: { readonly key: string; readonly body: unknown }[];
  /** Asks something of the unit's device. */
  ask(command: WiredCommand): void;
  /** Asks before it says a request or an accept. */
  question(asked: DealQuestion): void;
  stop(): Promise<void>;
}

export interface FakeCommunity {
  readonly units: Readonly<Record<string, FakeUnit>>;
  /** Data directory with the `daemon.json` of these units, as `apis up` hands it to Node-RED. */
  readonly dataDir: string;
  unit(unitId: string): FakeUnit;
  stop(): Promise<void>;
}

export interface FakeCommunityOptions {
  readonly dataDir?: string;
  readonly speed?: number;
  readonly ports?: Readonly<Record<string, number>>;
  /** Flows drive the devices of all units. */
  readonly wired?: boolean;
  /** Reason with which every operator's message is refused. */
  readonly refuse?: string;
  /** How the emulation stands that units tell of; without it they tell of none. */
  readonly emulation?: () => EmulationState;
}

const PLACE = { communityId: 'test', clusterId: 'one' };

async function aFakeUnit(hub: MemoryBusHub, unitId: string, options: FakeCommunityOptions): Promise<FakeUnit> {
  const heard: (OperatorBody | EmulationBody)[] = [];
  const said: FakeUnit['said'] = [];
  const broker = await UnitBroker.open({
    ...PLACE,
    unitId,
    port: options.ports?.[unitId] ?? 0,
    log: silentLog,
    onOperator: (body) => {
      if (options.refuse !== undefined) throw new Error(options.refuse);
      if (body.kind !== 'emulation.look') heard.push(body);
      return body.kind.startsWith('emulation.') ? options.emulation?.() : undefined;
    },
    ...(options.wired
      ? { onDevice: (key, payload) => void said.push({ key, body: JSON.parse(Buffer.from(payload).toString('utf8')) }) }
      : {}),
  });
  const mirror = new MqttMirror(broker, hub);
  const ask = (command: WiredCommand): void => broker.tellFlow('device-command', command.id, command);
  const question = (asked: DealQuestion): void => broker.tellFlow('question', asked.id, asked);
  return {
    said,
    ask,
    question,
    bus: hub.join(unitId, `${unitId}-session`),
    port: mirror.address.port,
    heard,
    stop: () => mirror.stop(),
  };
}

const host = '127.0.0.1';

/** What a unit says whose devices a flow drives. */
export function aWiredUnitData(unitId: string): UnitData {
  const unit = aUnit(unitId);
  return { ...unit, apis: { ...unit.apis, wired_device: true } };
}

/** Units with real brokers on loopback that say what a test lets them say; nothing behind them. */
export async function aFakeCommunity(
  unitIds: readonly string[],
  options: FakeCommunityOptions = {},
): Promise<FakeCommunity> {
  const hub = new MemoryBusHub(new VirtualClock(Date.UTC(2026, 0, 2)));
  const entries = await Promise.all(unitIds.map(async (id) => [id, await aFakeUnit(hub, id, options)] as const));
  const units = Object.fromEntries(entries);
  const addresses = entries.map(([unitId, { port }]) => ({ unitId, host, port }));
  for (const [unitId, { bus }] of entries) {
    const peers = addresses.filter((address) => address.unitId !== unitId);
    bus.publish('birth', '', aBirth(unitId, { peers }));
    bus.publish('mode', '', aMode());
    bus.publish('unit', '', options.wired ? aWiredUnitData(unitId) : aUnit(unitId));
  }
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'apis-nodes-')));
  const daemon = { pid: process.pid, units: addresses, speed: options.speed ?? 1 };
  await writeFile(join(dataDir, 'daemon.json'), JSON.stringify(daemon));
  return {
    units,
    dataDir,
    unit: (unitId) => {
      const unit = units[unitId];
      if (unit === undefined) throw new Error(`no unit ${unitId} in this community`);
      return unit;
    },
    stop: async () => {
      await Promise.all(entries.map(([, unit]) => unit.stop()));
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}
