import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Discovery } from '../../gateway/src/adapters/discovery/discovery.ts';
import { SystemClock } from '../../gateway/src/adapters/system/system-clock.ts';
import { SystemEntropy } from '../../gateway/src/adapters/system/system-entropy.ts';
import { silentLog } from '../../gateway/src/ports/log.ts';
import { aDeal, aGrid, aUnit } from '../../gateway/test/support/messages.ts';
import apisBattery from '../src/apis-battery/index.ts';
import apisDcdc from '../src/apis-dcdc/index.ts';
import apisDealNegotiator from '../src/apis-deal-negotiator/index.ts';
import apisGridMaster from '../src/apis-grid-master/index.ts';
import apisUnit from '../src/apis-unit/index.ts';
import type { CommunityMessage } from '../src/lib/widget-message.ts';
import uiApisCommunity from '../src/ui-apis-community/index.ts';
import { aFakeCommunity, type FakeCommunity, type FakeCommunityOptions } from './support/community.ts';
import { catchNode, collect, helper, statusOf } from './support/helper.ts';
import { NOWHERE } from './support/quiet-mdns.ts';
import { until } from './support/until.ts';

const TYPES = [apisUnit, apisBattery, apisDcdc, apisDealNegotiator, apisGridMaster, catchNode];
const STARTED = { activateDateTime: '2026/01/02-03:00:05', startDateTime: '2026/01/02-03:00:20' };

t.setTimeout(110_000);
t.before(() => new Promise<void>((resolve) => helper.startServer(resolve)));
t.teardown(() => new Promise<void>((resolve) => helper.stopServer(resolve)));
t.afterEach(() => helper.unload());

type Test = { teardown(act: () => unknown): unknown };

/** A running community that nodes find through their data directory. */
async function running(test: Test, ids: readonly string[], options?: FakeCommunityOptions): Promise<FakeCommunity> {
  const community = await aFakeCommunity(ids, options);
  process.env.APIS_DATA = community.dataDir;
  test.teardown(() => community.stop());
  return community;
}

async function anEmptyDataDir(test: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'apis-empty-'));
  process.env.APIS_DATA = folder;
  test.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

const aUnitNode = (unitId: string, more: object = {}) => ({ id: `cfg.${unitId}`, type: 'apis-unit', unitId, ...more });

/** One node of a type with a collector at each output, and a Catch node. */
const aFlow = (type: string, outputs: number, more: object = {}) => [
  { id: 'tab', type: 'tab', label: 'test' },
  aUnitNode('E001'),
  {
    id: 'n',
    z: 'tab',
    type,
    unit: 'cfg.E001',
    wires: Array.from({ length: outputs }, (_, index) => [`out${index + 1}`]),
    ...more,
  },
  ...Array.from({ length: outputs }, (_, index) => ({ id: `out${index + 1}`, z: 'tab', type: 'helper' })),
  { id: 'catcher', z: 'tab', type: 'catch', scope: null, wires: [['errors']] },
  { id: 'errors', z: 'tab', type: 'helper' },
];

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

t.test('apis-unit', async (t) => {
  t.test('tells the editor the units of the local gateway', async (t) => {
    const community = await running(t, ['E001', 'E002']);
    await helper.load(TYPES, aFlow('apis-battery', 2));
    const { body } = await helper.request().get('/apis-edge/units').expect(200);
    t.same(
      body,
      ['E001', 'E002'].map((unitId) => ({ unitId, host: '127.0.0.1', port: community.unit(unitId).port })),
    );
  });

  t.test('tells of none when no gateway runs', async (t) => {
    await anEmptyDataDir(t);
    await helper.load(TYPES, aFlow('apis-battery', 2));
    t.same((await helper.request().get('/apis-edge/units').expect(200)).body, []);
  });

  t.test('an observer without an address finds any cluster by mDNS; an operator waits for a name', async (t) => {
    await anEmptyDataDir(t);
    const elsewhere = await aFakeCommunity(['E007']);
    t.teardown(() => elsewhere.stop());
    const announcement = {
      communityId: `mdns${process.pid}`,
      clusterId: 'north',
      unitId: 'E007',
      instance: 'i1',
      port: elsewhere.unit('E007').port,
    };
    const discovery = new Discovery({
      clock: new SystemClock(),
      entropy: new SystemEntropy(),
      log: silentLog,
      interface: '127.0.0.1',
      services: [announcement],
    });
    process.env.APIS_MDNS_INTERFACE = '127.0.0.1';
    t.teardown(async () => {
      process.env.APIS_MDNS_INTERFACE = NOWHERE;
      await discovery.close();
    });
    const look = (id: string, role: string): object[] => [
      { ...aUnitNode('E007'), id: `cfg.${id}`, role },
      { id, type: 'apis-battery', unit: `cfg.${id}`, wires: [[], []] },
    ];
    await helper.load(TYPES, [...look('looks', 'observer'), ...look('acts', 'operator')]);
    await until(() => statusOf('looks').text === 'E007 50 %', 'the unit that announces itself');
    t.equal(statusOf('acts').text, 'apis-battery.status.noGateway');
    const { body } = await helper.request().get('/apis-edge/units').expect(200);
    const offered = (body as { unitId: string; port: number; cluster?: string }[]).find(
      ({ unitId }) => unitId === 'E007',
    );
    t.match(offered, { port: announcement.port, cluster: 'north' });
  });

  t.test('asks for a permission before it tells', async (t) => {
    const asked: string[] = [];
    const guard = (): void => {};
    const routes: unknown[][] = [];
    const red = {
      auth: { needsPermission: (name: string) => asked.push(name) && guard },
      httpAdmin: { get: (...args: unknown[]) => routes.push(args) },
      nodes: { registerType: () => {} },
    };
    apisUnit(red as never); // the parts that registration touches
    t.same(asked, ['apis-edge.read']);
    t.same(routes[0]?.slice(0, 2), ['/apis-edge/units', guard]);
  });

  t.test('a unit at a fixed address needs no id; another one there is told', async (t) => {
    const community = await running(t, ['E002']);
    const at = { host: '', port: `${community.unit('E002').port}` };
    const battery = (id: string, unit: string) => ({ id, type: 'apis-battery', unit, wires: [[], []] });
    await helper.load(TYPES, [
      { ...aUnitNode('E001', at), id: 'cfg.wrong' },
      { ...aUnitNode('', at), id: 'cfg.any' },
      battery('wrong', 'cfg.wrong'),
      battery('any', 'cfg.any'),
    ]);
    await until(() => statusOf('any').text === 'E002 50 %', 'the unit that is there');
    await until(() => statusOf('wrong').text === 'apis-battery.status.wrongUnit', 'the warning');
    t.equal(statusOf('wrong').fill, 'red');
  });
});

t.test('every node', async (t) => {
  for (const type of ['apis-battery', 'apis-dcdc', 'apis-deal-negotiator', 'apis-grid-master']) {
    t.test(`${type} says what to do without a unit`, async (t) => {
      await helper.load(TYPES, [{ id: 'n', type, unit: '', wires: [] }]);
      t.match(statusOf('n'), { fill: 'red', text: `${type}.status.noUnit` });
    });

    t.test(`${type} says what to do without a gateway, within 2 s`, async (t) => {
      await anEmptyDataDir(t);
      await helper.load(TYPES, aFlow(type, 2));
      await until(() => statusOf('n').text === `${type}.status.noGateway`, 'the status', 2000);
      t.equal(statusOf('n').fill, 'red');
    });
  }

  t.test('says when the gateway does not run the unit', async (t) => {
    await running(t, ['E007']);
    await helper.load(TYPES, aFlow('apis-battery', 2));
    await until(() => statusOf('n').text === 'apis-battery.status.unknownUnit', 'the status');
  });

  t.test('comes back by itself when the gateway is restarted elsewhere, without redeploy', async (t) => {
    const dataDir = await anEmptyDataDir(t);
    const first = await aFakeCommunity(['E001'], { dataDir });
    await helper.load(TYPES, aFlow('apis-battery', 2));
    const sent = collect('out1');
    await until(() => statusOf('n').text === 'E001 50 %', 'the first connection');
    await first.stop();
    await until(() => statusOf('n').fill === 'red', 'the loss', 2000);
    t.match(statusOf('n').text, /^apis-battery\.status\.(disconnected|noGateway)$/);
    const second = await aFakeCommunity(['E001'], { dataDir });
    t.teardown(() => second.stop());
    second.unit('E001').bus.publish('unit', '', aUnit('E001', 71));
    // A stranger that listens at the former port is given 5 s to answer, and the next try comes up to 3.75 s later.
    await until(() => statusOf('n').text === 'E001 71 %', 'the second connection', 15_000);
    await until(() => (sent.at(-1)?.payload as { rsoc?: number } | undefined)?.rsoc === 71, 'its message');
    t.match(sent.at(-1), { payload: { stale: false } });
  });

  t.test('all nodes of a unit share one connection, and the last one closes it', async (t) => {
    await running(t, ['E001']);
    const nodes = ['a', 'b', 'c'].map((id) => ({ id, type: 'apis-battery', unit: 'cfg.E001', wires: [[], []] }));
    await helper.load(TYPES, [aUnitNode('E001'), ...nodes]);
    const { link } = helper.getNode('cfg.E001') as unknown as { link: { state(): string } };
    await until(() => ['a', 'b', 'c'].every((id) => statusOf(id).text === 'E001 50 %'), 'all three');
    t.equal(link.state(), 'connected');
    await helper.unload();
    t.equal(link.state(), 'disconnected');
  });
});

t.test('apis-battery', async (t) => {
  t.test('sends the battery’s state when it changes, and only then', async (t) => {
    const community = await running(t, ['E001']);
    await helper.load(TYPES, aFlow('apis-battery', 2));
    const sent = collect('out1');
    await until(() => sent.length === 1, 'the first state');
    t.match(sent[0], { topic: 'battery', payload: { unitId: 'E001', rsoc: 50, stale: false } });
    const { bus } = community.unit('E001');
    bus.publish('unit', '', { ...aUnit('E001', 50), dcdc: { ...aUnit('E001').dcdc, param: { dig: 1 } } });
    for (const rsoc of [51, 52, 53]) bus.publish('unit', '', aUnit('E001', rsoc));
    await until(() => sent.length === 2, 'the change');
    t.match(sent[1], { payload: { rsoc: 53 } }, 'at most once a second, with the last word');
  });

  t.test('tells of old values', async (t) => {
    const community = await running(t, ['E001']);
    await helper.load(TYPES, aFlow('apis-battery', 2));
    const sent = collect('out1');
    community.unit('E001').bus.publish('unit', '', { ...aUnit('E001', 40), stale: true });
    await until(() => sent.at(-1)?.payload !== undefined && statusOf('n').fill === 'yellow', 'the mark');
    t.match(sent.at(-1), { payload: { rsoc: 40, stale: true } });
  });

  t.test('refuses a reading, which a built-in driver does not need', async (t) => {
    await running(t, ['E001']);
    await helper.load(TYPES, aFlow('apis-battery', 2));
    const errors = collect('errors');
    helper.getNode('n').receive({ payload: { rsoc: 99 } });
    await until(() => errors.length === 1, 'the error');
    t.match(errors[0]?.error?.message, /builtInDriver/);
  });
});

t.test('apis-dcdc', async (t) => {
  t.test('sends the converter’s state on output 2', async (t) => {
    await running(t, ['E001']);
    await helper.load(TYPES, aFlow('apis-dcdc', 2));
    const [commands, states] = [collect('out1'), collect('out2')];
    await until(() => states.length === 1, 'the state');
    t.match(states[0], { topic: 'dcdc', payload: { mode: 'CHARGE', ig: 2.01, dvg: 350, stale: false } });
    t.same(commands, []);
    t.equal(statusOf('n').text, 'CHARGE 2.0 A');
  });

  t.test('commands nothing, and refuses replies (INV-2)', async (t) => {
    const community = await running(t, ['E001']);
    await helper.load(TYPES, aFlow('apis-dcdc', 2));
    const errors = collect('errors');
    helper.getNode('n').receive({ payload: { command: 'set', mode: 'VOLTAGE_REFERENCE' } });
    await until(() => errors.length === 1, 'the error');
    t.match(errors[0]?.error?.message, /builtInDriver/);
    t.same(community.unit('E001').heard, []);
  });
});

const OFFER = { type: 'charge' as const, amountWh: 100, dateTime: '2026/01/02-03:00:00', dealGridCurrentA: 2 };

t.test('apis-deal-negotiator', async (t) => {
  t.test('tells a unit’s negotiation from request to choice, and the life of its deal', async (t) => {
    const community = await running(t, ['E001', 'E002']);
    await helper.load(TYPES, aFlow('apis-deal-negotiator', 2));
    const [talk, life] = [collect('out1'), collect('out2')];
    await until(() => statusOf('n').text === 'E001 ⇄ 0', 'the connection');
    const [one, two] = [community.unit('E001').bus, community.unit('E002').bus];
    const refusal = { reason: 'slots.busy', numbers: { slots: 2 } };
    // Peers are heard through their own brokers: the answer is repeated until that connection stands.
    one.publish('request', 'd-negotiation', { unitId: 'E001', ...OFFER });
    await until(() => talk.length === 1, 'the request');
    await until(() => {
      two.publish('accept', 'd-negotiation', { unitId: 'E002', refusal });
      return talk.some(({ topic }) => topic === 'refusal');
    }, 'the answer');
    one.publish('deal', 'd', aDeal('d'));
    await until(() => talk.some(({ topic }) => topic === 'choice'), 'the choice');
    for (const { bus } of Object.values(community.units))
      bus.publish('deal', 'd', aDeal('d', { ...STARTED, revision: 2 }));
    await until(() => life.length === 3, 'the life');
    t.same(
      life.map(({ topic }) => topic),
      ['created', 'activated', 'started'],
    );
    t.match(talk[0], { topic: 'request', payload: { unitId: 'E001', offer: { amountWh: 100 } } });
    t.match(
      talk.find(({ topic }) => topic === 'refusal'),
      { payload: { unitId: 'E002', refusal } },
    );
    await until(() => statusOf('n').text === 'E001 ⇄ 1', 'the status');
  });

  t.test('keeps to its unit, unless the whole community is asked for', async (t) => {
    const community = await running(t, ['E001', 'E002', 'E003']);
    const all = {
      ...aFlow('apis-deal-negotiator', 2).find(({ id }) => id === 'n'),
      id: 'all',
      scope: 'community',
      wires: [['all1'], ['all2']],
    };
    await helper.load(TYPES, [
      ...aFlow('apis-deal-negotiator', 2),
      all,
      { id: 'all1', type: 'helper', z: 'tab' },
      { id: 'all2', type: 'helper', z: 'tab' },
    ]);
    const [own, everything] = [collect('out2'), collect('all2')];
    const others = { requestUnitId: 'E002', acceptUnitId: 'E003', chargeUnitId: 'E002', dischargeUnitId: 'E003' };
    community.unit('E002').bus.publish('deal', 'theirs', aDeal('theirs', others));
    community.unit('E001').bus.publish('deal', 'ours', aDeal('ours'));
    await until(() => everything.length === 2 && own.length === 1, 'both');
    t.match(own[0], { payload: { deal: { dealId: 'ours' } } });
  });

  t.test('a node that is deployed later catches up with deals under way', async (t) => {
    const community = await running(t, ['E001']);
    community.unit('E001').bus.publish('deal', 'd', aDeal('d', STARTED));
    await helper.load(TYPES, aFlow('apis-deal-negotiator', 2));
    const life = collect('out2');
    await until(() => life.length === 3, 'the replay');
    t.ok(life.every(({ payload }) => (payload as { replayed: boolean }).replayed));
  });

  t.test('hands a scenario over to the unit, and nothing else', async (t) => {
    const { heard } = (await running(t, ['E001'])).unit('E001');
    await helper.load(TYPES, aFlow('apis-deal-negotiator', 2));
    const errors = collect('errors');
    await until(() => statusOf('n').text === 'E001 ⇄ 0', 'the connection');
    const scenario = { '00:00:00-24:00:00': {} };
    helper.getNode('n').receive({ topic: 'scenario', payload: scenario });
    await until(() => heard.length === 1, 'the scenario');
    helper.getNode('n').receive({ topic: 'scenario', payload: null });
    await until(() => heard.length === 2, 'its end');
    t.same(heard, [
      { kind: 'scenario', value: scenario },
      { kind: 'scenario', value: null },
    ]);
    helper.getNode('n').receive({ payload: scenario });
    helper.getNode('n').receive({ topic: 'scenario', payload: 'much' });
    await until(() => errors.length === 2, 'the errors');
    t.match(errors.map(({ error }) => error?.message).sort(), [/value: expected/, /topic/]);
    t.equal(heard.length, 2);
  });

  t.test('asks the flow first when it is set to, and carries its decision to the unit', async (t) => {
    const unit = (await running(t, ['E001'])).unit('E001');
    const { heard } = unit;
    await helper.load(TYPES, aFlow('apis-deal-negotiator', 2, { onSilence: 'refuse' }));
    const [told, errors] = [collect('out1'), collect('errors')];
    await until(() => heard.length === 1, 'the wish to be asked');
    t.match(heard, [{ kind: 'veto', onSilence: 'refuse', holdMsec: 15_000 }]);
    const offer = {
      unitId: 'E001',
      type: 'discharge',
      amountWh: 300,
      dateTime: '2026/06/01-12:00:00',
      dealGridCurrentA: 2,
    } as const;
    unit.question({ id: 'q1', step: 'request', offer, time: 1, limitMsec: 400, onSilence: 'refuse' });
    await until(() => told.length === 1, 'the question');
    t.match(told, [{ topic: 'question', question: { id: 'q1' }, payload: { step: 'request', offer } }]);
    const node = helper.getNode('n');
    node.receive({ topic: 'decision', question: { id: 'q1' }, payload: true });
    await until(() => heard.length === 2, 'the yes');
    node.receive({ topic: 'decision', payload: { id: 'q2', allow: false, reason: 'guests' } });
    await until(() => heard.length === 3, 'the no');
    t.match(heard.slice(1), [
      { kind: 'verdict', id: 'q1', allow: true },
      { kind: 'verdict', id: 'q2', allow: false, reason: 'guests' },
    ]);
    node.receive({ topic: 'decision', payload: true });
    node.receive({ topic: 'decision', payload: { id: 'q3', allow: 'perhaps' } });
    await until(() => errors.length === 2, 'the errors');
    t.match(errors.map(({ error }) => error?.message).sort(), [/id of the question/, /allow: expected true or false/]);
    await helper.unload();
    await until(() => heard.length === 4, 'the end of the wish');
    t.match(heard.at(-1), { kind: 'veto', onSilence: null });
  });

  t.test('carries a wish for a deal to the unit, and what is wrong with it back', async (t) => {
    const { heard } = (await running(t, ['E001'])).unit('E001');
    await helper.load(TYPES, aFlow('apis-deal-negotiator', 2));
    const errors = collect('errors');
    await until(() => statusOf('n').text === 'E001 ⇄ 0', 'the connection');
    const node = helper.getNode('n');
    node.receive({ topic: 'deal', payload: { type: 'charge', amountWh: 100, pairUnitId: 'E002' } });
    await until(() => heard.length === 1, 'the wish');
    t.same(heard, [{ kind: 'deal.request', type: 'charge', amountWh: 100, pairUnitId: 'E002' }]);
    node.receive({ topic: 'deal', payload: { type: 'steal' } });
    node.receive({ topic: 'deal', payload: 'all' });
    await until(() => errors.length === 2, 'the errors');
    t.match(errors.map(({ error }) => error?.message).sort(), [/type: expected/, /payload: expected an object/]);
  });
});

t.test('apis-grid-master', async (t) => {
  t.test('carries modes and stops to the unit', async (t) => {
    const community = await running(t, ['E001']);
    await helper.load(TYPES, aFlow('apis-grid-master', 3));
    await until(() => statusOf('n').text === 'apis-grid-master.status.noGridMaster', 'the connection');
    const node = helper.getNode('n');
    const { heard } = community.unit('E001');
    const messages = [
      { payload: 'soft-stop' },
      { payload: 'emergency-stop', topic: 'smoke' },
      { payload: 'emergency-stop' },
    ];
    for (const [index, message] of messages.entries()) {
      node.receive(message);
      await until(() => heard.length === index + 1, JSON.stringify(message));
    }
    t.match(heard, [
      { kind: 'mode', value: 'heteronomous' },
      { kind: 'emergency-stop', reason: 'smoke' },
      { kind: 'emergency-stop', reason: /^node / },
    ]);
  });

  t.test('stop-all and clear-faults are one order for each deal and fault', async (t) => {
    const { bus, heard } = (await running(t, ['E001'])).unit('E001');
    await helper.load(TYPES, aFlow('apis-grid-master', 3));
    const [deals, faults] = [collect('out2'), collect('out3')];
    bus.publish('deal', 'd1', aDeal('d1'));
    bus.publish('deal', 'd2', aDeal('d2'));
    const fault = {
      unitId: 'E001',
      category: 'HARDWARE',
      extent: 'LOCAL',
      level: 'ERROR',
      at: 'now',
      message: '',
    } as const;
    bus.publish('fault', 'f1', { ...fault, reason: 'device.no-reply' });
    bus.publish('fault', 'f2', { ...fault, reason: 'device.stale', acknowledgedAt: 'then' });
    await until(() => (deals.at(-1)?.payload as unknown[] | undefined)?.length === 2 && faults.length === 2, 'all');
    helper.getNode('n').receive({ payload: 'stop-all', topic: 'storm' });
    await until(() => heard.length === 2, 'the stops');
    helper.getNode('n').receive({ payload: 'clear-faults' });
    await until(() => heard.length === 3, 'the acknowledgement');
    t.match(heard, [
      { kind: 'deal.stop', dealId: 'd1', reason: 'storm' },
      { kind: 'deal.stop', dealId: 'd2', reason: 'storm' },
      { kind: 'fault.acknowledge', faultId: 'f1' },
    ]);
    helper.getNode('n').receive({ payload: { kind: 'schedule', scope: 'cluster', at: 1_900_000_000_000 } });
    await until(() => heard.length === 4, 'the schedule');
    t.match(heard[3], { kind: 'schedule', scope: 'cluster' });
  });

  t.test('nonsense and refusals end at the Catch node (INV-11)', async (t) => {
    const community = await running(t, ['E001'], { refuse: 'no grid master is elected' });
    await helper.load(TYPES, aFlow('apis-grid-master', 3));
    const errors = collect('errors');
    await until(() => statusOf('n').text === 'apis-grid-master.status.noGridMaster', 'the connection');
    helper.getNode('n').receive({ payload: 'go' });
    await until(() => errors.length === 1, 'the first error');
    helper.getNode('n').receive({ payload: { kind: 'deal.stop' } });
    await until(() => errors.length === 2, 'the second error');
    helper.getNode('n').receive({ payload: 'run' });
    await until(() => errors.length === 3, 'the third error');
    t.match(
      errors.map(({ error }) => error?.message),
      [/expected one of run/, /operator message/, /no grid master/],
    );
    t.same(community.unit('E001').heard, []);
  });

  t.test('without a unit a mode is an error, not silence', async (t) => {
    await helper.load(TYPES, aFlow('apis-grid-master', 3, { unit: '' }));
    const errors = collect('errors');
    helper.getNode('n').receive({ payload: 'run' });
    await until(() => errors.length === 1, 'the error');
    t.match(errors[0]?.error?.message, /noUnit/);
  });

  t.test('tells grid state, deals and faults, each when it changes', async (t) => {
    const community = await running(t, ['E001']);
    await helper.load(TYPES, aFlow('apis-grid-master', 3));
    const [grid, deals, faults] = [collect('out1'), collect('out2'), collect('out3')];
    const { bus } = community.unit('E001');
    bus.publish('grid', '', aGrid('E001', { pass: 1, voltageReferenceUnitId: 'E001' }));
    bus.publish('deal', 'd', aDeal('d'));
    await until(() => grid.length === 1 && (deals.at(-1)?.payload as unknown[] | undefined)?.length === 1, 'the state');
    t.match(grid[0], {
      payload: { gridMasterUnitId: 'E001', mode: 'run', voltageReferenceUnitId: 'E001', handOver: null },
    });
    bus.publish('grid', '', aGrid('E001', { pass: 2, voltageReferenceUnitId: 'E001' }));
    const fault = { unitId: 'E001', category: 'HARDWARE', extent: 'LOCAL', level: 'ERROR', at: 'now' } as const;
    bus.publish('fault', 'f1', { ...fault, reason: 'device.no-reply', message: 'no reply within 3 s' });
    await until(() => faults.length === 1, 'the fault');
    t.match(faults[0], { payload: { faultId: 'f1', reason: 'device.no-reply' } });
    bus.publish('grid', '', aGrid('E001', { pass: 3, hasGlobalErrors: true }));
    await until(() => grid.length === 2, 'the change');
    t.match(grid[1], { payload: { hasGlobalErrors: true } }, 'a heartbeat is no change');
    await until(() => statusOf('n').fill === 'yellow', 'the status');
    t.equal(statusOf('n').text, 'E001 run');
  });
});

t.test('a fixed address survives a broker that comes back on the same port', async (t) => {
  const port = await freePort();
  const first = await aFakeCommunity(['E001'], { ports: { E001: port } });
  process.env.APIS_DATA = first.dataDir;
  const [tab, , ...rest] = aFlow('apis-dcdc', 2);
  await helper.load(TYPES, [tab, aUnitNode('E001', { host: '127.0.0.1', port }), ...rest] as object[]);
  await until(() => statusOf('n').text === 'CHARGE 2.0 A', 'the first connection');
  await first.stop();
  await until(() => statusOf('n').text === 'apis-dcdc.status.disconnected', 'the loss', 2000);
  const second = await aFakeCommunity(['E001'], { ports: { E001: port } });
  t.teardown(() => second.stop());
  await until(() => statusOf('n').text === 'CHARGE 2.0 A', 'the second connection');
  t.equal(statusOf('n').fill, 'green');
});

/** Node-RED tells nodes from config nodes by their having a place. */
const PLACED = { x: 0, y: 0 };

t.test('nodes work inside subflows, where environment variables choose the unit', async (t) => {
  await running(t, ['E001', 'E002']);
  const instance = (id: string, unitId: string) => ({
    id,
    type: 'subflow:sf',
    z: 'tab',
    ...PLACED,
    env: [{ name: 'UNIT', type: 'str', value: unitId }],
    wires: [[`out.${id}`]],
  });
  await helper.load(TYPES, [
    { id: 'tab', type: 'tab', label: 'test' },
    { id: 'sf', type: 'subflow', name: 'house', in: [], out: [{ wires: [{ id: 'inner', port: 0 }] }] },
    { ...aUnitNode(`\${UNIT}`), id: 'cfg.inner', z: 'sf' },
    { id: 'inner', type: 'apis-battery', z: 'sf', ...PLACED, unit: 'cfg.inner', wires: [[], []] },
    instance('one', 'E001'),
    instance('two', 'E002'),
    { id: 'out.one', type: 'helper', z: 'tab' },
    { id: 'out.two', type: 'helper', z: 'tab' },
  ]);
  const [one, two] = [collect('out.one'), collect('out.two')];
  await until(() => one.length > 0 && two.length > 0, 'both houses');
  t.match(one[0], { payload: { unitId: 'E001' } });
  t.match(two[0], { payload: { unitId: 'E002' } });
});

/** What the page would hear, and what it may press. */
interface FakeDashboard {
  readonly register: (red: never) => void;
  readonly pages: CommunityMessage[];
  press(request: unknown): Promise<void>;
  saved(): unknown;
}

function aDashboard(): FakeDashboard {
  const pages: CommunityMessage[] = [];
  let saved: unknown;
  let onChange: ((message: unknown, value: unknown) => Promise<void>) | undefined;
  const base = {
    emit: (event: string, message: CommunityMessage) => event === 'msg-input:n' && pages.push(message),
    stores: { data: { save: (_base: unknown, _node: unknown, message: unknown) => (saved = message) } },
  };
  type Red = {
    nodes: { createNode(node: object, config: object): void; registerType(name: string, create: object): void };
  };
  const register = (red: Red): void =>
    red.nodes.registerType('ui-group', function construct(this: object, config: object) {
      red.nodes.createNode(this, config);
      Object.assign(this, {
        getBase: () => base,
        // As Dashboard does, it takes the configuration over and strips it.
        register: (_node: unknown, given: { id?: string; unit?: string }, handlers: { onChange: typeof onChange }) => {
          delete given.id;
          onChange = handlers.onChange;
        },
      });
    });
  return { register, pages, press: async (request) => onChange?.({}, request), saved: () => saved };
}

t.test('ui-apis-community', async (t) => {
  const flow = (more: object = {}) => [
    { id: 'cfg.group', type: 'ui-group' },
    ...aFlow('ui-apis-community', 1, { group: 'cfg.group', ...more }),
  ];

  t.test('shows pages the community at least twice a second, and keeps it for those that open later', async (t) => {
    await running(t, ['E001', 'E002'], { speed: 60 });
    const dashboard = aDashboard();
    await helper.load([...TYPES, uiApisCommunity, dashboard.register], flow());
    await until(() => Object.keys(dashboard.pages.at(-1)?.payload.units ?? {}).length === 2, 'both houses');
    await until(() => dashboard.pages.at(-1)?.connection.speed === 60, 'the speed');
    t.match(dashboard.pages.at(-1)?.connection, { state: 'connected', unitId: 'E001' });
    t.same(dashboard.saved(), dashboard.pages.at(-1));
    const [before, from] = [dashboard.pages.length, performance.now()];
    await until(() => dashboard.pages.length >= before + 3, 'three more');
    t.ok(performance.now() - from < 1700, 'three pictures in less than 1.7 s');
  });

  t.test('carries out what is pressed, then passes it on', async (t) => {
    const community = await running(t, ['E001']);
    const dashboard = aDashboard();
    await helper.load([...TYPES, uiApisCommunity, dashboard.register], flow());
    const sent = collect('out1');
    await until(() => statusOf('n').fill === 'green', 'the connection');
    await dashboard.press({ kind: 'mode', value: 'stop' });
    t.match(community.unit('E001').heard, [{ kind: 'mode', value: 'stop' }]);
    await until(() => sent.length === 1, 'the message');
    t.match(sent[0], { topic: 'action', payload: { kind: 'mode', value: 'stop' } });
    await until(() => dashboard.pages.at(-1)?.answer?.ok === true, 'the answer on the page');
  });

  t.test('what the gateway refuses is told on the page and to Catch nodes (INV-11)', async (t) => {
    await running(t, ['E001'], { refuse: 'no grid master is elected' });
    const dashboard = aDashboard();
    await helper.load([...TYPES, uiApisCommunity, dashboard.register], flow());
    const [sent, errors] = [collect('out1'), collect('errors')];
    await until(() => statusOf('n').fill === 'green', 'the connection');
    await dashboard.press({ kind: 'mode', value: 'autonomous' });
    await until(() => /no grid master/.test(dashboard.pages.at(-1)?.answer?.text ?? ''), 'the answer on the page');
    for (const nonsense of [{ kind: 'mode', value: 'go' }, 'run', null]) await dashboard.press(nonsense);
    t.equal(sent.length, 0, 'nothing was carried out');
    t.match(dashboard.pages.at(-1)?.answer, { ok: false });
    await until(() => errors.length >= 1, 'the error');
  });

  t.test('without a group, or without a unit, the status says so', async (t) => {
    const dashboard = aDashboard();
    await helper.load([...TYPES, uiApisCommunity, dashboard.register], flow({ group: '' }));
    t.match(statusOf('n'), { fill: 'red', text: 'ui-apis-community.status.noGroup' });
    await helper.unload();
    await helper.load([...TYPES, uiApisCommunity, dashboard.register], flow({ unit: '' }));
    t.match(statusOf('n'), { fill: 'red', text: 'ui-apis-community.status.noUnit' });
    const [sent, errors] = [collect('out1'), collect('errors')];
    await dashboard.press({ kind: 'mode', value: 'stop' });
    await until(() => errors.length === 1, 'the error');
    t.match(errors[0]?.error?.message, /noUnit/);
    t.same([...dashboard.pages, ...sent], [], 'nothing was carried out');
  });
});
