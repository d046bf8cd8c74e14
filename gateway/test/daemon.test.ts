import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { PacedClock } from '../src/adapters/paced-clock.ts';
import { startDaemon } from '../src/cli/daemon.ts';
import { demoSettings } from '../src/cli/demo-set-up.ts';
import { UnitClient } from '../src/client/index.ts';
import { demoPolicy } from '../src/config/defaults.ts';
import type { UnitSettings } from '../src/config/load-unit.ts';
import { formatTimestamp } from '../src/domain/index.ts';
import { silentLog } from '../src/ports/index.ts';

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
