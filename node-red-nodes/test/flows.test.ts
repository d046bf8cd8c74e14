import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parseConfig } from '../../gateway/src/config/load.ts';
import { aGrid, aUnit } from '../../gateway/test/support/messages.ts';
import { aFakeCommunity } from './support/community.ts';
import { type Flow, manifest, nodeTypes, PACKAGE_DIR } from './support/package-files.ts';
import { startRuntime } from './support/runtime.ts';
import { until } from './support/until.ts';

t.setTimeout(90_000);

const FLOWS = join(PACKAGE_DIR, '..', 'flows');
const flowOf = (name: string): Flow => JSON.parse(readFileSync(join(FLOWS, name), 'utf8')) as Flow;

const HOUSES = ['E001', 'E002'];
const community = await aFakeCommunity(HOUSES);
process.env.APIS_DATA = community.dataDir;
const directory = await mkdtemp(join(tmpdir(), 'apis-flows-'));
process.env.SCENARIO_FILE = join(directory, 'scenario.json');
const runtime = await startRuntime(flowOf('monitoring.json'));
community.unit('E001').bus.publish('grid', '', aGrid('E001'));
const heartbeat = setInterval(() => {
  for (const id of HOUSES) community.unit(id).bus.publish('unit', '', aUnit(id));
}, 1000);
t.teardown(async () => {
  clearInterval(heartbeat);
  await runtime.stop();
  await community.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Nodes of ours that tell how they are; those of an emulated network need one (devices.test.ts). */
const telling = (flow: Flow): string[] =>
  flow.filter(({ type }) => nodeTypes.includes(type) && !/unit|fake/.test(type)).map(({ id }) => id);

for (const name of ['single-gateway.json', 'monitoring.json', 'price-aware.json']) {
  t.test(`${name} starts beside stand-ins of units, and every node finds its own`, async (t) => {
    const flow = flowOf(name);
    await runtime.deploy(flow);
    const ids = telling(flow);
    t.ok(ids.length >= 4);
    await until(() => ids.every((id) => runtime.statuses.get(id)?.fill === 'green'), `green: ${ids.join(', ')}`);
    const [first] = flow.filter(({ type }) => type === 'ui-page').sort((a, b) => Number(a.order) - Number(b.order));
    t.equal((await fetch(`${runtime.url}/dashboard${first?.path}`)).status, 200);
  });
}

t.test('monitoring.json cannot operate anything', async (t) => {
  const flow = flowOf('monitoring.json');
  t.same(
    flow.filter(({ type }) => type === 'apis-unit').map(({ role }) => role),
    ['observer'],
  );
  t.same(
    flow.filter(({ type }) => type === 'inject'),
    [],
  );
});

t.test('price-aware.json writes a scenario that the gateway takes, another one for each price', async (t) => {
  await runtime.deploy(flowOf('price-aware.json'));
  const file = process.env.SCENARIO_FILE ?? '';
  const scenarioAt = async (price: number, will: string): Promise<string> => {
    runtime.node('flow.price').receive({ payload: price });
    await until(() => runtime.statuses.get('flow.scenario')?.text === `${will} at ${price}`, will);
    let text = '';
    const isWritten = async (): Promise<boolean> => {
      text = await readFile(file, 'utf8').catch(() => '');
      return text.includes(`"pointPerWh": ${price}`);
    };
    for (let left = 100; left > 0 && !(await isWritten()); left -= 1)
      await new Promise((resolve) => setTimeout(resolve, 20));
    return text;
  };
  const wishes: readonly [price: number, will: string, request: object][] = [
    [6, 'buy', { charge: { limitWh: 4320, pointPerWh: 6 } }],
    [10, 'keep', {}],
    [16, 'sell', { discharge: { limitWh: 1920, pointPerWh: 16 } }],
  ];
  for (const [price, will, request] of wishes) {
    const { value, warnings } = parseConfig('scenario', await scenarioAt(price, will), file);
    t.same(warnings, []);
    t.same(value.windows[0]?.request.get('middle') ?? {}, request, `${will}: what it asks for when half full`);
  }
});

t.test('all flows that ship can be imported from the editor’s menu', async (t) => {
  for (const name of readdirSync(FLOWS)) {
    const path = `library/examples/flows/${manifest.name}/flows/${name.replace('.json', '')}`;
    const reply = await fetch(`${runtime.url}/${path}`);
    t.equal(reply.status, 200, path);
    t.same(await reply.json(), flowOf(name), name);
  }
});
