import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parseConfig } from '../../gateway/src/config/load.ts';
import { aGrid, aUnit } from '../../gateway/test/support/messages.ts';
import { aCommunity, finishedDeals, HOUR, openDeals } from '../../gateway/test/support/running-community.ts';
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
const SCENARIO_FILE = join(directory, 'scenario.json');
process.env.SCENARIO_FILE = SCENARIO_FILE;
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

/** Prices come from the test alone: the flow's own first one, 2 s after its start, could come between. */
const TARIFF_FLOW = flowOf('price-aware.json').map((node) =>
  node.id === 'flow.tick' ? { ...node, once: false } : node,
);

/** The file that price-aware.json, which must run, writes at a price. */
async function scenarioAt(price: number, will: string): Promise<string> {
  runtime.node('flow.price').receive({ payload: price });
  await until(() => runtime.statuses.get('flow.scenario')?.text === `${will} at ${price}`, will);
  let text = '';
  await until(async () => {
    text = await readFile(SCENARIO_FILE, 'utf8').catch(() => '');
    return text.trimEnd().endsWith('}') && text.includes(`"pointPerWh": ${price}`);
  }, `the scenario at ${price}`);
  return text;
}

t.test('price-aware.json writes a scenario that the gateway takes, another one for each price', async (t) => {
  await runtime.deploy(TARIFF_FLOW);
  const wishes: readonly [price: number, will: string, request: object][] = [
    [6, 'buy', { charge: { limitWh: 4320, pointPerWh: 6 } }],
    [10, 'keep', {}],
    [16, 'sell', { discharge: { limitWh: 1920, pointPerWh: 16 } }],
  ];
  for (const [price, will, request] of wishes) {
    const { value, warnings } = parseConfig('scenario', await scenarioAt(price, will), SCENARIO_FILE);
    t.same(warnings, []);
    t.same(value.windows[0]?.request.get('middle') ?? {}, request, `${will}: what it asks for when half full`);
  }
});

t.test('price-aware houses deal with whoever is cheaper, and not with who is too dear (market §2.6)', async (t) => {
  await runtime.deploy(TARIFF_FLOW);
  const TARIFFS: readonly (readonly [unitId: string, price: number, will: string])[] = [
    ['E001', 7, 'buy'],
    ['E002', 5, 'buy'],
    ['E003', 6, 'buy'],
    ['E004', 6, 'buy'],
  ];
  const running = await aCommunity({ rsoc: [100, 100, 100, 20], pvScale: [1, 1, 1, 0] });
  const unitOf = (unitId: string) => running.community.units.find((unit) => unit.unitId === unitId);
  const setTariff = async (unitId: string, price: number, will: string): Promise<void> => {
    const value = JSON.parse(await scenarioAt(price, will));
    await unitOf(unitId)?.operate({ kind: 'scenario', value });
  };
  const refused: string[] = [];
  unitOf('E004')?.onDecision(({ step, refusal }) => {
    if (step === 'choice' && refusal?.reason === 'choice.price') refused.push(JSON.stringify(refusal.numbers));
  });
  for (const tariff of TARIFFS) await setTariff(...tariff);
  const made = () => [...finishedDeals(running), ...openDeals(running)];
  const partners = () => [...new Set(made().map((deal) => `${deal.dischargeUnitId} → ${deal.chargeUnitId}`))];
  await running.until(() => finishedDeals(running).length >= 1, HOUR, 'a deal is carried out');
  t.same(partners(), ['E002 → E004'], 'E002 gives at 5, E003 at 6, E001 at 7; E004 pays up to 6');
  t.ok(made().every(({ pointPerWh }) => pointPerWh === 6));

  for (const unitId of ['E002', 'E003']) await setTariff(unitId, 10, 'keep');
  await running.until(() => openDeals(running).length === 0, HOUR, 'what was agreed is carried out');
  const before = finishedDeals(running).length;
  refused.length = 0;
  await running.clock.advance(HOUR / 20);
  t.equal(made().length, before, 'all are too dear: nothing is dealt');
  t.match(refused[0], /"pointPerWh":6/, 'and the reason tells the price');

  await setTariff('E001', 4, 'buy');
  await running.until(() => made().length > before, HOUR, 'a deal with who is cheap now');
  t.match(made().at(-1), { dischargeUnitId: 'E001', chargeUnitId: 'E004' });
});

t.test('all flows that ship can be imported from the editor’s menu', async (t) => {
  for (const name of readdirSync(FLOWS)) {
    const path = `library/examples/flows/${manifest.name}/flows/${name.replace('.json', '')}`;
    const reply = await fetch(`${runtime.url}/${path}`);
    t.equal(reply.status, 200, path);
    t.same(await reply.json(), flowOf(name), name);
  }
});
