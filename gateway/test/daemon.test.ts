import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FileLocks } from '../src/adapters/files/file-locks.ts';
import { PacedClock } from '../src/adapters/system/paced-clock.ts';
import { startDaemon } from '../src/cli/daemon.ts';
import { demoSettings } from '../src/cli/demo-set-up.ts';
import { emulationDesk } from '../src/cli/emulation-desk.ts';
import { fileReader } from '../src/cli/file-reader.ts';
import { LiveSettings } from '../src/cli/live-settings.ts';
import { UnitClient } from '../src/client/index.ts';
import { demoHwConfig, demoPolicy, demoUnitConfig } from '../src/config/defaults.ts';
import { loadUnit, type UnitSettings } from '../src/config/load-unit.ts';
import type { EmulatedFault, EmulationBody } from '../src/domain/emulation.ts';
import { type DealQuestion, type Fault, formatTimestamp } from '../src/domain/index.ts';
import { World } from '../src/emulation/world.ts';
import { SeededEntropy, silentLog, VirtualClock } from '../src/ports/index.ts';

const aDirectory = async (test: { teardown(handler: () => Promise<void>): void }): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'apis-daemon-'));
  test.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
};

/** The demo's settings with one unit changed. */
const withOne = (change: (settings: UnitSettings) => UnitSettings): UnitSettings[] =>
  demoSettings().map((settings, index) => (index === 1 ? change(settings) : settings));

const withConfig = (more: Partial<UnitSettings['unitConfig']>): UnitSettings[] =>
  withOne((settings) => ({ ...settings, unitConfig: { ...settings.unitConfig, ...more } }));

t.test('settings that cannot be one process are refused before anything starts', async (t) => {
  const dataDir = await aDirectory(t);
  const [first] = demoSettings();
  const refused: Readonly<Record<string, { settings: readonly UnitSettings[]; speed?: number; says: RegExp }>> = {
    'no unit': { settings: [], says: /at least one unit config, got none/ },
    'one unit twice': { settings: first ? [first, first] : [], says: /unitId: .*E001 twice/ },
    'two clusters': { settings: withConfig({ clusterId: 'other' }), says: /clusterId: .*demo and other/ },
    'two communities': { settings: withConfig({ communityId: 'other' }), says: /communityId: .*demo and other/ },
    'two time zones': { settings: withConfig({ timeZoneOffsetMinutes: 540 }), says: /timeZoneOffsetMinutes: .*540/ },
    'two policies': {
      settings: withOne((settings) => ({ ...settings, policy: demoPolicy(['E001', 'E002']) })),
      says: /policyFile: .*the same for all units/,
    },
    'faster than life with a real device': {
      settings: withOne(({ unitConfig: { device: _device, ...unitConfig }, ...settings }) => ({
        ...settings,
        unitConfig: { ...unitConfig, systemType: 'dcdc_emulator' },
      })),
      speed: 60,
      says: /speed: expected 1 because a real device/,
    },
  };
  for (const [name, { settings, speed = 1, says }] of Object.entries(refused)) {
    await t.rejects(
      startDaemon({ settings, speed, dataDir, log: silentLog, firstBrokerPort: 0 }),
      {
        name: 'ConfigError',
        message: says,
      } as unknown as Error,
      name,
    );
  }
});

t.test('a driver without an address is refused with the key that is missing', async (t) => {
  const dataDir = await aDirectory(t);
  for (const [systemType, key] of [
    ['dcdc_emulator', 'emulator'],
    ['dcdc_v1', 'dcdc_controller'],
  ] as const) {
    const settings = withConfig({ systemType }).map(({ unitConfig: { device: _device, ...unitConfig }, ...rest }) => ({
      ...rest,
      unitConfig: { ...unitConfig, systemType },
    }));
    await t.rejects(startDaemon({ settings, dataDir, log: silentLog, firstBrokerPort: 0 }), {
      message: new RegExp(`connection.${key}: expected host and port`),
    } as unknown as Error);
  }
});

t.test('the emulated place has its own time of day', async (t) => {
  const clock = new PacedClock({ speed: 1, start: Date.UTC(2020, 4, 15, 9), zoneOffsetMinutes: 540 });
  t.equal(formatTimestamp(clock.now(), clock.zoneOffsetMinutes()), '2020/05/15-18:00:00');
});

t.test('a battery that other processes use is locked while a deal moves its energy (control.md §2.1)', async (t) => {
  const dataDir = await aDirectory(t);
  const fileSystemExclusiveLockFileFormat = join(dataDir, 'apis.%s.lock');
  const settings = withConfig({ batteryCapacityManagement: { enabled: true }, fileSystemExclusiveLockFileFormat });
  const startAt = Date.UTC(2020, 4, 15, 9);
  const daemon = await startDaemon({ settings, speed: 60, startAt, dataDir, log: silentLog, firstBrokerPort: 0 });
  await daemon.ready;
  const client = UnitClient.attach(daemon.units[0] ?? { host: '', port: 0 });
  await client.ready(10_000);
  await client.when((state) => state.deals.some((deal) => deal.dischargeUnitId === 'E002'), 20_000);
  const others = new FileLocks(fileSystemExclusiveLockFileFormat);
  t.notOk(others.tryLock('batteryCapacity.DISCHARGE'), 'E002 discharges');
  t.ok(others.tryLock('batteryCapacity.CHARGE'));
  await client.close();
  await daemon.stop();
  t.ok(others.tryLock('batteryCapacity.DISCHARGE'), 'nothing is left locked');
});

/** The files of two houses, and a way to change them as an editor does: the new file takes the place of the old one. */
async function twoHouses(directory: string) {
  const write = async (name: string, content: unknown): Promise<void> => {
    await writeFile(join(directory, `${name}.new`), typeof content === 'string' ? content : JSON.stringify(content));
    await rename(join(directory, `${name}.new`), join(directory, name));
  };
  const aScenario = (request: object) => ({
    refreshingPeriodMsec: 50,
    acceptSelection: { strategy: 'pointAndAmount' },
    '00:00:00-24:00:00': {
      batteryStatus: { '3600-': 'excess', '-3600': 'short' },
      request,
      accept: { excess: { discharge: { limitWh: 3600, pointPerWh: 10 } } },
    },
  });
  const unitIds = ['E001', 'E004'];
  const policy = demoPolicy(unitIds, { gridCurrentA: 2, amountWh: 100 });
  await write('policy.json', policy);
  await write('hwConfig.json', demoHwConfig());
  await write('scenario.json', aScenario({}));
  for (const unitId of unitIds) await write(`${unitId}.json`, demoUnitConfig(unitId));
  const settings = unitIds.map((unitId) => loadUnit(join(directory, `${unitId}.json`), fileReader).value);
  const asking = aScenario({ short: { charge: { limitWh: 3600, pointPerWh: 10 } } });
  return { write, policy, settings, asking };
}

t.test('settings follow their files; what is wrong changes nothing and is told (market.md §1.8)', async (t) => {
  const directory = await aDirectory(t);
  const { write, policy, settings, asking } = await twoHouses(directory);
  const [first] = settings;
  if (first === undefined) throw new Error('there are two');
  const live = new LiveSettings(first);
  const heard = Promise.withResolvers<string>();
  let next = heard;
  const end = live.follow({
    changed: () => next.resolve('changed'),
    refused: (message, why) => next.resolve(`${why} ${message}`),
  });
  t.teardown(end);
  const alive = setInterval(() => {}, 1_000); // watching files keeps no process alive
  t.teardown(() => clearInterval(alive));
  const after = async (change: () => Promise<void>): Promise<string> => {
    next = Promise.withResolvers<string>();
    await change();
    return next.promise;
  };

  t.match(await after(() => write('scenario.json', '{ "00:00:00-24:00:00": ')), /settings\.refused .*scenario\.json/);
  t.equal(await after(() => write('scenario.json', asking)), 'changed');
  t.equal(live.scenario.windows[0]?.request.get('short')?.charge?.limitWh, 3600);
  t.match(await after(() => rm(join(directory, 'hwConfig.json'))), /hwConfig\.json.* cannot be read/);
  t.equal(live.hwConfig.droopRatio, demoHwConfig().droopRatio, 'the last good one stays');
  t.equal(await after(() => write('hwConfig.json', { ...demoHwConfig(), droopRatio: 0.02 })), 'changed');
  t.equal(live.hwConfig.droopRatio, 0.02);
  const inconsistent = { ...demoHwConfig(), gridCurrentAllowanceA: 3 };
  t.match(
    await after(() => write('hwConfig.json', inconsistent)),
    /gridCurrentAllowanceA: expected less than the policy/,
  );
  t.equal(live.hwConfig.gridCurrentAllowanceA, demoHwConfig().gridCurrentAllowanceA);
  await after(() => write('hwConfig.json', demoHwConfig()));
  const other = { ...policy, gridVoltageAllowanceV: 5 };
  t.match(
    await after(() => write('policy.json', other)),
    /settings\.policy-differs .*policy\.json has changed: .* next start/,
  );
  t.equal(live.policy.gridVoltageAllowanceV, policy.gridVoltageAllowanceV);
  new LiveSettings(demoSettings()[0] ?? first).follow({ changed: () => t.fail(), refused: () => t.fail() })();
});

t.test('a flow at the broker of its unit is asked before a request, and asks for a deal itself', async (t) => {
  const dataDir = await aDirectory(t);
  const { write, settings, asking } = await twoHouses(dataDir);
  const startAt = Date.UTC(2020, 4, 15, 9);
  const daemon = await startDaemon({ settings, startAt, dataDir, log: silentLog, firstBrokerPort: 0 });
  t.teardown(() => daemon.stop());
  await daemon.ready;
  const client = UnitClient.attach(daemon.units[1] ?? { host: '', port: 0 });
  t.teardown(() => client.close());
  await client.ready(10_000);
  const wish = { kind: 'deal.request', type: 'charge', amountWh: 100 } as const;
  await t.rejects(client.send(wish), { reason: 'peer.refused', message: /^scenario\.no-rule: status short/ });

  await client.send({ kind: 'veto', onSilence: 'allow' });
  const asked = () => new Promise<DealQuestion>((resolve) => client.on('question', resolve));
  const first = asked();
  await write('scenario.json', asking);
  const question = await first;
  t.match(question, { step: 'request', offer: { unitId: 'E004', type: 'charge' }, onSilence: 'allow' });
  await client.send({ kind: 'verdict', id: question.id, allow: false, reason: 'not now' });
  await t.rejects(client.send({ kind: 'verdict', id: question.id, allow: true }), { message: /nobody waits/ });
  t.same(client.state().deals, []);

  const second = asked();
  await client.send(wish);
  t.match(await second, { step: 'request', offer: { amountWh: 100 } });
  await client.send({ kind: 'verdict', id: (await second).id, allow: true });
  await client.when(({ deals }) => deals.length > 0, 10_000);
  t.match(client.state().deals, [{ requestUnitId: 'E004', acceptUnitId: 'E001', dealAmountWh: 100 }]);
});

t.test('a scenario that is changed while the daemon runs makes deals, and a wrong one a USER warning', async (t) => {
  const dataDir = await aDirectory(t);
  const { write, settings, asking } = await twoHouses(dataDir);
  const startAt = Date.UTC(2020, 4, 15, 9);
  const daemon = await startDaemon({ settings, speed: 60, startAt, dataDir, log: silentLog, firstBrokerPort: 0 });
  await daemon.ready;
  const client = UnitClient.attach(daemon.units[0] ?? { host: '', port: 0 });
  await client.ready(10_000);
  const isWarning = (one: Fault): boolean =>
    `${one.category} ${one.level} ${one.reason}` === 'USER WARN settings.refused';
  await write('scenario.json', '{ "00:00:00-24:00:00": ');
  await client.when(({ faults }) => new Set(faults.filter(isWarning).map((one) => one.unitId)).size === 2, 20_000);
  t.equal(client.state().deals.length, 0);
  await write('scenario.json', asking);
  await client.when(({ deals }) => deals.some((deal) => deal.chargeUnitId === 'E004'), 20_000);
  t.pass('the new scenario asks for energy');
  await client.close();
  await daemon.stop();
});

t.test('a daemon trades on the disk, obeys an operator over MQTT, and ends in order', async (t) => {
  const dataDir = await aDirectory(t);
  const daemon = await startDaemon({
    settings: demoSettings(),
    speed: 60,
    startAt: Date.UTC(2020, 4, 15, 9),
    dataDir,
    log: silentLog,
    firstBrokerPort: 0,
  });
  t.strictSame(
    daemon.units.map(({ unitId }) => unitId),
    ['E001', 'E002', 'E003', 'E004'],
  );
  await daemon.ready;
  const [first] = daemon.units;
  const client = UnitClient.attach(first ?? { host: '', port: 0 });
  await client.ready(10_000);
  await client.when((state) => state.deals.some((deal) => deal.startDateTime !== undefined), 20_000);

  const before = await client.emulation();
  t.match(before, { speed: 60, houses: [{ houseId: 'E001', unitId: 'E001', faults: [] }, {}, {}, {}] });
  t.ok((before.houses[0]?.rsoc ?? 0) > 80, 'the truth about the first house');
  const speeds: number[] = [];
  daemon.watchSpeed((value) => speeds.push(value));
  await client.send({ kind: 'emulation.speed', value: 120 });
  await client.send({ kind: 'emulation.set', houseId: 'E003', rsoc: 12, pvW: 0 });
  await client.send({ kind: 'emulation.inject', fault: { kind: 'noReply', houseId: 'E002' } });
  const after = await client.emulation();
  t.match(after, { speed: 120, houses: [{}, { faults: ['noReply'] }, { pvW: 0 }, {}] });
  t.ok((after.houses[2]?.rsoc ?? 100) < 15, 'the charge is as it was set');
  t.same(speeds, [120]);
  await t.rejects(client.send({ kind: 'emulation.set', houseId: 'E009', rsoc: 1 }), /E009/);
  await t.rejects(client.send({ kind: 'emulation.set', houseId: 'E001', rsoc: 101 }), /expected 0 … 100 %, got 101/);
  await client.send({ kind: 'emulation.heal', target: { kind: 'noReply', houseId: 'E002' } });
  t.same((await client.emulation()).houses[1]?.faults, [], 'mended');

  await client.send({ kind: 'mode', value: 'stop' });
  await client.when(
    (state) => Object.values(state.units).every(({ unit }) => unit?.dcdc.status.status === '0x0000'),
    20_000,
  );
  t.pass('all converters are in WAIT');
  await client.close();
  await daemon.stop();

  const again = await startDaemon({ settings: demoSettings(), speed: 60, dataDir, log: silentLog, firstBrokerPort: 0 });
  await again.ready;
  const other = UnitClient.attach(again.units[0] ?? { host: '', port: 0 });
  await other.ready(10_000);
  await other.when((state) => state.units.E001?.mode?.global.value === 'stop', 10_000);
  t.pass('RULE-12: the mode outlives the process');
  await other.close();
  await again.stop();
});

t.test('emulation-desk', async (t) => {
  const world = new World({ clock: new VirtualClock(0), entropy: new SeededEntropy(1), houses: 3 });
  const unitIds = new Map([['E001', 'house-one']]);
  const look = { kind: 'emulation.look' } as const;

  t.test('every kind of fault is taken with its numbers, shown while it lasts, and mended', async (t) => {
    const faults: readonly EmulatedFault[] = [
      { kind: 'noReply', houseId: 'E001', probability: 0.5, commandsAct: true },
      { kind: 'lateReply', houseId: 'E001', delayMsec: 900 },
      { kind: 'duplicate', houseId: 'E001' },
      { kind: 'stuckMeter', houseId: 'E001' },
      { kind: 'offsetCurrent', houseId: 'E001', amperes: 0.5 },
      { kind: 'meterOffset', houseId: 'E001', volts: 5 },
      { kind: 'wrongMode', houseId: 'E001', mode: 'WAIT' },
      { kind: 'trip', houseId: 'E001', trip: 'over-current' },
      { kind: 'lightAlarm', houseId: 'E001' },
      { kind: 'heavyAlarm', houseId: 'E001' },
      { kind: 'refuseVoltageReference', houseId: 'E001' },
      { kind: 'secondVoltageSource', houseId: 'E001', volts: 360 },
      { kind: 'leak', houseId: 'E001', siemens: 0.001 },
      { kind: 'batteryLocked', houseId: 'E001' },
      { kind: 'pvDead', houseId: 'E001' },
      { kind: 'houseOffline', houseId: 'E001' },
      { kind: 'overheat', houseId: 'E001', ambientC: 70 },
      { kind: 'clockSkew', houseId: 'E001', offsetMsec: 60_000 },
      { kind: 'reboot', houseId: 'E001' },
    ];
    const emulate = emulationDesk(world, unitIds, undefined);
    for (const fault of faults) emulate({ kind: 'emulation.inject', fault });
    const [first] = emulate(look).houses;
    t.equal(first?.unitId, 'house-one');
    t.same(
      first?.faults,
      faults.map(({ kind }) => kind),
    );
    const broken = emulate({ kind: 'emulation.inject', fault: { kind: 'lineBreak', branch: 'E001-E002' } }).branches;
    t.same(broken, [
      { branch: 'E001-E002', isBroken: true },
      { branch: 'E002-E003', isBroken: false },
    ]);
    const mended = emulate({ kind: 'emulation.heal' });
    t.same([mended.houses[0]?.faults, mended.branches.some(({ isBroken }) => isBroken)], [[], false]);
  });

  t.test('what cannot be is refused with what was expected, and changes nothing (INV-11)', async (t) => {
    const emulate = emulationDesk(world, unitIds, { speed: () => 60, setSpeed: () => t.fail('not set') });
    const before = emulate(look);
    const refused: readonly [body: EmulationBody, why: RegExp][] = [
      [
        { kind: 'emulation.inject', fault: { kind: 'fire', houseId: 'E001' } },
        /kind.*expected one of noReply, .*got "fire"/,
      ],
      [
        { kind: 'emulation.inject', fault: { kind: 'pvDead', houseId: 'E009' } },
        /houseId.*expected one of E001.*got E009/,
      ],
      [
        { kind: 'emulation.inject', fault: { kind: 'lineBreak', houseId: 'E001' } },
        /branch.*expected one of E001-E002/,
      ],
      [{ kind: 'emulation.inject', fault: { kind: 'leak', houseId: 'E001' } }, /siemens/],
      [{ kind: 'emulation.inject', fault: { kind: 'leak', houseId: 'E001', siemens: -1 } }, /siemens/],
      [{ kind: 'emulation.inject', fault: { kind: 'pvDead', houseId: 'E001', why: 'night' } }, /why/],
      [{ kind: 'emulation.heal', target: { kind: 'fire', houseId: 'E001' } }, /kind.*got "fire"/],
      [{ kind: 'emulation.speed', value: 0 }, /speed.*expected 0.1 to 3600 times life, got 0/],
      [{ kind: 'emulation.speed', value: 9999 }, /got 9999/],
    ];
    for (const [body, why] of refused) t.throws(() => emulate(body), why, JSON.stringify(body));
    t.same(emulate(look), before);
  });

  t.test('real devices are out of its reach', async (t) => {
    const nowhere = emulationDesk(undefined, new Map(), undefined);
    t.throws(() => nowhere({ kind: 'emulation.set', houseId: 'E001', rsoc: 1 }), /expected an emulated house/);
    const mixed = emulationDesk(world, unitIds, undefined);
    t.throws(() => mixed({ kind: 'emulation.speed', value: 2 }), /real device/);
    t.equal(mixed(look).speed, 1);
  });
  world.close();
});
