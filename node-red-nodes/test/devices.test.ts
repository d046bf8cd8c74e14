import t from 'tap';
import { hostFakeGrid } from '../../gateway/src/api/fake-grid.ts';
import { EmulatorClient } from '../../gateway/src/client/index.ts';
import { CONVERTER_MODES } from '../../gateway/src/domain/converter-mode.ts';
import type { WiredCommand } from '../../gateway/src/domain/wired-device.ts';
import { aUnit } from '../../gateway/test/support/messages.ts';
import { freePorts } from '../../gateway/test/support/process.ts';
import apisBattery from '../src/apis-battery/index.ts';
import apisDcdc from '../src/apis-dcdc/index.ts';
import apisFakeBattery from '../src/apis-fake-battery/index.ts';
import apisFakeDcdc from '../src/apis-fake-dcdc/index.ts';
import apisFakeFault from '../src/apis-fake-fault/index.ts';
import apisFakeGrid from '../src/apis-fake-grid/index.ts';
import apisFakeHouse from '../src/apis-fake-house/index.ts';
import apisUnit from '../src/apis-unit/index.ts';
import { isOverdue, orderOf } from '../src/lib/fake-command.ts';
import { faultWish } from '../src/lib/fake-fault.ts';
import { hostedGrid } from '../src/lib/fake-grid-setting.ts';
import { overridesOf } from '../src/lib/fake-house-state.ts';
import { FreshCommands } from '../src/lib/fresh-commands.ts';
import { replyOf } from '../src/lib/wired-messages.ts';
import { aFakeCommunity, aWiredUnitData, type FakeCommunity } from './support/community.ts';
import { catchNode, collect, helper, type Received, statusOf } from './support/helper.ts';
import type { Flow } from './support/package-files.ts';
import { RedProcess } from './support/red-process.ts';
import { until } from './support/until.ts';

const TYPES = [
  apisUnit,
  apisBattery,
  apisDcdc,
  apisFakeGrid,
  apisFakeHouse,
  apisFakeBattery,
  apisFakeDcdc,
  apisFakeFault,
  catchNode,
];
type Test = { teardown(act: () => unknown): unknown };

t.before(() => new Promise<void>((resolve) => helper.startServer(resolve)));
t.teardown(() => new Promise<void>((resolve) => helper.stopServer(resolve)));
t.afterEach(() => helper.unload());

const WIRED = aWiredUnitData('E001');

async function aWiredUnit(test: Test): Promise<FakeCommunity> {
  const community = await aFakeCommunity(['E001'], { wired: true });
  process.env.APIS_DATA = community.dataDir;
  test.teardown(() => community.stop());
  return community;
}

let sequence = 0;
const aCommand = (order: object, deadlineMsec = 2_000): WiredCommand => {
  sequence += 1;
  return { id: `s-${sequence}`, sequence, time: Date.now(), deadlineMsec, ...order } as WiredCommand; // orders of these tests
};

/** One node with collectors at its outputs, and a Catch node. */
const aFlow = (node: object, outputs: number, role = 'device') => [
  { id: 'tab', type: 'tab', label: 'test' },
  { id: 'cfg.E001', type: 'apis-unit', unitId: 'E001', role },
  { id: 'n', z: 'tab', wires: Array.from({ length: outputs }, (_, index) => [`out${index + 1}`]), ...node },
  ...Array.from({ length: outputs }, (_, index) => ({ id: `out${index + 1}`, z: 'tab', type: 'helper' })),
  { id: 'catcher', z: 'tab', type: 'catch', scope: null, wires: [['errors']] },
  { id: 'errors', z: 'tab', type: 'helper' },
];
const DCDC = { type: 'apis-dcdc', unit: 'cfg.E001', drives: true };
const BATTERY = { type: 'apis-battery', unit: 'cfg.E001' };
const WAITING = { status: { status: CONVERTER_MODES.WAIT.code } };

t.test('fresh-commands: what waited behind a blocked flow is dropped, whatever the clocks say', async (t) => {
  let now = 1_000_000;
  const fresh = new FreshCommands(() => now);
  const sentAt = (time: number) => fresh.timeLeft({ time, deadlineMsec: 2_000 });
  t.equal(sentAt(500_000), 2_000, 'the clocks differ by 500 s');
  now += 1_000;
  t.equal(sentAt(500_900), 1_900);
  now += 20_000;
  t.equal(sentAt(502_000), undefined, 'it waited 19 s');
  t.equal(sentAt(521_000), 2_000);
  now += 1_000;
  t.equal(sentAt(400_000), undefined, 'their clock was set back');
  now += 61_000;
  t.equal(sentAt(461_000), 2_000, 'and after a minute that is the new difference');
});

t.test('wired-messages: a reply names its command', async (t) => {
  t.same(replyOf({ payload: { id: 'a', x: 1 } }), { id: 'a', content: { x: 1 } });
  t.same(replyOf({ payload: { x: 1 }, command: { id: 'b' } }), { id: 'b', content: { x: 1 } });
  for (const payload of [undefined, 7, [1], {}, { id: '' }, { id: 3 }])
    t.throws(() => replyOf({ payload }), /expected/);
});

t.test('apis-dcdc drives a converter (RULE-18)', async (t) => {
  t.test('passes commands on and replies back, and says that it is there', async (t) => {
    const unit = (await aWiredUnit(t)).unit('E001');
    await helper.load(TYPES, aFlow(DCDC, 2));
    const commands = collect('out1');
    await until(() => unit.said.some(({ key }) => key === 'heartbeat'), 'the heartbeat');
    const asked = aCommand({ command: 'set', mode: 'CHARGE', dvg: 350, dig: 1, drg: 0 });
    unit.ask(asked);
    await until(() => commands.length === 1, 'the command');
    t.match(commands[0], {
      topic: 'set',
      command: { id: asked.id, deadline: Number },
      payload: { id: asked.id, command: 'set', mode: 'CHARGE', dvg: 350, dig: 1, drg: 0, deadline: Number },
    });
    helper.getNode('n').receive({ ...commands[0], payload: WAITING });
    await until(() => unit.said.some(({ key }) => key === `dcdc/${asked.id}`), 'the reply');
    t.same(unit.said.find(({ key }) => key.startsWith('dcdc'))?.body, WAITING);
    await until(() => /watchdog/.test(statusOf('n').text ?? ''), 'the reminder');
  });

  t.test('puts the converter to WAIT within 3 s after losing the daemon, until that is confirmed', async (t) => {
    const community = await aWiredUnit(t);
    const { bus } = community.unit('E001');
    const speaking = setInterval(() => bus.publish('unit', '', WIRED), 200);
    t.teardown(() => clearInterval(speaking));
    await helper.load(TYPES, aFlow(DCDC, 2));
    const commands = collect('out1');
    const stops = (): Received[] => commands.filter(({ payload }) => (payload as WiredCommand).id.startsWith('own-'));
    await until(() => /watchdog/.test(statusOf('n').text ?? ''), 'the connection');
    t.equal(stops().length, 0);
    clearInterval(speaking);
    const lostAt = performance.now();
    await until(() => stops().length === 1, 'WAIT', 3_000);
    t.ok(performance.now() - lostAt < 3_000);
    t.match(stops()[0], { payload: { command: 'set', mode: 'WAIT' } });
    await until(() => stops().length === 2, 'and again', 2_000);
    t.match(statusOf('n'), { fill: 'red', text: 'apis-dcdc.status.lost' });
    // On a busy machine a further one may be on its way before the answer to the last has come.
    const isLeftAlone = async (): Promise<boolean> => {
      const answered = stops().length;
      helper.getNode('n').receive({ ...stops().at(-1), payload: WAITING });
      await new Promise((resolve) => setTimeout(resolve, 1_300));
      return stops().length === answered;
    };
    await until(isLeftAlone, 'it is confirmed');
    bus.publish('unit', '', WIRED);
    await until(() => statusOf('n').text !== 'apis-dcdc.status.lost', 'the daemon is back');
  });

  t.test('stops at the start, too, when there is no daemon', async (t) => {
    process.env.APIS_DATA = '/nowhere';
    await helper.load(TYPES, aFlow(DCDC, 2));
    const commands = collect('out1');
    await until(() => commands.length > 0, 'WAIT', 3_000);
    t.match(commands[0], { payload: { mode: 'WAIT' } });
  });

  t.test('needs the role of a device, a unit whose device is wired, and the id of a command', async (t) => {
    const unit = (await aWiredUnit(t)).unit('E001');
    const errors = async (
      flow: readonly object[],
      status: RegExp,
      message: object = { payload: {} },
    ): Promise<string> => {
      await helper.load(TYPES, flow);
      const caught = collect('errors');
      await until(() => status.test(statusOf('n').text ?? ''), String(status));
      helper.getNode('n').receive(message);
      await until(() => caught.length === 1, 'the error');
      const text = caught[0]?.error?.message ?? '';
      await helper.unload();
      return text;
    };
    t.match(await errors(aFlow(DCDC, 2, 'operator'), /needsDevice/), /builtInDriver/);
    t.match(await errors(aFlow(BATTERY, 2, 'operator'), /E001 50/, { payload: { id: 'x' } }), /role operator/);
    t.match(await errors(aFlow(DCDC, 2), /watchdog/), /expected the id of the command/);
    unit.bus.publish('unit', '', aUnit('E001'));
    t.match(await errors(aFlow(DCDC, 2), /builtIn/, { payload: { id: 'x' } }), /builtInDriver/);
    t.notOk(unit.said.some(({ key }) => key.startsWith('dcdc')));
  });
});

t.test('apis-dcdc carries a person’s set-points to the core, which decides (RULE-19)', async (t) => {
  const { heard } = (await aWiredUnit(t)).unit('E001');
  await helper.load(TYPES, aFlow({ ...DCDC, drives: false }, 2, 'operator'));
  const errors = collect('errors');
  await until(() => /A$/.test(statusOf('n').text ?? ''), 'the connection');
  helper.getNode('n').receive({ topic: 'manual', payload: { mode: 'CHARGE', gridCurrentA: 1, holdMsec: 5_000 } });
  await until(() => heard.length === 1, 'the set-point');
  t.same(heard, [{ kind: 'manual', mode: 'CHARGE', gridCurrentA: 1, holdMsec: 5_000 }]);
  for (const payload of [
    undefined,
    { mode: 'GO' },
    { mode: 'CHARGE', gridCurrentA: -1 },
    { mode: 'WAIT', holdMsec: 1e6 },
  ]) {
    helper.getNode('n').receive({ topic: 'manual', payload });
  }
  await until(() => errors.length === 4, 'the refusals');
  t.equal(heard.length, 1);
});

t.test('apis-battery asks for a reading and hands it over', async (t) => {
  const unit = (await aWiredUnit(t)).unit('E001');
  await helper.load(TYPES, aFlow(BATTERY, 2));
  const [states, requests] = [collect('out1'), collect('out2')];
  await until(() => states.length === 1, 'the connection');
  unit.ask(aCommand({ command: 'status' }));
  const asked = aCommand({ command: 'get' });
  unit.ask(asked);
  await until(() => requests.length === 1, 'the request');
  t.match(requests[0], { topic: 'read', command: { id: asked.id }, payload: { id: asked.id, deadline: Number } });
  helper.getNode('n').receive({ ...requests[0], payload: { rsoc: 61, battery_operation_status: 3 } });
  await until(() => unit.said.length === 1, 'the reading');
  t.same(unit.said, [{ key: `battery/${asked.id}`, body: { rsoc: 61, battery_operation_status: 3 } }]);
});

t.test('what people type and send to fake devices is checked (INV-11)', async (t) => {
  t.same(hostedGrid({ houses: 'E001:92, E002', lines: 'star', ohms: '0.2', seed: '7', port: 4390, dataset: ' x ' }), {
    houses: [{ id: 'E001', rsoc: 92 }, { id: 'E002' }],
    network: { kind: 'star', ohmsPerSpan: 0.2 },
    dataset: 'x',
    port: 4390,
    seed: 7,
  });
  t.match(hostedGrid({ lines: 'E001-E002:0.11, E002-E003:0.2' }).network, {
    branches: [{ from: 'E001', to: 'E002', ohms: 0.11 }, { ohms: 0.2 }],
  });
  for (const fields of [{ houses: 'E001:full' }, { houses: ':3' }, { lines: 'ring' }, { seed: 'x' }, { port: 'x' }]) {
    t.throws(() => hostedGrid(fields), /expected/, JSON.stringify(fields));
  }
  t.same(orderOf({ command: 'set', mode: 'WAIT', dig: 1, more: 'x' }), { command: 'set', mode: 'WAIT', dig: 1 });
  for (const payload of [
    undefined,
    'get',
    { command: 'go' },
    { command: 'set', mode: 'x' },
    { command: 'set', dvg: '1' },
  ]) {
    t.throws(() => orderOf(payload), /expected/);
  }
  t.same([isOverdue({ deadline: 5 }, 6), isOverdue({ deadline: 5 }, 5), isOverdue({}, 6)], [true, false, false]);
  t.same(overridesOf({ rsoc: 5, pvW: null }), { rsoc: 5, pvW: null });
  for (const payload of [undefined, {}, { rsoc: null }, { rsoc: '5' }, { sun: 1 }]) {
    t.throws(() => overridesOf(payload), /expected \{rsoc/);
  }
  const fields = { house: 'E001', fault: 'leak', values: '{"siemens": 0.002}' };
  t.same(faultWish(true, fields), { house: 'E001', fault: 'leak', heal: false, values: { siemens: 0.002 } });
  t.match(faultWish({ unit: 'E002', fault: 'clockSkew', offsetMsec: 9 }, fields), {
    house: 'E002',
    fault: 'clockSkew',
    values: { siemens: undefined, offsetMsec: 9 },
  });
  for (const heal of ['heal', 'off', false, { heal: true }]) t.ok(faultWish(heal, fields).heal);
  t.throws(() => faultWish(true, { house: 'E001' }), /kind of fault/);
  t.throws(() => faultWish(true, { fault: 'leak' }), /house/);
  t.throws(() => faultWish(true, { ...fields, values: '[' }), /JSON object/);
});

t.test('fake devices', async (t) => {
  const HOLD = { command: 'set', mode: 'VOLTAGE_REFERENCE', dvg: 350, dig: 2, drg: 0 };
  const HOSTED = {
    id: 'grid',
    type: 'apis-fake-grid',
    source: 'hosted',
    houses: 'E001:70, E002',
    lines: 'line',
    seed: '1',
  };
  const withGrid = (node: object, grid: object = HOSTED) => [
    ...aFlow({ grid: 'grid', house: 'E001', ...node }, 1),
    grid,
  ];

  t.test('a converter obeys and answers, and keeps the message’s own properties', async (t) => {
    await helper.load(TYPES, withGrid({ type: 'apis-fake-dcdc', watchdogMsec: '' }));
    const [replies, errors] = [collect('out1'), collect('errors')];
    await until(() => statusOf('n').fill === 'green', 'the grid');
    const node = helper.getNode('n');
    node.receive({ payload: HOLD, command: { id: 'c1' } });
    await until(() => replies.length === 1, 'the reply');
    t.match(replies[0], { topic: 'reply', command: { id: 'c1' }, payload: { status: { status: '0x0014' } } });
    node.receive({ payload: { command: 'get' } });
    await until(() => replies.length === 2, 'the second reply');
    t.match(replies[1], { payload: { vdis: { dvg: 350 }, param: { dig: 2 }, meter: { vb: Number } } });
    node.receive({ payload: { ...HOLD, mode: 'WAIT', deadline: Date.now() - 1 } });
    node.receive({ payload: 'stop' });
    await until(() => errors.length === 2, 'the errors');
    t.match(
      errors.map(({ error }) => error?.message),
      [/overdue/, /payload.command: expected get/],
    );
    await until(() => /E001 REFERENCE/.test(statusOf('n').text ?? ''), 'the status');
  });

  t.test('the watchdog of a converter stops it when no command comes any more', async (t) => {
    const grid = await hostFakeGrid({ houses: [{ id: 'E001' }, { id: 'E002' }] });
    t.teardown(() => grid.close());
    const elsewhere = { id: 'grid', type: 'apis-fake-grid', source: 'address', host: '', port: String(grid.port) };
    await helper.load(TYPES, withGrid({ type: 'apis-fake-dcdc', watchdogMsec: '300' }, elsewhere));
    const replies = collect('out1');
    await until(() => statusOf('n').fill === 'green', 'the grid');
    helper.getNode('n').receive({ payload: HOLD });
    await until(() => replies.length === 1, 'the reply');
    t.match(replies[0], { payload: { status: { status: '0x0014' } } });
    await helper.unload(); // whoever drove it is gone
    const emulator = new EmulatorClient(async () => grid);
    await until(async () => (await emulator.state('E001')).mode === 'WAIT', 'the watchdog', 2_000);
  });

  t.test('one network for two Node-REDs: what holds the bus in one process is measured in the other', async (t) => {
    const [port = 0] = await freePorts(1);
    const here = withGrid({ type: 'apis-fake-dcdc', house: 'E002' }, { ...HOSTED, port: String(port) });
    await helper.load(TYPES, here);
    const replies = collect('out1');
    await until(() => statusOf('n').fill === 'green', 'the grid');
    const elsewhere = [
      { id: 'tab', type: 'tab', label: 'test' },
      { id: 'grid', type: 'apis-fake-grid', source: 'address', host: '', port: String(port) },
      { id: 'n', z: 'tab', type: 'apis-fake-dcdc', grid: 'grid', house: 'E001', x: 0, y: 0, wires: [[]] },
    ];
    const red = await RedProcess.start(elsewhere as unknown as Flow, {});
    t.teardown(() => red.kill());
    await red.receive('n', { payload: HOLD });
    const busVoltages = (): number[] =>
      replies.map(({ payload }) => (payload as { meter: { vg: number } }).meter.vg).filter((volts) => volts > 300);
    const look = setInterval(() => helper.getNode('n').receive({ payload: { command: 'get' } }), 200);
    t.teardown(() => clearInterval(look));
    await until(() => busVoltages().length > 0, 'the voltage of the other process', 20_000);
    t.ok(Math.abs((busVoltages()[0] ?? 0) - 350) < 50);
  });

  t.test('a battery answers with a reading, a house takes overrides, faults come and go', async (t) => {
    await helper.load(TYPES, [
      ...withGrid({ type: 'apis-fake-battery' }),
      { id: 'house', z: 'tab', type: 'apis-fake-house', grid: 'grid', house: 'E001', wires: [['houses']] },
      { id: 'houses', z: 'tab', type: 'helper' },
      {
        id: 'fault',
        z: 'tab',
        type: 'apis-fake-fault',
        grid: 'grid',
        house: 'E001',
        fault: 'leak',
        values: '{"siemens":0.001}',
        wires: [['faults']],
      },
      { id: 'faults', z: 'tab', type: 'helper' },
    ]);
    const [readings, houses, faults, errors] = [
      collect('out1'),
      collect('houses'),
      collect('faults'),
      collect('errors'),
    ];
    await until(() => ['n', 'house', 'fault'].every((id) => statusOf(id).fill === 'green'), 'the grid');
    helper.getNode('n').receive({ payload: { id: 'r1' }, command: { id: 'r1' } });
    await until(() => readings.length === 1, 'the reading');
    t.match(readings[0], {
      topic: 'reading',
      command: { id: 'r1' },
      payload: { rsoc: Number, battery_operation_status: 3 },
    });
    helper.getNode('house').receive({ payload: { rsoc: 33, pvW: 800 } });
    await until(() => houses.some(({ payload }) => (payload as { pvW: number }).pvW === 800), 'the override');
    helper.getNode('fault').receive({ payload: true });
    await until(() => faults.length === 1, 'the fault');
    t.match(faults[0], { topic: 'injected', payload: { faults: { houses: { E001: ['leak'] } } } });
    helper.getNode('fault').receive({ payload: { fault: 'lineBreak', line: 'E001-E002' } });
    await until(() => faults.length === 2, 'the line');
    t.match(faults[1], { payload: { faults: { lines: ['E001-E002'] } } });
    helper.getNode('fault').receive({ payload: 'heal' });
    await until(() => faults.length === 3, 'the repair');
    t.match(faults[2], { topic: 'healed', payload: { faults: { houses: { E001: [] } } } });
    helper.getNode('fault').receive({ payload: { fault: 'leak', siemens: 9 } });
    helper.getNode('house').receive({ payload: { rsoc: 120 } });
    await until(() => errors.length === 2, 'the refusals');
    t.match(errors.map(({ error }) => error?.message).sort(), [/siemens/, /rsoc/]);
  });

  t.test('say what to do without a grid or a house, and come back with the grid', async (t) => {
    for (const type of ['apis-fake-house', 'apis-fake-battery', 'apis-fake-dcdc']) {
      await helper.load(TYPES, withGrid({ type, grid: '' }));
      t.match(statusOf('n'), { fill: 'red', text: `${type}.status.noGrid` });
      const errors = collect('errors');
      helper.getNode('n').receive({ payload: { command: 'get', rsoc: 1 } });
      await until(() => errors.length === 1, 'the error');
      t.match(errors[0]?.error?.message, /noHouse/);
      await helper.unload();
      await helper.load(TYPES, withGrid({ type, house: '' }));
      t.match(statusOf('n'), { fill: 'red', text: `${type}.status.noHouse` });
      await helper.unload();
    }
    const grid = await hostFakeGrid({ houses: [{ id: 'E001' }, { id: 'E002' }] });
    const elsewhere = {
      id: 'grid',
      type: 'apis-fake-grid',
      source: 'address',
      host: '127.0.0.1',
      port: String(grid.port),
    };
    await helper.load(TYPES, [
      ...withGrid({ type: 'apis-fake-battery' }, elsewhere),
      { id: 'other', z: 'tab', type: 'apis-fake-battery', grid: 'grid', house: 'E009', wires: [[]] },
      { id: 'lost', z: 'tab', type: 'apis-fake-fault', grid: '', wires: [[]] },
    ]);
    await until(() => statusOf('n').text === 'E001', 'the grid');
    await until(() => statusOf('other').text === 'apis-fake-battery.status.unknownHouse', 'the stranger');
    t.match(statusOf('lost'), { fill: 'red', text: 'apis-fake-fault.status.noGrid' });
    await grid.close();
    await until(() => statusOf('n').text === 'apis-fake-battery.status.waiting', 'the loss', 2_500);
    const again = await hostFakeGrid({ houses: [{ id: 'E001' }, { id: 'E002' }], port: grid.port });
    t.teardown(() => again.close());
    await until(() => statusOf('n').text === 'E001', 'the return', 2_500);
  });

  t.test('a grid that cannot be hosted says why, and breaks nothing', async (t) => {
    await helper.load(TYPES, withGrid({ type: 'apis-fake-battery' }, { ...HOSTED, houses: 'E001:full' }));
    const errors = collect('errors');
    helper.getNode('n').receive({ payload: {} });
    await until(() => errors.length === 1, 'the error');
    t.match(errors[0]?.error?.message, /charge of E001: expected a number, got "full"/);
    await until(() => statusOf('n').text === 'apis-fake-battery.status.waiting', 'the status', 2_000);
  });
});

t.test('fake and wired devices work inside subflows, where environment variables choose house and unit', async (t) => {
  const unit = (await aWiredUnit(t)).unit('E001');
  const place = { x: 0, y: 0 };
  await helper.load(TYPES, [
    { id: 'tab', type: 'tab', label: 'test' },
    { id: 'grid', type: 'apis-fake-grid', source: 'hosted', houses: 'E001:70, E002', lines: 'line', seed: '1' },
    { id: 'sf', type: 'subflow', name: 'device', in: [], out: [] },
    { id: 'cfg', type: 'apis-unit', z: 'sf', unitId: `\${UNIT}`, role: 'device' },
    { ...place, id: 'dcdc', type: 'apis-dcdc', z: 'sf', unit: 'cfg', drives: true, wires: [['fake'], []] },
    { ...place, id: 'fake', type: 'apis-fake-dcdc', z: 'sf', grid: 'grid', house: `\${HOUSE}`, wires: [['dcdc']] },
    { ...place, id: 'battery', type: 'apis-battery', z: 'sf', unit: 'cfg', wires: [[], ['cell']] },
    {
      ...place,
      id: 'cell',
      type: 'apis-fake-battery',
      z: 'sf',
      grid: 'grid',
      house: `\${HOUSE}`,
      wires: [['battery']],
    },
    {
      ...place,
      id: 'one',
      type: 'subflow:sf',
      z: 'tab',
      wires: [],
      env: [
        { name: 'UNIT', type: 'str', value: 'E001' },
        { name: 'HOUSE', type: 'str', value: 'E001' },
      ],
    },
  ]);
  await until(() => unit.said.some(({ key }) => key === 'heartbeat'), 'the connection');
  const asked = aCommand({ command: 'get' });
  unit.ask(asked);
  const answered = (key: string): boolean => unit.said.some((one) => one.key === `${key}/${asked.id}`);
  await until(() => answered('dcdc') && answered('battery'), 'both parts of the answer');
  t.match(unit.said.find(({ key }) => key.startsWith('battery'))?.body, { rsoc: Number });
});
