import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect, connectAsync } from 'mqtt';
import t from 'tap';
import { retryDelay } from '../src/adapters/broker/broker-connection.ts';
import { hear } from '../src/adapters/mesh/message-schemas.ts';
import { MqttMirror } from '../src/adapters/mesh/mqtt-mirror.ts';
import { CommunityPicture } from '../src/client/community-picture.ts';
import { readDaemonFile, UnitClient } from '../src/client/index.ts';
import type { EmulationBody } from '../src/domain/emulation.ts';
import type { OperatorBody } from '../src/domain/messages.ts';
import type { Bus } from '../src/ports/bus.ts';
import { collectingLog, type LogLine, silentLog } from '../src/ports/log.ts';
import { MemoryBusHub } from '../src/ports/memory-bus.ts';
import { VirtualClock } from '../src/ports/virtual-clock.ts';
import { aDirectory } from './support/directory.ts';
import { aBirth, aDeal, aGrid, aMode, aUnit } from './support/messages.ts';

const PLACE = { communityId: 'test', clusterId: 'one' };
const ROOT = 'apis/v1/test/one';

interface House {
  readonly bus: Bus;
  readonly mirror: MqttMirror;
  readonly heard: (OperatorBody | EmulationBody)[];
  readonly lines: LogLine[];
}

/** One unit with its broker, as the daemon would run it. */
async function aHouse(
  hub: MemoryBusHub,
  unitId: string,
  more: { port?: number; refuse?: string; obey?: () => Promise<undefined> } = {},
): Promise<House> {
  const heard: (OperatorBody | EmulationBody)[] = [];
  const lines: LogLine[] = [];
  const mirror = await MqttMirror.start({
    ...PLACE,
    unitId,
    hub,
    port: more.port ?? 0,
    log: collectingLog((line) => lines.push(line)),
    onOperator: async (body) => {
      if (more.refuse !== undefined) throw new Error(more.refuse);
      heard.push(body);
      return more.obey?.();
    },
  });
  return { bus: hub.join(unitId, `${unitId}-session`), mirror, heard, lines };
}

const aHub = (): MemoryBusHub => new MemoryBusHub(new VirtualClock(Date.UTC(2026, 0, 2)));

/** A port that was free a moment ago. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });

/** Attaches and detaches with the test. */
function attach(test: Tap.Test, ...args: Parameters<typeof UnitClient.attach>): UnitClient {
  const client = UnitClient.attach(...args);
  test.teardown(() => client.close());
  return client;
}

declare namespace Tap {
  type Test = Pick<typeof t, 'teardown'>;
}

t.test('UnitClient shows what its unit says (architecture §3)', async (t) => {
  const hub = aHub();
  const house = await aHouse(hub, 'E001');
  t.teardown(() => house.mirror.stop());
  house.bus.publish('birth', '', aBirth('E001'));
  const client = attach(t, house.mirror.address);
  t.equal(client.connection, 'connecting', 'attach returns at once');
  await client.ready(3000);
  t.equal(client.unitId(), 'E001');

  house.bus.publish('unit', '', aUnit('E001', 61));
  house.bus.publish('mode', '', aMode('heteronomous'));
  house.bus.publish('grid', '', aGrid('E001', { term: 4 }), { term: 4 });
  house.bus.publish('deal', 'D1', aDeal('D1'));
  house.bus.publish('fault', 'F1', {
    unitId: 'E001',
    category: 'HARDWARE',
    extent: 'LOCAL',
    level: 'ERROR',
    reason: 'safety.over-voltage',
    message: '400 V over 390 V',
    at: '2026/01/02-03:04:05',
  });
  await client.when((state) => state.faults.length === 1 && state.units.E001?.mode !== undefined, 3000);

  const state = client.state();
  t.match(state.units.E001, {
    online: true,
    birth: { display: 'House E001' },
    unit: { battery: { rsoc: 61 } },
    mode: { effective: 'heteronomous' },
  });
  t.equal(state.grid?.term, 4);
  t.same(
    state.deals.map((deal) => deal.dealId),
    ['D1'],
  );
  t.equal(state.faults[0]?.reason, 'safety.over-voltage');
  t.equal(state.time, Date.UTC(2026, 0, 2), "the community's clock, not ours");
  t.equal(client.ignoredMessages, 0);
});

t.test('a late client gets the retained state, and what was taken back is gone', async (t) => {
  const house = await aHouse(aHub(), 'E001');
  t.teardown(() => house.mirror.stop());
  house.bus.publish('birth', '', aBirth('E001'));
  house.bus.publish('deal', 'gone', aDeal('gone'));
  house.bus.publish('deal', 'stays', aDeal('stays'));
  house.bus.publish('deal', 'done', aDeal('done', { deactivateDateTime: '2026/01/02-04:00:00' }));
  house.bus.retract('deal', 'gone');

  const client = attach(t, house.mirror.address);
  await client.when((state) => state.deals.length === 2, 3000);
  const ids = (): string[] => client.state().deals.map((deal) => deal.dealId);
  t.same(ids(), ['stays', 'done'], 'open deals first');

  house.bus.retract('deal', 'stays');
  house.bus.retract('deal', 'done');
  await client.when((state) => state.deals.length === 1, 3000);
  t.same(ids(), ['done'], 'an open deal that leaves is dropped, a finished one is history');
});

t.test('the newest copy of a deal and the highest term win (INV-6)', async (t) => {
  const hub = aHub();
  const one = await aHouse(hub, 'E001');
  const two = await aHouse(hub, 'E002');
  t.teardown(() => Promise.all([one.mirror.stop(), two.mirror.stop()]));
  const peers = [{ unitId: 'E002', ...two.mirror.address }];
  one.bus.publish('birth', '', aBirth('E001', { peers }));
  two.bus.publish('birth', '', aBirth('E002'));
  two.bus.publish('deal', 'D1', aDeal('D1', { term: 3, revision: 1, activateDateTime: '2026/01/02-03:00:03' }));
  one.bus.publish('deal', 'D1', aDeal('D1', { term: 2, revision: 9 }));
  two.bus.publish('grid', '', aGrid('E002', { term: 3 }));
  one.bus.publish('grid', '', aGrid('E001', { term: 2 }));

  const client = attach(t, one.mirror.address);
  await client.when((state) => state.units.E002?.online === true && state.units.E001?.online === true, 3000);
  await client.when((state) => state.deals[0]?.term === 3 && state.grid?.term === 3, 3000);
  t.equal(client.state().deals.length, 1, 'two copies are one deal');
  t.equal(client.state().grid?.gridMasterUnitId, 'E002');
});

t.test('follow: one address is enough for the community, and peers come and go by the birth', async (t) => {
  const hub = aHub();
  const houses = await Promise.all(['E001', 'E002', 'E003'].map((unitId) => aHouse(hub, unitId)));
  const [one, two, three] = houses as [House, House, House];
  t.teardown(() => Promise.all(houses.map(({ mirror }) => mirror.stop())));
  const peerOf = (unitId: string, house: House) => ({ unitId, ...house.mirror.address });
  two.bus.publish('birth', '', aBirth('E002'));
  three.bus.publish('birth', '', aBirth('E003'));
  one.bus.publish(
    'birth',
    '',
    aBirth('E001', { peers: [peerOf('E001', one), peerOf('E002', two), peerOf('E003', three)] }),
  );

  const client = attach(t, one.mirror.address);
  const alone = attach(t, one.mirror.address, { follow: false });
  await client.when((state) => Object.values(state.units).filter((unit) => unit.online).length === 3, 3000);
  await alone.ready(3000);
  t.same(Object.keys(alone.state().units), ['E001'], 'follow: false stays with its own unit');

  one.bus.publish('birth', '', aBirth('E001', { peers: [peerOf('E002', two)] }));
  await client.when((state) => state.units.E003 === undefined, 3000);
  t.same(Object.keys(client.state().units), ['E001', 'E002']);

  await two.mirror.stop();
  await client.when((state) => state.units.E002?.online === false, 3000);
  t.equal(client.connection, 'connected', 'a dead peer leaves the rest alone');
});

t.test('a broker that restarts is found again, as another session', async (t) => {
  const hub = aHub();
  const port = await freePort();
  const states: string[] = [];
  const client = attach(t, { host: '127.0.0.1', port });
  client.on('connection', (state) => states.push(state));
  await t.rejects(client.ready(150), { name: 'PeerError', reason: 'peer.timeout' }, 'nobody there yet');

  const first = await aHouse(hub, 'E001', { port });
  first.bus.publish('birth', '', aBirth('E001', { session: 'one' }));
  await client.ready(5000);
  await first.mirror.stop();
  await client.when((state) => state.units.E001?.online === false, 3000);
  t.not(client.connection, 'connected');
  await t.rejects(client.send({ kind: 'mode', value: 'stop' }), { name: 'PeerError', reason: 'peer.unreachable' });

  const second = await aHouse(hub, 'E001', { port });
  t.teardown(() => second.mirror.stop());
  second.bus.publish('birth', '', aBirth('E001', { session: 'two' }));
  await client.when((state) => state.units.E001?.birth?.session === 'two', 8000);
  t.equal(client.state().units.E001?.online, true);
  t.same(new Set(states), new Set(['disconnected', 'connecting', 'connected']));
});

t.test('another unit that took the port over replaces the former one', async (t) => {
  const hub = aHub();
  const port = await freePort();
  const first = await aHouse(hub, 'E001', { port });
  first.bus.publish('birth', '', aBirth('E001'));
  const client = attach(t, { host: '127.0.0.1', port });
  await client.ready(3000);
  await first.mirror.stop();
  const second = await aHouse(hub, 'E009', { port });
  t.teardown(() => second.mirror.stop());
  second.bus.publish('birth', '', aBirth('E009'));
  await client.when((state) => state.units.E009?.online === true, 8000);
  t.equal(client.unitId(), 'E009');
  t.same(Object.keys(client.state().units), ['E009']);
});

t.test('the address may be looked up anew before each attempt', async (t) => {
  const house = await aHouse(aHub(), 'E001');
  t.teardown(() => house.mirror.stop());
  house.bus.publish('birth', '', aBirth('E001'));
  let asked = 0;
  const client = attach(t, async () => {
    asked += 1;
    if (asked < 3) throw new Error('no daemon.json yet');
    return house.mirror.address;
  });
  await client.ready(5000);
  t.equal(asked, 3);
});

t.test("operators' messages are answered", async (t) => {
  const hub = aHub();
  const house = await aHouse(hub, 'E001');
  const strict = await aHouse(hub, 'E002', { refuse: 'no grid master: the mode cannot be raised' });
  t.teardown(() => Promise.all([house.mirror.stop(), strict.mirror.stop()]));
  house.bus.publish('birth', '', aBirth('E001'));
  strict.bus.publish('birth', '', aBirth('E002'));
  const client = attach(t, house.mirror.address);
  const refused = attach(t, strict.mirror.address);
  await t.rejects(client.send({ kind: 'mode', value: 'stop' }), { name: 'PeerError', reason: 'peer.unreachable' });
  await Promise.all([client.ready(3000), refused.ready(3000)]);

  const bodies: OperatorBody[] = [
    { kind: 'mode', value: 'stop' },
    { kind: 'local-mode', value: null },
    { kind: 'emergency-stop', reason: 'smoke' },
    { kind: 'deal.stop', dealId: 'D1', reason: 'maintenance' },
    { kind: 'fault.acknowledge', faultId: 'F1' },
  ];
  for (const body of bodies) await client.send(body);
  t.same(house.heard, bodies);
  await t.rejects(
    refused.send({ kind: 'mode', value: 'autonomous' }),
    { name: 'PeerError', reason: 'peer.refused', message: 'no grid master: the mode cannot be raised' },
    "the unit's own reason comes back",
  );
  const nonsense = { kind: 'mode', value: 'faster' } as unknown as OperatorBody;
  await t.rejects(client.send(nonsense), { name: 'ConfigError' }, 'INV-11: refused before it is sent');
  t.equal(house.heard.length, bodies.length);
});

t.test('a word whose answer cannot come any more is told as one of unknown outcome, and at once', async (t) => {
  let heard = (): void => {};
  const isHeard = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const house = await aHouse(aHub(), 'E001', {
    obey: () => {
      heard();
      return new Promise(() => {});
    },
  });
  house.bus.publish('birth', '', aBirth('E001'));
  const client = attach(t, house.mirror.address);
  await client.ready(3_000);
  const rejected = t.rejects(client.send({ kind: 'mode', value: 'stop' }), {
    reason: 'peer.unreachable',
    message: 'the connection was lost; whether it was carried out is not known',
  });
  await isHeard;
  await house.mirror.stop();
  await rejected;
});

t.test('the mirror takes nothing from clients but valid operator messages (INV-11)', async (t) => {
  const house = await aHouse(aHub(), 'E001');
  t.teardown(() => house.mirror.stop());
  house.bus.publish('birth', '', aBirth('E001'));
  const url = `mqtt://127.0.0.1:${house.mirror.address.port}`;

  /** Publishes as any MQTT client may; true when the broker cuts the connection for it. */
  const isCutOff = async (topic: string, payload: string, retain = false): Promise<boolean> => {
    const client = await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0 });
    client.on('error', () => {});
    const closed = new Promise<boolean>((resolve) => client.once('close', () => resolve(true)));
    const acknowledged = client.publishAsync(topic, payload, { qos: 1, retain }).then(
      () => false,
      () => true,
    );
    const cutOff = await Promise.race([closed, acknowledged]);
    client.end(true);
    return cutOff;
  };
  const stop = JSON.stringify({ body: { kind: 'mode', value: 'stop' } });
  t.equal(await isCutOff(`${ROOT}/E001/unit`, '{}'), true, "the unit's own channels");
  t.equal(await isCutOff(`${ROOT}/E001/operator`, stop), true, 'no id');
  t.equal(await isCutOff(`${ROOT}/E002/operator/1`, stop), true, "another unit's");
  t.equal(await isCutOff('anything/else', stop), true, 'outside the tree');
  t.equal(await isCutOff(`${ROOT}/E001/operator/1`, stop, true), true, 'retained');
  t.equal(await isCutOff(`${ROOT}/E001/operator/1`, 'x'.repeat(65 * 1024)), true, 'just over 64 KiB');
  t.equal(await isCutOff(`${ROOT}/E001/operator/1`, 'x'.repeat(3_000_000)), true, 'far over 64 KiB');
  t.same(house.heard, []);
  t.equal(await isCutOff(`${ROOT}/E001/operator/1`, stop), false, 'a bare body from any MQTT client is enough');
  t.same(house.heard, [{ kind: 'mode', value: 'stop' }]);
});

t.test('malformed and late operator messages are answered with the reason and do nothing (INV-11)', async (t) => {
  const house = await aHouse(aHub(), 'E001');
  t.teardown(() => house.mirror.stop());
  const client = await connectAsync(`mqtt://127.0.0.1:${house.mirror.address.port}`, { protocolVersion: 4 });
  t.teardown(() => client.endAsync(true));
  await client.subscribeAsync(`${ROOT}/E001/answer/#`);
  const answerTo = async (payload: string): Promise<{ ok: boolean; message?: string }> => {
    const answer = new Promise<Buffer>((resolve) => client.once('message', (_topic, bytes) => resolve(bytes)));
    await client.publishAsync(`${ROOT}/E001/operator/q`, payload);
    return JSON.parse((await answer).toString());
  };
  const saying = (body: unknown, more = {}): string => JSON.stringify({ body, ...more });
  const late = { time: Date.now() - 60_000, expiryMsec: 5_000 };

  t.match(await answerTo('{'), { ok: false, message: 'message: expected JSON' });
  t.match(await answerTo('{}'), { ok: false, message: /body/ });
  t.match(await answerTo(saying({ kind: 'mode', value: 'faster' })), {
    ok: false,
    message: /body\.value: expected.*"faster"/,
  });
  t.match(await answerTo(saying({ kind: 'explode' })), { ok: false, message: /body\.kind: expected/ });
  t.match(await answerTo(saying({ kind: 'mode', value: 'stop', extra: 1 })), { ok: false, message: /extra/ });
  t.match(await answerTo(saying({ kind: 'mode', value: 'autonomous' }, late)), { ok: false, message: /too late/ });
  t.same(house.heard, []);
  t.match(await answerTo(saying({ kind: 'mode', value: 'stop' }, late)), { ok: true }, 'a stop is never too late');
  t.match(await answerTo(saying({ kind: 'local-mode', value: 'stop' }, late)), { ok: true });
  t.match(await answerTo(saying({ kind: 'emergency-stop', reason: 'fire' }, late)), { ok: true });
  t.match(await answerTo(saying({ kind: 'local-mode', value: null }, late)), { ok: false });
  t.equal(house.heard.length, 3);
  t.ok(house.lines.some((line) => line.event === 'operator.malformed'));
});

t.test('the mirror sends the newest state of a burst, not all of it', async (t) => {
  const house = await aHouse(aHub(), 'E001');
  t.teardown(() => house.mirror.stop());
  house.bus.publish('birth', '', aBirth('E001'));
  const client = attach(t, house.mirror.address);
  await client.ready(3000);
  let messages = 0;
  client.on('message', ({ channel }) => {
    if (channel === 'unit') messages += 1;
  });
  for (let rsoc = 0; rsoc <= 100; rsoc += 1) house.bus.publish('unit', '', aUnit('E001', rsoc));
  await client.when((state) => state.units.E001?.unit?.battery.rsoc === 100, 3000);
  t.equal(messages, 2, 'the first at once, and the last');
});

t.test('transient messages are heard, requests and answers with their negotiation', async (t) => {
  const house = await aHouse(aHub(), 'E001');
  t.teardown(() => house.mirror.stop());
  house.bus.publish('birth', '', aBirth('E001'));
  const client = attach(t, house.mirror.address);
  await client.ready(3000);
  const heard: string[] = [];
  client.on('message', ({ channel, key, unitId }) => heard.push(`${unitId} ${channel} ${key}`));
  client.on('message', () => {
    throw new Error('a handler of the user fails');
  });
  const offer = { unitId: 'E001', type: 'charge', amountWh: 100, dateTime: '', dealGridCurrentA: 2 } as const;
  house.bus.publish('request', 'N1', offer);
  house.bus.publish('accept', 'N1', { unitId: 'E001', refusal: { reason: 'slots.busy', numbers: {} } });
  house.bus.publish('command', 'E002/C1', { kind: 'read', what: 'unit' });
  house.bus.publish('deal', 'a+b', aDeal('a+b'));
  house.bus.publish('deal', 'D1', aDeal('D1'));
  await client.when((state) => state.deals.length === 1, 3000);
  t.same(heard, ['E001 request N1', 'E001 accept N1', 'E001 command E002/C1', 'E001 deal D1']);
  t.ok(
    house.lines.some((line) => line.event === 'broker.key-refused'),
    'a key that MQTT forbids is logged, not sent',
  );
});

t.test('garbage is ignored and counted, by what is wrong with it (INV-11)', async (t) => {
  const hear1 = (topic: string, payload: string | Uint8Array) => hear(topic, Buffer.from(payload));
  const envelope = (body: unknown, more = {}): string =>
    JSON.stringify({ id: 'i', sender: 'E001', session: 's', term: 0, time: 0, body, ...more });
  const why = (topic: string, payload: string): string => {
    const heard = hear1(topic, payload);
    return heard.kind === 'garbage' ? heard.why : heard.kind;
  };
  t.equal(why(`${ROOT}/E001/unit`, 'not json'), 'no JSON');
  t.equal(why(`${ROOT}/E001/unit`, '[]'), 'no envelope');
  t.equal(why(`${ROOT}/E001/unit`, envelope(null)), 'no envelope');
  t.equal(why(`${ROOT}/E001/unit`, envelope({})), 'body does not fit channel unit');
  t.equal(
    why(`${ROOT}/E001/unit`, envelope({ ...aUnit('E001'), battery: { rsoc: 'full' } })),
    'body does not fit channel unit',
  );
  t.equal(why(`${ROOT}/E001/mode`, envelope(aMode(), { sender: 'E002' })), 'sender E002 on the topic of E001');
  t.equal(why(`${ROOT}/E001/unit`, 'x'.repeat(65 * 1024)), 'over 65536 bytes');
  t.equal(why(`${ROOT}/E001/operator/1`, '{}'), 'other');
  t.equal(why('$SYS/x', '{}'), 'other');
  t.equal(why('apis/v1/test', '{}'), 'other');
  t.equal(why(`${ROOT}/E001/unit`, ''), 'gone');
  t.equal(why(`${ROOT}/E001/mode`, envelope(aMode())), 'message');
  t.equal(why(`${ROOT}/E001/constructor`, envelope({})), 'other', 'an inherited name is no channel');

  // The same through a real broker that says nonsense.
  const { Aedes } = await import('aedes');
  const broker = await Aedes.createBroker();
  const server = createServer(broker.handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  t.teardown(() => new Promise<void>((resolve) => broker.close(() => server.close(() => resolve()))));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = attach(t, { host: '127.0.0.1', port });
  const say = (topic: string, payload: string): Promise<void> =>
    new Promise((resolve) =>
      broker.publish({ cmd: 'publish', topic, payload, qos: 0, retain: true, dup: false }, () => resolve()),
    );
  await say(`${ROOT}/E001/birth`, envelope(aBirth('E001')));
  await client.ready(3000);
  await say(`${ROOT}/E001/unit`, '\u0000\u0001');
  await say(`${ROOT}/E002/birth`, envelope(aBirth('E002'), { sender: 'E002' }));
  await say(`${ROOT}/E001/answer/nobody`, 'nonsense');
  await say(`${ROOT}/E001/unit`, envelope(aUnit('E001', 77)));
  await client.when((state) => state.units.E001?.unit?.battery.rsoc === 77, 3000);
  t.equal(client.ignoredMessages, 2, 'nonsense, and a broker that speaks for another unit');
  t.same(Object.keys(client.state().units), ['E001']);
});

t.test('memory stays bounded whatever is said', (t) => {
  const picture = new CommunityPicture();
  const delivery = (channel: 'deal' | 'fault' | 'birth', body: unknown, key = '') =>
    ({ channel, key, envelope: { id: 'i', sender: 'E001', session: 's', term: 0, time: 0, body } }) as never;
  for (let n = 0; n < 2000; n += 1) {
    const dealId = `D${String(n).padStart(5, '0')}`;
    const createDateTime = `2026/01/02-03:${String(n % 60).padStart(2, '0')}:00`;
    picture.hear('E001', delivery('deal', aDeal(dealId, { createDateTime })), 0);
    picture.hear('E001', delivery('deal', aDeal(`F${dealId}`, { deactivateDateTime: 'x' })), 0);
    picture.hear('E001', delivery('fault', { reason: `r${n}` }, String(n)), 0);
  }
  const units = Array.from({ length: 1000 }, (_, n) => picture.hear(`U${n}`, delivery('birth', aBirth(`U${n}`)), 0));
  const state = picture.state(() => true, 0);
  t.equal(state.deals.filter((deal) => deal.deactivateDateTime === undefined).length, 500);
  t.equal(state.deals.filter((deal) => deal.deactivateDateTime !== undefined).length, 50);
  t.equal(state.deals.at(-1)?.dealId, 'FD01999', 'the last finished ones');
  t.equal(state.faults.length, 100);
  t.equal(state.faults.at(-1)?.reason, 'r1999');
  t.equal(Object.keys(state.units).length, 256);
  t.equal(units.filter((isTaken) => !isTaken).length, 1000 - 255);
  t.end();
});

t.test('a late client hears the last 50 faults of its unit, each once', async (t) => {
  const house = await aHouse(aHub(), 'E001');
  t.teardown(() => house.mirror.stop());
  house.bus.publish('birth', '', aBirth('E001'));
  const say = (n: number): void =>
    house.bus.publish('fault', String(n), {
      unitId: 'E001',
      category: 'LOGIC',
      extent: 'LOCAL',
      level: 'WARN',
      reason: `r${n}`,
      message: '',
      at: '',
    });
  for (let n = 0; n < 60; n += 1) say(n);
  const client = attach(t, house.mirror.address);
  await client.when((state) => state.faults.length === 50, 3000);
  say(59);
  say(60);
  await client.when((state) => state.faults.at(-1)?.faultId === '60', 3000);
  const ids = client.state().faults.map(({ faultId }) => Number(faultId));
  t.same(
    ids.sort((a, b) => a - b),
    Array.from({ length: 51 }, (_, n) => n + 10),
  );
});

t.test('a unit is online while its connection is up and it spoke within 5 s', (t) => {
  const picture = new CommunityPicture();
  const birth = {
    channel: 'birth',
    key: '',
    envelope: { id: 'i', sender: 'E001', session: 's', term: 0, time: 9, body: aBirth('E001') },
  } as const;
  picture.hear('E001', birth, 1000);
  t.equal(picture.isOnline('E001', true, 6000), true);
  t.equal(picture.isOnline('E001', true, 6001), false, 'silent for more than 5 s');
  t.equal(picture.isOnline('E001', false, 1000), false, 'connection down');
  t.equal(picture.isOnline('E002', true, 1000), false, 'never heard');
  const before = picture.state(() => true, 1000);
  picture.forget('E001', 'birth', '');
  t.ok(before.units.E001?.birth, 'a snapshot does not change later');
  t.equal(picture.state(() => true, 1000).units.E001?.birth, undefined);
  picture.hear('E001', { channel: 'grid', key: '', envelope: { ...birth.envelope, body: aGrid('E001') } }, 1000);
  picture.forget('E002', 'grid', '');
  t.ok(picture.state(() => true, 0).grid);
  picture.forget('E001', 'grid', '');
  t.equal(picture.state(() => true, 0).grid, undefined);
  t.end();
});

t.test('reconnects back off from 0.1 s to 3 s, with jitter', (t) => {
  t.same(
    [0, 1, 2, 5, 50].map((attempt) => retryDelay(attempt, 0.5)),
    [100, 200, 400, 3000, 3000],
  );
  t.same([retryDelay(0, 0), retryDelay(0, 1)], [75, 125]);
  const drawn = retryDelay(0);
  t.ok(drawn >= 75 && drawn <= 125);
  t.end();
});

t.test('close is final and quick, also without a broker', async (t) => {
  const client = UnitClient.attach({ host: '127.0.0.1', port: await freePort() });
  let events = 0;
  client.on('connection', () => events++);
  const unsubscribe = client.on('change', () => events++);
  unsubscribe();
  await client.close();
  await client.close();
  const seen = events;
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(events, seen);
  t.equal(client.connection, 'disconnected');
  t.equal(client.unitId(), undefined);
});

t.test('a mirror says that its port is taken', async (t) => {
  const hub = aHub();
  const house = await aHouse(hub, 'E001');
  t.teardown(() => house.mirror.stop());
  const port = house.mirror.address.port;
  const again = { ...PLACE, unitId: 'E001', hub, port, log: silentLog, onOperator: () => undefined };
  await t.rejects(MqttMirror.start(again), { code: 'EADDRINUSE' });
});

t.test('peers cannot push a mirror over: subscribing to everything is all they may', async (t) => {
  const house = await aHouse(aHub(), 'E001');
  house.bus.publish('birth', '', aBirth('E001'));
  const clients = Array.from({ length: 20 }, () =>
    connect(`mqtt://127.0.0.1:${house.mirror.address.port}`, { reconnectPeriod: 0 }),
  );
  for (const client of clients) client.on('error', () => {});
  await Promise.all(clients.map((client) => new Promise((resolve) => client.once('connect', resolve))));
  await house.mirror.stop();
  await Promise.all(
    clients.map((client) => client.connected && new Promise<void>((resolve) => client.once('close', () => resolve()))),
  );
  t.ok(
    clients.every((client) => !client.connected),
    'stop ends every connection',
  );
  house.bus.publish('birth', '', aBirth('E001', { display: 'nobody hears this' }));
});

t.test('readDaemonFile', async (t) => {
  const dir = await aDirectory();
  const file = join(dir, 'daemon.json');
  await t.rejects(readDaemonFile(file), {
    name: 'ConfigError',
    message: /daemon\.json: no such file; is a gateway running/,
  });
  const good = { pid: 123, units: [{ unitId: 'E001', host: '127.0.0.1', port: 18830 }], speed: 60 };
  await writeFile(file, JSON.stringify(good));
  t.same(await readDaemonFile(file), good);
  for (const bad of ['{', '{}', JSON.stringify({ ...good, pid: -1 }), JSON.stringify({ ...good, units: [{}] })]) {
    await writeFile(file, bad);
    await t.rejects(readDaemonFile(file), { name: 'ConfigError', message: /expected \{pid, units/ });
  }
  await t.rejects(readDaemonFile(dir), { name: 'ConfigError', message: /EISDIR/ });
});
