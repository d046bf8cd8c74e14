import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { UnitClient } from '../src/client/index.ts';
import { demoHwConfig, demoPolicy, demoUnitConfig } from '../src/config/defaults.ts';
import { emulatedCommunity } from '../src/emulation/emulated-community.ts';
import { MemoryLocks, VirtualClock } from '../src/ports/index.ts';
import { apis, freePorts, type Running } from './support/process.ts';
import { allWaiting, finishedDeals, HOUR, isFlowing, MAY_MORNING, openDeals } from './support/running-community.ts';

// Real processes need their time on a busy machine.
t.setTimeout(180_000);

t.test('§13.2.15 two units on one battery, in clusters of their own', async (t) => {
  /** Two communities on one clock; the battery of `E001` is the same in both. */
  const neighbours = async (charges: readonly [number, number]) => {
    const computer = new MemoryLocks();
    const clock = new VirtualClock(MAY_MORNING);
    const processes = [computer.process(), computer.process()] as const;
    const both = charges.map((rsoc, index) =>
      emulatedCommunity({
        clock,
        seed: index + 1,
        units: 2,
        policy: demoPolicy(['E001', 'E002'], { gridCurrentA: 2, amountWh: 20 }),
        rsoc: [rsoc, 100 - rsoc],
        batteryLocks: { E001: processes[index === 0 ? 0 : 1] },
      }),
    );
    for (const { community } of both) void community.start();
    const roles = (): string[] =>
      both.map((one) => {
        const deal = openDeals(one)[0];
        return deal === undefined ? 'none' : deal.chargeUnitId === 'E001' ? 'charge' : 'discharge';
      });
    return { clock, both, processes, roles };
  };

  t.test('opposite directions go on at the same time', async (t) => {
    const { clock, both, roles } = await neighbours([92, 8]);
    t.ok(await clock.runUntil(() => both.every(isFlowing), 120_000), 'both trade');
    t.same(roles(), ['discharge', 'charge']);
  });

  t.test('of equal directions only one, told with its reason; the other follows when that one has ended', async (t) => {
    const { clock, both, roles } = await neighbours([92, 92]);
    const refusals: string[] = [];
    for (const { community } of both) {
      community.unit('E001')?.onDecision(({ refusal }) => refusals.push(refusal?.reason ?? ''));
    }
    t.ok(await clock.runUntil(() => both.some(isFlowing), 120_000), 'one of them trades');
    const first = both.findIndex(isFlowing);
    await clock.advance(60_000);
    t.same(roles().toSorted(), ['discharge', 'none']);
    t.ok(refusals.includes('battery.in-use'));
    void both[first]?.community.unit('E002')?.operate({ kind: 'mode', value: 'heteronomous' });
    t.ok(await clock.runUntil(() => roles()[1 - first] === 'discharge', HOUR), 'then the other one');
    t.equal(roles()[first], 'none');
  });

  t.test('a direction that was taken while a process was gone ends its deals with a fault', async (t) => {
    const { clock, both, processes } = await neighbours([92, 50]);
    const [first] = both;
    if (first === undefined) throw new Error('there are two');
    t.ok(await clock.runUntil(() => isFlowing(first), 120_000), 'it trades');
    processes[0].crash();
    t.ok(processes[1].tryLock('batteryCapacity.DISCHARGE'), 'free after the crash');
    t.ok(await clock.runUntil(() => allWaiting(first) && openDeals(first).length === 0, 30_000), 'it stops');
    t.ok(finishedDeals(first).every((deal) => String(deal.abortReason).includes('battery.in-use')));
  });
});

/** The process of a cluster of two houses with its own directory; the battery of `E001` is that of its neighbour, too. */
async function aGateway(t: Test, directory: string, clusterId: string): Promise<Running> {
  const path = (name: string): string => join(directory, `${clusterId}-${name}`);
  const unitIds = ['E001', 'E004'];
  const ports = await freePorts(unitIds.length);
  const scenario = {
    acceptSelection: { strategy: 'pointAndAmount' },
    '00:00:00-24:00:00': {
      batteryStatus: { '3600-': 'excess', '-3600': 'short' },
      request: { short: { charge: { limitWh: 3600, pointPerWh: 10 } } },
      accept: { excess: { discharge: { limitWh: 2400, pointPerWh: 10 } } },
    },
  };
  const configOf = (unitId: string, port: number | undefined) => ({
    ...demoUnitConfig(unitId, { clusterId }),
    hwConfigFile: path('hwConfig.json'),
    policyFile: path('policy.json'),
    scenarioFile: path('scenario.json'),
    mqtt: { port },
    batteryCapacityManagement: { enabled: unitId === 'E001' },
    fileSystemExclusiveLockFileFormat: join(directory, '%s.lock'),
  });
  const files = {
    // So much energy that the first deal outlives the test.
    'policy.json': demoPolicy(unitIds, { gridCurrentA: 2, amountWh: 1_000 }),
    'hwConfig.json': demoHwConfig(),
    'scenario.json': scenario,
    ...Object.fromEntries(unitIds.map((unitId, index) => [`${unitId}.json`, configOf(unitId, ports[index])])),
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path(name), JSON.stringify(content));
  const configs = unitIds.flatMap((unitId) => ['--config', path(`${unitId}.json`)]);
  const gateway = apis('gateway', ...configs, '--data', path('data'), '--speed', '60');
  t.teardown(() => gateway.child.kill('SIGKILL'));
  await gateway.says('out', /Gateway ready/);
  return gateway;
}

async function clientOf(t: Test, { out }: Running): Promise<UnitClient> {
  const [, host, port] = /E001 at ([\d.]+):(\d+)/.exec(out) ?? [];
  const client = UnitClient.attach({ host: String(host), port: Number(port) });
  t.teardown(() => client.close());
  await client.ready(20_000);
  return client;
}

t.test('§13.2.15 two gateways on one battery, one of them killed with -9', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'apis-shared-battery-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const first = await aGateway(t, directory, 'north');
  const atFirst = await clientOf(t, first);
  await atFirst.when(({ deals }) => deals.some((deal) => deal.startDateTime !== undefined), 30_000);
  const second = await aGateway(t, directory, 'south');
  const atSecond = await clientOf(t, second);
  const since = Number(atSecond.state().time);
  await atSecond.when(({ time }) => Number(time) - since > 5 * 60_000, 60_000); // of emulated time
  t.equal(atSecond.state().deals.length, 0, 'no second discharge of the same battery');
  t.equal(first.child.kill('SIGKILL'), true);
  await first.ended;
  await atSecond.when(({ deals }) => deals.some((deal) => deal.dischargeUnitId === 'E001'), 60_000);
  t.pass('the dead hold nothing');
  second.child.kill('SIGTERM');
  t.equal(await second.ended, 0);
});
