import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmulatorClient, type KnownFault, readDaemonFile, UnitClient } from '@apis-edge/gateway/client';
import type { Deal } from '@apis-edge/gateway/domain';
import { hostFakeGrid } from '@apis-edge/gateway/emulation';
import t from 'tap';
import { aHwConfig, aPolicy, aScenario, aUnitConfig } from '../../gateway/test/config/samples.ts';
import { beside } from '../../gateway/test/support/beside.ts';
import { apis, eventually } from '../../gateway/test/support/process.ts';
import { type Flow, type FlowNode, PACKAGE_DIR } from './support/package-files.ts';
import { RedProcess } from './support/red-process.ts';

const WIRED = 'E004';
const flowOf = (name: string): Flow => JSON.parse(readFileSync(join(PACKAGE_DIR, '..', 'flows', name), 'utf8')) as Flow;
const WIRED_FLOW = flowOf('wired-device.json');

// Everything runs at the speed of life, and a flow that blocks for 20 s takes its time: side by side, each test with a
// gateway and a Node-RED of its own.
t.setTimeout(230_000);
t.jobs = 3;

/** Three gateways and three Node-REDs start at once, beside other tests. */
const START_LIMIT_MSEC = 100_000;

/** Node-RED tells nodes from config nodes by their having a place. */
const PLACED = { x: 0, y: 0 };

const hasBegun = ({ startDateTime }: Deal): boolean => startDateTime?.startsWith('2') === true;
const isRunning = (deal: Deal): boolean => hasBegun(deal) && deal.stopDateTime === undefined;
const isWired = ({ chargeUnitId, dischargeUnitId }: Deal): boolean => [chargeUnitId, dischargeUnitId].includes(WIRED);
/** How a deal ended, for whoever has to find out why. */
const endOf = (deal: Deal | undefined): string => (deal === undefined ? 'it is gone' : JSON.stringify(deal));
type Test = { teardown(act: () => unknown): unknown };

interface TradingSite {
  readonly client: UnitClient;
  readonly red: { process: RedProcess };
  restart(): Promise<void>;
  wiredMode(): Promise<unknown>;
  wiredFaults(): readonly KnownFault[];
  /** Of the deals of built-in drivers that ran at the beginning: why those ended that run no more. */
  othersEnded(): readonly string[];
  silent(): Promise<void>;
  heard(): Promise<void>;
}

interface Site {
  readonly env: NodeJS.ProcessEnv;
  readonly emulator: EmulatorClient;
  readonly client: UnitClient;
  readonly kill: () => void;
}

/** `apis gateway` with emulated houses, in which a flow drives the devices of E004; a client that looks at E001. */
async function aSite(test: Test): Promise<Site> {
  const data = await mkdtemp(join(tmpdir(), 'apis-flow-'));
  const gateway = apis('gateway', '--wired', WIRED, '--data', data);
  test.teardown(async () => {
    gateway.child.kill('SIGKILL');
    await gateway.ended;
    await rm(data, { recursive: true, force: true });
  });
  const file = join(data, 'daemon.json');
  const isThere = await eventually(
    () =>
      readDaemonFile(file).then(
        () => true,
        () => false,
      ),
    START_LIMIT_MSEC,
  );
  if (!isThere) throw new Error(`the gateway does not run: ${gateway.err}`);
  const { units, emulator } = await readDaemonFile(file);
  const [first] = units;
  if (first === undefined || emulator === undefined) throw new Error('expected units and emulated houses');
  const client = UnitClient.attach(first);
  test.teardown(() => client.close());
  return {
    env: { APIS_DATA: data },
    emulator: new EmulatorClient(() => emulator),
    client,
    kill: () => void gateway.child.kill('SIGKILL'),
  };
}

/** The flow with one node changed. */
const changed = (flow: Flow, id: string, more: Partial<FlowNode>): Flow =>
  flow.map((node) => (node.id === id ? { ...node, ...more } : node));

for (const name of ['modbus-battery.json', 'serial-eza2500.json']) {
  t.test(`${name} starts, and its unit trades`, beside(), async (t) => {
    const { client, emulator, env } = await aSite(t);
    const red = await RedProcess.start(flowOf(name), env);
    t.teardown(() => red.kill());
    await client.ready(START_LIMIT_MSEC);
    await client.when((state) => state.deals.some((deal) => isWired(deal) && isRunning(deal)), START_LIMIT_MSEC);
    t.equal((await emulator.state(WIRED)).mode, 'CHARGE');
  });
}

t.test('kill -9 of the gateway: the flow puts the converter to WAIT within 3 s (RULE-18)', beside(), async (t) => {
  // The physics outlives everybody: it runs in the test.
  const grid = await hostFakeGrid({
    houses: [
      { id: 'E001', rsoc: 92 },
      { id: WIRED, rsoc: 30 },
    ],
  });
  t.teardown(() => grid.close());
  const emulator = new EmulatorClient(() => grid);
  const data = await mkdtemp(join(tmpdir(), 'apis-lost-'));
  const policy = { ...aPolicy(), memberUnitIds: ['E001', WIRED], operationMode: 'autonomous' };
  const unit = { ...aUnitConfig(), connection: { emulator: { host: grid.host, port: grid.port } } };
  const { systemType: _, connection: __, ...plain } = aUnitConfig();
  const files = {
    'policy.json': policy,
    'hwConfig.json': aHwConfig(),
    'scenario.json': aScenario(),
    'a.json': { ...unit, unitId: 'E001' },
    'b.json': { ...plain, unitId: WIRED, device: { type: 'flow', safeStop: 'watchdog' } },
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(data, name), JSON.stringify(content));
  const gateway = apis('gateway', join(data, 'a.json'), join(data, 'b.json'), '--data', data);
  t.teardown(async () => {
    gateway.child.kill('SIGKILL');
    await gateway.ended;
    await rm(data, { recursive: true, force: true });
  });
  const there = { source: 'address', host: grid.host, port: String(grid.port) };
  const flow = changed(changed(WIRED_FLOW, 'cfg.grid', there), 'flow.wired.fake-dcdc', { watchdogMsec: '' });
  const red = await RedProcess.start(flow, { APIS_DATA: data });
  t.teardown(() => red.kill());
  const isCharging = async (): Promise<boolean> => (await emulator.state(WIRED)).mode === 'CHARGE';
  t.ok(await eventually(isCharging, START_LIMIT_MSEC), gateway.err.slice(-2_000));
  gateway.child.kill('SIGKILL');
  const from = performance.now();
  t.ok(await eventually(async () => !(await isCharging()), 10_000));
  const tookMsec = performance.now() - from;
  t.comment(`in WAIT ${tookMsec.toFixed(0)} ms after the gateway was killed`);
  t.equal((await emulator.state(WIRED)).mode, 'WAIT');
  t.ok(tookMsec < 3_500, `${tookMsec.toFixed(0)} ms: 3 s and the way to the device`);
});

/** A site whose unit with the wired devices charges, while others trade, too; and what the tests look at. */
async function aTradingSite(t: Test): Promise<TradingSite> {
  const { client, emulator, env } = await aSite(t);
  const red = { process: await RedProcess.start(WIRED_FLOW, env) };
  t.teardown(() => red.process.kill());
  await client.ready(START_LIMIT_MSEC);
  const deals = (): readonly Deal[] => client.state().deals;
  await client.when((state) => state.deals.some((deal) => isWired(deal) && isRunning(deal)), START_LIMIT_MSEC);
  await client.when((state) => state.deals.some((deal) => !isWired(deal) && isRunning(deal)), START_LIMIT_MSEC);
  const others = deals().filter((deal) => !isWired(deal) && isRunning(deal));
  if (others.length === 0) throw new Error('expected a deal of built-in drivers that runs');
  const isSilent = (): boolean => client.state().units[WIRED]?.unit?.stale === true;
  return {
    client,
    red,
    restart: async () => {
      red.process = await RedProcess.start(WIRED_FLOW, env);
    },
    wiredMode: async () => (await emulator.state(WIRED)).mode,
    wiredFaults: () => client.state().faults.filter(({ unitId }) => unitId === WIRED),
    othersEnded: () =>
      others.flatMap(({ dealId }) => {
        const now = deals().find((deal) => deal.dealId === dealId);
        return now !== undefined && isRunning(now) ? [] : [endOf(now)];
      }),
    silent: () => client.when(isSilent, 20_000),
    heard: () => client.when(() => !isSilent(), 20_000),
  };
}

t.test('wired-device.json: its unit trades like one with a driver of its own', beside(), async (t) => {
  const { client, red, restart, wiredMode, othersEnded, silent, heard } = await aTradingSite(t);
  t.equal(await wiredMode(), 'CHARGE');
  t.not(client.state().grid?.voltageReferenceUnitId, WIRED, 'and never holds the voltage (RULE-18)');

  await t.test('kill -9 of Node-RED: the watchdog stops the wired converter, the others go on', async (t) => {
    await red.process.kill();
    t.ok(await eventually(async () => (await wiredMode()) === 'WAIT', 4_000));
    await silent();
    t.same(othersEnded(), []);
    await restart();
    await heard();
  });

  await t.test('deploys of any kind do not touch the deals of built-in drivers', async (t) => {
    const moved = changed(WIRED_FLOW, 'flow.wired.state', { x: 999, name: 'moved' });
    const unknown = { id: 'x', type: 'no-such-node', z: 'flow.wired', ...PLACED, wires: [] };
    const deploys: readonly (readonly [string, Flow, 'full' | 'flows' | 'nodes'])[] = [
      ['nodes', moved, 'nodes'],
      ['flows', WIRED_FLOW, 'flows'],
      ['full', moved, 'full'],
      ['a missing node type', [...WIRED_FLOW, unknown], 'full'],
    ];
    for (const [what, flow, type] of deploys) {
      await red.process.deploy(flow, type);
      await new Promise((resolve) => setTimeout(resolve, 1_500)); // longer than any heartbeat: what must not happen has had its time
      t.same(othersEnded(), [], what);
    }
    await silent(); // a flow that cannot start is a silent device
  });
});

t.test('a function that blocks Node-RED for 20 s stops the wired converter, and nobody else', beside(), async (t) => {
  const { red, wiredMode, othersEnded, silent, heard } = await aTradingSite(t);
  const func = 'const end = Date.now() + 20000; while (Date.now() < end) {} return msg;';
  const block = { id: 'block', type: 'function', z: 'flow.wired', ...PLACED, name: '', func, timeout: 0, outputs: 1 };
  await red.process.deploy([...WIRED_FLOW, { ...block, wires: [[]] }], 'nodes');
  t.equal(await wiredMode(), 'CHARGE', 'it has something to lose');
  let isBlocked = true;
  const unblocked = red.process.receive('block', { payload: 1 }).then(() => {
    isBlocked = false;
  });
  await silent();
  t.ok(await eventually(async () => (await wiredMode()) === 'WAIT', 4_000));
  t.ok(isBlocked, 'its watchdog stopped it, not the flow');
  await unblocked;
  t.same(othersEnded(), []);
  await heard();
});

const between = (func: string, outputs = 1): Flow => [
  ...changed(WIRED_FLOW, 'flow.wired.fake-dcdc', { wires: [['between']] }),
  {
    id: 'between',
    type: 'function',
    z: 'flow.wired',
    ...PLACED,
    name: '',
    func,
    outputs,
    wires: [['flow.wired.reply']],
  },
];
const WRONGS: Readonly<Record<string, readonly [flow: Flow, reason: RegExp]>> = {
  'never answers': [between('return null;'), /device\.(no-reply|stale)/],
  'answers twice': [between('node.send(RED.util.cloneMessage(msg)); return msg;'), /device\.duplicate-reply/],
  'answers under another id': [between('msg.command = { id: "x" }; return msg;'), /device\.unsolicited/],
  'answers nonsense': [between('msg.payload = { status: 7 }; return msg;'), /device\.malformed/],
  'answers late': [between('setTimeout(() => node.send(msg), 5500); return null;'), /device\.late-reply/],
};

t.test('a flow that answers wrongly ends in a device fault and WAIT', beside(), async (t) => {
  const { client, red, wiredMode, wiredFaults, othersEnded } = await aTradingSite(t);
  for (const [what, [flow, reason]] of Object.entries(WRONGS)) {
    await t.test(what, async (t) => {
      // Equal faults are told as one, with their count.
      const sights = (): number =>
        wiredFaults().reduce((sum, fault) => sum + (reason.test(fault.reason) ? (fault.count ?? 1) : 0), 0);
      const before = sights();
      await red.process.deploy(flow, 'full');
      await client.when(() => sights() > before, 30_000);
      t.ok(await eventually(async () => (await wiredMode()) === 'WAIT', 6_000));
      t.same(othersEnded(), []);
    });
  }
});
