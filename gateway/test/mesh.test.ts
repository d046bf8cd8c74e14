import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { connectAsync } from 'mqtt';
import t from 'tap';
import { EmbeddedBroker } from '../src/adapters/broker/embedded-broker.ts';
import { DurableStore } from '../src/adapters/files/durable-store.ts';
import { type Judgement, type Moment, PeerEar } from '../src/adapters/mesh/peer-ear.ts';
import { bodyProblem } from '../src/adapters/mesh/peer-schemas.ts';
import type { PeerAddress } from '../src/adapters/mesh/peer-source.ts';
import { isRefused } from '../src/adapters/mesh/refusal.ts';
import { SystemClock } from '../src/adapters/system/system-clock.ts';
import { Requests, type Serve } from '../src/cluster/requests.ts';
import type { Channel } from '../src/domain/messages.ts';
import { silentLog } from '../src/ports/log.ts';
import { VirtualClock } from '../src/ports/virtual-clock.ts';
import { watchedStore } from '../src/unit/watched-store.ts';
import { aMeshEnd, heard, type MeshEnd, type MeshOptions, PLACE, rootOf } from './support/mesh.ts';
import type { Mortal } from './support/mesh-mortal.ts';
import { aBeacon, aBirth, aDeal, aGrid, aMode, aUnit } from './support/messages.ts';
import { eventually, freePorts, Running } from './support/process.ts';
import { aCommunity } from './support/running-community.ts';

// Much of it waits for silences, and some for processes.
t.setTimeout(60_000);

type Test = Pick<typeof t, 'teardown'>;

const HOST = '127.0.0.1';
const IDS = ['E001', 'E002', 'E003'];

interface Mesh {
  readonly ends: readonly MeshEnd[];
  /** Opens the end of a unit (again) at its place, as another session. */
  open(unitId: string, session?: string, more?: Partial<MeshOptions>): Promise<MeshEnd>;
}

/** Ends of a mesh, each with a broker of its own, that know each other by static peers. */
async function aMesh(test: Test, ids: readonly string[] = IDS, more: Partial<MeshOptions> = {}): Promise<Mesh> {
  const ports = await freePorts(ids.length);
  const places = ids.map((unitId, index) => ({ unitId, host: HOST, port: ports[index] ?? 0 }));
  const open: Mesh['open'] = async (unitId, session = `${unitId}-1`, further = {}) => {
    const port = places.find((place) => place.unitId === unitId)?.port ?? 0;
    const end = await aMeshEnd(unitId, {
      members: ids,
      peers: places.filter((place) => place.unitId !== unitId),
      session,
      ...more,
      ...further,
      broker: { port, ...more.broker, ...further.broker },
    });
    test.teardown(() => end.close());
    return end;
  };
  return { ends: await Promise.all(ids.map((unitId) => open(unitId))), open };
}

const pair = async (test: Test): Promise<[MeshEnd, MeshEnd, Mesh]> => {
  const mesh = await aMesh(test, ['E001', 'E002']);
  const [one, two] = mesh.ends as [MeshEnd, MeshEnd]; // one for each id
  one.live();
  two.live();
  await Promise.all([lives(one, 'E002'), lives(two, 'E001')]);
  return [one, two, mesh];
};

/** A beacon of the peer arrives. */
const lives = (at: MeshEnd, peer: string, session?: string): Promise<unknown> =>
  heard(
    at.bus,
    'election',
    ({ envelope }) => envelope.sender === peer && (session === undefined || envelope.session === session),
  );

const events = (end: MeshEnd): string[] => end.lines.map(({ event }) => event);

t.test('everybody hears what is said to all, by whomever, itself included (architecture §3)', async (t) => {
  const { ends } = await aMesh(t);
  for (const end of ends) end.live();
  const everybody = ends.flatMap((listener) =>
    IDS.map((speaker) => heard(listener.bus, 'request', ({ envelope }) => envelope.sender === speaker)),
  );
  await Promise.all(ends.flatMap((end) => IDS.map((id) => lives(end, id))));
  for (const { bus, unitId } of ends) {
    bus.publish('request', `${unitId}-n1`, {
      unitId,
      negotiationId: `${unitId}-n1`,
      dateTime: '2026/01/02-03:04:05',
      type: 'charge',
      amountWh: 100,
    } as never);
  }
  const deliveries = await Promise.all(everybody);
  t.equal(deliveries.length, 9);
  for (const { key, envelope } of deliveries) {
    t.match(envelope.body, { unitId: envelope.sender, amountWh: 100 });
    t.equal(key, `${envelope.sender}-n1`);
  }
});

t.test('a listener that comes late gets what is kept, and not what was taken back', async (t) => {
  const [one, two] = await pair(t);
  two.bus.publish('deal', 'kept', aDeal('kept'));
  two.bus.publish('deal', 'dropped', aDeal('dropped'));
  two.bus.publish('mode', '', aMode('stop'));
  await heard(one.bus, 'mode', ({ envelope }) => envelope.sender === 'E002');
  two.bus.retract('deal', 'dropped');
  two.bus.publish('mode', '', aMode('manual'));
  await heard(one.bus, 'mode', ({ envelope }) => envelope.body.effective === 'manual');
  const keys: string[] = [];
  one.bus.listen('deal', ({ key, envelope }) => keys.push(`${envelope.sender} ${key}`));
  await pause(20);
  t.same(keys, ['E002 kept']);
});

t.test('commands and replies reach the unit that is meant and nobody else', async (t) => {
  const { ends } = await aMesh(t);
  for (const end of ends) end.live();
  await Promise.all(ends.flatMap((end) => IDS.map((id) => lives(end, id))));
  const [one, two, three] = ends as [MeshEnd, MeshEnd, MeshEnd];
  const elsewhere: string[] = [];
  three.bus.listen('command', ({ key }) => elsewhere.push(key));
  const command = heard(two.bus, 'command', () => true);
  one.bus.publish('command', 'E002/c-1', { kind: 'fault.acknowledge', faultId: 'f' }, { term: 3, expiryMsec: 500 });
  t.match(await command, { key: 'E002/c-1', envelope: { sender: 'E001', term: 3, body: { faultId: 'f' } } });
  const reply = heard(one.bus, 'reply', () => true);
  two.bus.publish('reply', 'E001/c-1', { ok: true });
  t.match(await reply, { key: 'E001/c-1', envelope: { sender: 'E002' } });
  t.same(elsewhere, []);
});

t.test(
  'a unit that starts again is heard anew, and nothing waits for it or is left of its former session',
  async (t) => {
    const [one, two, mesh] = await pair(t);
    two.bus.publish('deal', 'old', aDeal('old'));
    await heard(one.bus, 'deal', ({ key }) => key === 'old');
    await two.close();
    one.bus.publish('command', 'E002/early', { kind: 'fault.acknowledge', faultId: 'f' }, { expiryMsec: 60_000 });
    const again = await mesh.open('E002', 'E002-2');
    const commands: string[] = [];
    again.bus.listen('command', ({ key }) => commands.push(key));
    again.live();
    await Promise.all([lives(one, 'E002', 'E002-2'), lives(again, 'E001')]);
    const deals: string[] = [];
    one.bus.listen('deal', ({ key }) => deals.push(key));
    const later = heard(again.bus, 'command', ({ key }) => key === 'E002/later');
    one.bus.publish('command', 'E002/later', { kind: 'fault.acknowledge', faultId: 'f' }, { expiryMsec: 60_000 });
    await later;
    t.same(commands, ['E002/later'], 'nothing is queued across a reconnect');
    t.same(deals, [], 'what the former session kept is gone');
  },
);

t.test('a silent peer is given up within 2 s, and heard again when it speaks', async (t) => {
  const [one, two] = await pair(t);
  two.freeze();
  const since = performance.now();
  const debug = (): boolean => events(one).includes('mesh.peer-silent');
  t.ok(await eventually(debug, 3_000));
  const took = performance.now() - since;
  t.ok(took < 2_000, `given up after ${took.toFixed()} ms`);
  two.live();
  await lives(one, 'E002');
});

t.test('a process that stood still takes its peers for silent no sooner than it could hear them', async (t) => {
  const [one] = await pair(t);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
  await pause(1_000); // four looks
  t.notOk(events(one).includes('mesh.peer-silent'));
});

/** A unit E002 in a process of its own, and what E001, which hears it, is told of its end. */
async function aMortal(test: Test, elsewhere: readonly number[] = []) {
  const [port = 0] = await freePorts(1);
  const start = async (session: string): Promise<Running> => {
    const words: Mortal = { unitId: 'E002', port, members: IDS, session };
    const running = new Running(fileURLToPath(new URL('./support/mesh-mortal.ts', import.meta.url)), [
      JSON.stringify(words),
    ]);
    test.teardown(() => running.child.kill('SIGKILL'));
    await running.says('out', /lives/);
    return running;
  };
  const first = await start('first');
  const peers = [port, ...elsewhere].map((one) => ({ unitId: 'E002', host: HOST, port: one }));
  const end = await aMeshEnd('E001', { members: IDS, peers });
  test.teardown(() => end.close());
  const ends: { readonly unitId: string; readonly session: string; readonly at: number }[] = [];
  end.bus.onVanished?.((unitId, session) => ends.push({ unitId, session, at: performance.now() }));
  await lives(end, 'E002');
  return { first, start, end, ends };
}

/** By then silence tells. */
const SECOND_MSEC = 1_000;

t.test('the end of a process is known before its silence tells it, and its next one is heard (RULE-9)', async (t) => {
  const { first, start, end, ends } = await aMortal(t);
  const killed = performance.now();
  first.child.kill('SIGKILL');
  t.ok(await eventually(() => ends.length > 0, 3_000));
  t.match(ends, [{ unitId: 'E002', session: 'first' }]);
  const took = Number(ends[0]?.at) - killed;
  t.comment(`known after ${took.toFixed()} ms`);
  t.ok(took < SECOND_MSEC, `known after ${took.toFixed()} ms`);
  await start('second');
  await lives(end, 'E002', 'second');
  t.equal(ends.length, 1, 'told once');
});

t.test('nothing but a refusal is taken for one', async (t) => {
  const [port = 0] = await freePorts(1);
  t.ok(await isRefused({ host: HOST, port }));
  t.ok(await isRefused({ host: 'localhost', port }), 'a name, at each of its addresses');
  const broker = await EmbeddedBroker.open({
    place: { ...PLACE, unitId: 'E002' },
    log: silentLog,
    open: [],
    hear: () => {},
  });
  t.teardown(() => broker.close());
  t.notOk(await isRefused(broker.address), 'somebody listens');
  t.notOk(await isRefused({ host: 'no.such.invalid', port }), 'a name that nobody knows');
  t.notOk(await isRefused({ host: HOST, port: 65_536 }), 'no port');
});

t.test('a frozen process has not ended: the kernel answers for it', async (t) => {
  const { first, ends } = await aMortal(t);
  first.child.kill('SIGSTOP');
  await pause(2 * SECOND_MSEC); // its connection is given up meanwhile, and looked for again
  t.strictSame(ends, []);
});

t.test('a process that is still answered for at one of its addresses has not ended', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  t.teardown(() => server.close());
  const { port } = server.address() as { port: number }; // it listens
  const { first, ends } = await aMortal(t, [port]);
  first.child.kill('SIGKILL');
  await pause(SECOND_MSEC);
  t.strictSame(ends, []);
});

t.test('the end of a broker tells the end of a unit only where the unit says that it is its own', async (t) => {
  for (const [what, isToldOf] of [
    ['its own', true],
    ['of another program', false],
    ['behind a relay', false],
  ] as const) {
    const { end, say, port, close } = await aLiar(t);
    const ends: string[] = [];
    end.bus.onVanished?.((unitId, session) => ends.push(`${unitId} ${session}`));
    const place = { host: HOST, port: what === 'behind a relay' ? port + 1 : port };
    const own = what === 'of another program' ? {} : { isOwn: true };
    const known = heard(end.bus, 'birth', ({ envelope }) => envelope.body.broker?.port === place.port);
    say('birth', { ...aBirth('E002'), session: 's1', broker: { ...place, ...own } });
    await known;
    await close();
    await pause(SECOND_MSEC);
    t.strictSame(ends, isToldOf ? ['E002 s1'] : [], what);
  }
});

/** A broker on which somebody says whatever he wants in the name of E002. */
async function aLiar(test: Test): Promise<{
  readonly end: MeshEnd;
  say: Say;
  readonly port: number;
  /** The broker ends. */
  close(): Promise<void>;
}> {
  const broker = await EmbeddedBroker.open({
    place: { ...PLACE, unitId: 'E002' },
    log: silentLog,
    open: [],
    hear: () => {},
  });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= broker.close();
    return closed;
  };
  test.teardown(close);
  const end = await aMeshEnd('E001', { members: IDS, peers: [{ unitId: 'E002', ...broker.address }] });
  test.teardown(() => end.close());
  const say: Say = (channel, body, { topic = `${rootOf('E002')}/${channel}`, raw, retain = false, ...more } = {}) => {
    const envelope = { id: 'x', sender: 'E002', session: 's1', term: 0, time: 0, uptimeMsec: 1, ...more, body };
    broker.send(topic, raw ?? JSON.stringify(envelope), retain);
  };
  // Ready when the first word arrives: nobody tells when a subscription stands.
  const born = heard(end.bus, 'birth', () => true);
  const timer = setInterval(() => say('birth', { ...aBirth('E002'), session: 's1' }), 20);
  await born.finally(() => clearInterval(timer));
  return { end, say, port: broker.address.port, close };
}

type Say = (
  channel: Channel,
  body: unknown,
  more?: {
    topic?: string;
    raw?: string;
    retain?: boolean;
    sender?: string;
    session?: string;
    time?: number;
    uptimeMsec?: number;
    expiryMsec?: number;
  },
) => void;

t.test('what a peer must not say is refused, logged once, and changes nothing (INV-11)', async (t) => {
  const { end, say } = await aLiar(t);
  const heardHere: string[] = [];
  for (const channel of ['birth', 'unit', 'election', 'grid', 'deal', 'mode', 'fault', 'command'] as const)
    end.bus.listen(channel, ({ envelope }) => heardHere.push(`${channel} ${envelope.sender} ${envelope.session}`));
  await pause(50);
  heardHere.length = 0;
  const lies: Readonly<Record<string, () => void>> = {
    'in the name of another sender': () => say('unit', aUnit('E003'), { sender: 'E003' }),
    'no JSON': () => say('unit', undefined, { raw: '{' }),
    'a body of another channel': () => say('unit', aMode()),
    'a birth of another unit': () => say('birth', { ...aBirth('E003'), session: 's9' }, { session: 's9' }),
    'no time of its own': () => say('unit', aUnit('E002'), { uptimeMsec: 'soon' as never }),
  };
  for (const lie of Object.values(lies)) for (let count = 0; count < 5; count += 1) lie();
  const last = heard(end.bus, 'mode', () => true);
  say('mode', aMode('stop'));
  await last;
  t.same(heardHere, ['mode E002 s1'], 'only the truth is heard');
  const refusals = end.lines.filter(({ event }) => event === 'mesh.message-refused');
  t.equal(refusals.length, Object.keys(lies).length, 'each kind is logged once');
});

t.test(
  'a command that was recorded and is said again is carried out once, whoever says it (RULE-2, INV-6)',
  async (t) => {
    const { end, say, port } = await aLiar(t);
    const served: string[] = [];
    const serve: Serve = async (from, { kind }) => {
      served.push(`${from} ${kind}`);
      return { ok: true };
    };
    const requests = new Requests(end.bus, new SystemClock());
    requests.start(serve);
    const recorded = (id: string, more: object = {}): void =>
      say(
        'command',
        { kind: 'fault.acknowledge', faultId: 'f' },
        { topic: `${rootOf('E002')}/command/E001/${id}`, expiryMsec: 1_000, time: Date.now(), ...more },
      );
    const toEnd = async (): Promise<void> => {
      const last = heard(end.bus, 'mode', () => true);
      say('mode', aMode('stop'));
      await last;
    };
    recorded('s1-5');
    recorded('s1-5');
    recorded('s1-4');
    await toEnd();
    t.equal(served.length, 1, 'nor is an older one');

    const own = end.broker.address;
    const stranger = await connectAsync(`mqtt://${own.host}:${own.port}`, { protocolVersion: 4, reconnectPeriod: 0 });
    t.teardown(() => stranger.endAsync(true));
    stranger.on('error', () => {}); // it is thrown out
    const envelope = { id: 'x', sender: 'E002', session: 's1', term: 0, time: Date.now(), uptimeMsec: 1 };
    const text = JSON.stringify({ ...envelope, body: { kind: 'fault.acknowledge', faultId: 'f' } });
    stranger.publish(`${rootOf('E002')}/command/E001/s1-6`, text);
    stranger.publish(`${rootOf('E001')}/command/E001/s1-6`, text);
    await toEnd();
    t.equal(served.length, 1, 'nobody speaks for a unit but on its own broker');

    say('birth', { ...aBirth('E002'), session: 's2' }, { session: 's2' });
    recorded('s1-7');
    const again = heard(end.bus, 'mode', () => true);
    say('mode', aMode('stop'), { session: 's2' });
    await again;
    t.equal(served.length, 1, 'nor that of a process that has gone');
    requests.stop();
    await end.close();

    const next = await aMeshEnd('E001', { members: IDS, peers: [{ unitId: 'E002', host: HOST, port }] });
    t.teardown(() => next.close());
    const restarted = new Requests(next.bus, new SystemClock());
    restarted.start(serve);
    let modes = 0;
    const twice = heard(next.bus, 'mode', () => {
      modes += 1;
      return modes === 2;
    });
    const now = { session: 's2', uptimeMsec: 100_000 };
    const timer = setInterval(() => {
      say('birth', { ...aBirth('E002'), session: 's2' }, now);
      say('mode', aMode('stop'), now);
      recorded('s2-1', { ...now, uptimeMsec: 95_000 });
    }, 50);
    await twice.finally(() => clearInterval(timer));
    t.equal(served.length, 1, 'nor, by a unit that has begun anew, one that has expired');
    restarted.stop();
  },
);

t.test('words of a former session, signs of life that were kept, and late ones count for nothing', async (t) => {
  const { end, say } = await aLiar(t);
  const beacons: number[] = [];
  const commands: string[] = [];
  end.bus.listen('election', ({ envelope }) => beacons.push(envelope.body.beacon));
  end.bus.listen('command', ({ key }) => commands.push(key));
  const topic = `${rootOf('E002')}/command/E001/`;
  say('election', aBeacon({ beacon: 1 }), { uptimeMsec: 100_000 });
  say('election', aBeacon({ beacon: 2 }), { uptimeMsec: 95_000 });
  say(
    'command',
    { kind: 'fault.acknowledge', faultId: 'f' },
    { topic: `${topic}fresh`, expiryMsec: 1_000, uptimeMsec: 99_500 },
  );
  say(
    'command',
    { kind: 'fault.acknowledge', faultId: 'f' },
    { topic: `${topic}late`, expiryMsec: 1_000, uptimeMsec: 98_000 },
  );
  say('birth', { ...aBirth('E002'), session: 's2' }, { session: 's2' });
  say('election', aBeacon({ beacon: 3 }), { uptimeMsec: 101_000 });
  say('birth', { ...aBirth('E002'), session: 's1' });
  const last = heard(end.bus, 'election', ({ envelope }) => envelope.body.beacon === 4);
  say('election', aBeacon({ beacon: 4 }), { session: 's2' });
  await last;
  t.same(beacons, [1, 4]);
  t.same(commands, ['E001/fresh']);
  t.notOk(events(end).includes('mesh.message-refused'), 'nobody has done anything wrong');
});

t.test('a flood is cut down to the allowance, logged once, and over when it is over', async (t) => {
  const { end, say } = await aLiar(t);
  let count = 0;
  end.bus.listen('unit', () => {
    count += 1;
  });
  for (let index = 0; index < 3_000; index += 1) say('unit', aUnit('E002'));
  t.ok(await eventually(() => end.lines.some(({ fields: { why } }) => why === 'too many messages'), 5_000));
  await pause(500);
  t.ok(count < 1_000, `${count} of 3000 got through`);
  t.equal(end.lines.filter(({ fields: { why } }) => why === 'too many messages').length, 1);
  await pause(1_000);
  // A link that was silent for so long may be renewed just now: what is said meanwhile is said to nobody.
  const timer = setInterval(() => say('mode', aMode('stop')), 50);
  await heard(end.bus, 'mode', () => true).finally(() => clearInterval(timer));
});

t.test('a member that nobody names any more is heard on, and looked for where it was', async (t) => {
  const [port = 0] = await freePorts(1);
  const place = { unitId: 'E002', host: HOST, port };
  const two = await aMeshEnd('E002', { members: IDS, peers: [], broker: { port } });
  two.live();
  let name: (peers: readonly PeerAddress[]) => void = () => {};
  const one = await aMeshEnd('E001', {
    members: IDS,
    peers: [],
    mesh: {
      peers: {
        listen: (handle) => {
          name = handle;
          handle([place]);
          return () => {};
        },
        close: async () => {},
      },
    },
  });
  t.teardown(() => one.close());
  await lives(one, 'E002');
  two.bus.publish('deal', 'kept', aDeal('kept'));
  await heard(one.bus, 'deal', ({ key }) => key === 'kept');
  // A network that swallows multicast, or a goodbye that somebody else has said.
  name([]);
  await lives(one, 'E002');
  const keys: string[] = [];
  one.bus.listen('deal', ({ key }) => keys.push(key));
  await pause(20);
  t.same(keys, ['kept'], 'its words stand');
  one.live();
  const { envelope } = await heard(one.bus, 'birth', ({ envelope }) => envelope.sender === 'E001');
  t.same(envelope.body.peers, [place], 'clients find it by us');
  await two.close();
  const again = await aMeshEnd('E002', { members: IDS, peers: [], session: 'E002-2', broker: { port } });
  t.teardown(() => again.close());
  again.live();
  await lives(one, 'E002', 'E002-2');
});

t.test('strangers are told once and not listened to', async (t) => {
  const [port = 0] = await freePorts(1);
  const peers = [
    { unitId: 'X001', host: HOST, port },
    { unitId: 'E001', host: HOST, port: 1 },
  ];
  const end = await aMeshEnd('E001', { members: IDS, peers });
  t.teardown(() => end.close());
  t.match(
    end.lines.filter(({ event }) => event === 'mesh.stranger-ignored'),
    [{ fields: { peer: 'X001' } }],
  );
});

t.test('of two that live under one id the later one must go, whoever tells of it (control.md D17)', async (t) => {
  const [one, two] = await pair(t);
  const told: string[] = [];
  const intruder = async (unitId: string, peers: MeshOptions['peers']): Promise<MeshEnd> => {
    const end = await aMeshEnd(unitId, {
      members: ['E001', 'E002'],
      peers,
      session: `${unitId}-copy`,
      mesh: { onDuplicate: ({ session }) => told.push(`${unitId} of ${session}`) },
    });
    t.teardown(() => end.close());
    await end.mesh.firstLook();
    return end;
  };
  await intruder('E002', [{ unitId: 'E001', ...one.broker.address }]);
  t.ok(await eventually(() => told.includes('E002 of E002-1'), 2_000), 'the peer named the place of the first one');
  await intruder('E001', [{ unitId: 'E001', ...one.broker.address }]);
  t.ok(await eventually(() => told.includes('E001 of E001-1'), 2_000), 'the config named it');
  await lives(one, 'E002', 'E002-1');
  await lives(two, 'E001', 'E001-1');
});

t.test('the own broker under another address is no rival, and a silent place is no reason to wait', async (t) => {
  const ports = await freePorts(2);
  const [port = 0, nobody = 0] = ports;
  const rivals: string[] = [];
  const end = await aMeshEnd('E001', {
    members: IDS,
    peers: [
      { unitId: 'E001', host: 'localhost', port },
      { unitId: 'E001', host: HOST, port: nobody },
    ],
    broker: { port },
    mesh: { onDuplicate: ({ session }) => rivals.push(session) },
  });
  t.teardown(() => end.close());
  end.live();
  const since = performance.now();
  await end.mesh.firstLook();
  t.ok(performance.now() - since < 2_500);
  t.same(rivals, []);
});

t.test('all that units say while they trade passes the judgement of their peers', async (t) => {
  const { hub, clock, community } = await aCommunity();
  const kinds = new Set<string>();
  const problems = new Set<string>();
  hub.tap(({ channel, envelope }) => {
    const body: unknown = JSON.parse(JSON.stringify(envelope.body));
    kinds.add(channel === 'command' && 'kind' in envelope.body ? `command ${envelope.body.kind}` : channel);
    const problem = bodyProblem(channel, body);
    if (problem !== undefined) problems.add(problem);
  });
  const isTrading = (): boolean => community.units.some((unit) => unit.deals().some((deal) => deal.startDateTime));
  t.ok(await clock.runUntil(isTrading, 600_000));
  await clock.advance(300_000);
  const stopped = community.units[0]?.operate({ kind: 'mode', value: 'stop' });
  await clock.advance(30_000);
  await stopped;
  t.same([...problems], []);
  t.ok(kinds.has('command control') && kinds.has('reply') && kinds.has('command deal.propose'), [...kinds].join(', '));
});

/** What JSON can hold where something else is expected. */
const nonsense = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(null, -1, 1e308, '', '__proto__', [], {}, { length: 1e9 }, 'x'.repeat(3_000)),
);

/** The value with another one at a path that the numbers choose. */
function mutated(value: unknown, choices: readonly number[], other: unknown): unknown {
  const [choice = 0, ...rest] = choices;
  if (typeof value !== 'object' || value === null || choices.length === 0) return other;
  const keys = Object.keys(value);
  const key = keys[choice % Math.max(1, keys.length)];
  if (key === undefined) return other;
  const inner = mutated((value as Record<string, unknown>)[key], rest, other);
  return Array.isArray(value) ? value.with(Number(key), inner) : { ...value, [key]: inner };
}

t.test('a deal whose id names no file is refused: to the store it would be a broken disk (INV-11)', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'apis-mesh-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const failed: string[] = [];
  const disk = new DurableStore(directory, () => {});
  const store = watchedStore(disk, new VirtualClock(), (key) => failed.push(key));
  await store.save('deals/active/a-0_9.Z', {});
  await t.rejects(store.save('deals/active/../x', {}), { name: 'InternalError' });
  t.same(failed, ['deals/active/../x'], 'the unit would leave the bus for it');
  for (const dealId of ['../x', '..', '.x', 'a/b', 'a b', 'a\0']) {
    const deal = aDeal(dealId);
    t.match(bodyProblem('deal', deal), /dealId: expected/, dealId);
    t.match(bodyProblem('command', { kind: 'deal.propose', deal }), /dealId: expected/);
    t.match(bodyProblem('reply', { ok: true, deal }), /dealId: expected/);
  }
  t.equal(bodyProblem('deal', aDeal('a-0_9.Z')), undefined);
});

t.test('malformed messages of a thousand kinds are refused, and never throw (INV-11)', (t) => {
  const bodies: Readonly<Partial<Record<Channel, unknown>>> = {
    unit: aUnit('E002'),
    election: aBeacon({ heardGrid: { term: 1, pass: 1 } }),
    grid: aGrid('E002', {
      permits: [{ unitId: 'E001', session: 's', beacon: 1, modes: ['CHARGE'], dealIds: ['d'] }],
      handOver: { from: 'E001', to: 'E002' },
    }),
    deal: aDeal('d'),
    mode: { ...aMode(), lowerings: [{ id: 'l', value: 'stop', at: 1 }] },
    command: { kind: 'control', device: { command: 'CHARGE', gridCurrentA: 1 }, deals: [aDeal('d')] },
    reply: { ok: true, deal: aDeal('d'), unit: aUnit('E001') },
  };
  const place = { ...PLACE, unitId: 'E002' };
  const ear = new PeerEar(place);
  const envelope = { id: 'x', sender: 'E002', session: 's1', term: 0, time: 0, uptimeMsec: 1 };
  let now = 0;
  const later = (): Moment => {
    now += 20;
    return { now: 0, monotonic: now };
  };
  const judge = (channel: Channel, message: unknown): Judgement =>
    ear.judge(`${rootOf('E002')}/${channel}`, Buffer.from(JSON.stringify(message) ?? ''), false, later());
  t.equal(judge('birth', { ...envelope, body: { ...aBirth('E002'), session: 's1' } }).kind, 'born');
  const whole = Object.entries(bodies) as [Channel, unknown][]; // the keys of the table above
  for (const [channel, body] of whole) {
    const judgement = judge(channel, { ...envelope, body });
    t.equal(judgement.kind, 'message', `${channel} ${JSON.stringify(judgement)}`);
  }
  const kinds = new Map<string, number>();
  const refused = { what: new Set<string>(), why: new Set<string>() };
  const note = (judgement: Judgement): void => {
    kinds.set(judgement.kind, (kinds.get(judgement.kind) ?? 0) + 1);
    if (judgement.kind !== 'refused') return;
    refused.what.add(judgement.what);
    refused.why.add(judgement.why);
  };
  fc.assert(
    fc.property(
      fc.constantFrom(...whole),
      fc.array(fc.nat(50), { minLength: 1, maxLength: 6 }),
      nonsense,
      ([channel, body], path, other) => {
        note(judge(channel, mutated({ ...envelope, body }, path, other)));
        return true;
      },
    ),
    { numRuns: 3_000, seed: 7 },
  );
  t.ok((kinds.get('refused') ?? 0) > 1_000, JSON.stringify([...kinds]));
  t.ok(refused.what.size < 20, `logged once each: ${refused.what.size} of ${refused.why.size} ways`);
  fc.assert(
    fc.property(fc.constantFrom(...whole), fc.oneof(fc.string(), fc.json()), ([channel], raw) => {
      return ear.judge(`${rootOf('E002')}/${channel}`, Buffer.from(raw || '?'), false, later()).kind === 'refused';
    }),
    { numRuns: 1_000, seed: 8 },
  );
  t.end();
});
