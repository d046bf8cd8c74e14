import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import mqtt, { connectAsync, type IClientOptions, type MqttClient, type Packet } from 'mqtt';
import t from 'tap';
import type { BrokerTls } from '../src/adapters/broker/broker-door.ts';
import { UnitBroker } from '../src/adapters/broker/unit-broker.ts';
import { installIdentity } from '../src/adapters/identity/identity-files.ts';
import { makeRevocationList } from '../src/adapters/identity/x509/revocation-list.ts';
import { readSigningKey } from '../src/adapters/identity/x509/signing-key.ts';
import { shareRevocations } from '../src/adapters/mesh/revocation-gossip.ts';
import { UnitClient } from '../src/client/index.ts';
import type { OperatorBody } from '../src/domain/messages.ts';
import type { Role } from '../src/domain/role.ts';
import { collectingLog, type LogLine, silentLog } from '../src/ports/log.ts';
import { type Certificates, someCertificates, tlsFiles } from './support/certificates.ts';
import { aMeshEnd, heard, type MeshEnd, PLACE, rootOf } from './support/mesh.ts';
import { aBirth, aDeal, aUnit } from './support/messages.ts';
import { eventually, freePorts } from './support/process.ts';

t.setTimeout(120_000);

type Test = Pick<typeof t, 'teardown'>;

const HOST = '127.0.0.1';
const STOP = JSON.stringify({ body: { kind: 'emergency-stop', reason: 'test' } });

const envelopeOf = <B>(body: B) => ({ id: 'x', sender: 'E001', session: 's', term: 0, time: 0, uptimeMsec: 0, body });

interface Station {
  readonly broker: UnitBroker;
  readonly port: number;
  readonly operator: unknown[];
  readonly device: string[];
  readonly lines: LogLine[];
}

/** The broker of E001 with mutual TLS, and what reaches the unit through it. */
async function aStation(test: Test, tls?: BrokerTls): Promise<Station> {
  const operator: unknown[] = [];
  const device: string[] = [];
  const lines: LogLine[] = [];
  const broker = await UnitBroker.open({
    ...PLACE,
    unitId: 'E001',
    log: collectingLog((line) => lines.push(line)),
    onOperator: (body) => {
      operator.push(body);
      return undefined;
    },
    onDevice: (key) => device.push(key),
    ...(tls && { tls }),
  });
  test.teardown(() => broker.close());
  return { broker, port: broker.address.port, operator, device, lines };
}

const refusals = ({ lines }: Station): string[] =>
  lines.filter(({ level }) => level === 'warn').map(({ fields: { message } }) => String(message));

interface Pems {
  readonly caPem: string;
  readonly certPem?: string;
  readonly keyPem?: string;
}

const optionsOf = ({ caPem, certPem, keyPem }: Pems): IClientOptions => ({
  ca: caPem,
  ...(certPem === undefined || keyPem === undefined ? {} : { cert: certPem, key: keyPem }),
  protocolVersion: 4,
  reconnectPeriod: 0,
  connectTimeout: 3_000,
});

/** A client of any program that shows these certificates; undefined when it is not let in. */
async function enter(test: Test, port: number, pems: Pems): Promise<MqttClient | undefined> {
  const client = await connectAsync(`mqtts://${HOST}:${port}`, optionsOf(pems), false).catch(() => undefined);
  if (client === undefined) return undefined;
  client.on('error', () => {}); // a broker that refuses ends the connection
  test.teardown(() => client.endAsync(true));
  return client;
}

const ended = (client: MqttClient): Promise<void> => new Promise((resolve) => client.once('close', () => resolve()));

/** True when the broker took the message, false when it ended the connection for it. */
async function mayPublish(
  client: MqttClient,
  topic: string,
  payload: string | Buffer,
  retain = false,
): Promise<boolean> {
  const closed = ended(client).then(() => false);
  client.publish(topic, payload, { qos: 1, retain }, () => {});
  // With QoS 1 a message that is taken is acknowledged.
  const acknowledged = new Promise<boolean>((resolve) =>
    client.on('packetreceive', ({ cmd }) => cmd === 'puback' && resolve(true)),
  );
  return Promise.race([closed, acknowledged]);
}

t.test('who is no member of the cluster is not let in, and that is logged once', async (t) => {
  const certificates = await someCertificates(t);
  const foreign = await someCertificates(t);
  const station = await aStation(t, await certificates.unit('E001'));
  const stranger = await foreign.issue('E002', 'unit');
  const own = certificates.authority.certPem;
  const revoked = await certificates.issue('E004', 'unit');
  await certificates.authority.revoke('E004');
  const attempts: Readonly<Record<string, Pems>> = {
    'no certificate': { caPem: own },
    'a certificate of another CA': { ...stranger, caPem: own },
  };
  for (const [name, pems] of Object.entries(attempts)) {
    for (let count = 0; count < 3; count += 1) t.equal(await enter(t, station.port, pems), undefined, name);
  }
  t.ok(await enter(t, station.port, revoked), 'revoked, but the unit has not heard of it');
  t.equal(refusals(station).length, Object.keys(attempts).length, refusals(station).join('; '));
});

t.test('a broker that has served somebody keeps no table of prepared numbers, which would be 9 MB', async (t) => {
  const certificates = await someCertificates(t);
  const station = await aStation(t, await certificates.unit('E001'));
  t.ok(await enter(t, station.port, await certificates.issue('E002', 'unit')));
  const { cache } = createRequire(import.meta.url)('mqtt-packet/numbers') as { cache: object }; // has no types
  t.same(cache, {});
});

t.test('who leaves while something is on the way to him is nothing to warn of', async (t) => {
  const station = await aStation(t);
  const client = await connectAsync(`mqtt://${HOST}:${station.port}`, { protocolVersion: 4, reconnectPeriod: 0 });
  client.on('error', () => {});
  await client.subscribeAsync('#');
  client.stream.destroy();
  while (!station.lines.some(({ event }) => event === 'broker.client-left')) {
    station.broker.say({ channel: 'unit', key: '', envelope: envelopeOf(aUnit('E001')) });
    await setImmediate();
  }
  t.same(refusals(station), []);
});

t.test('an expired certificate is refused', async (t) => {
  const DAY = 86_400_000;
  let now = Date.now() - 100 * DAY;
  const certificates = await someCertificates(t, 'one', () => now);
  const { certPem, keyPem } = await certificates.authority.issue({ name: 'E003', role: 'unit', days: 10 });
  now = Date.now();
  const station = await aStation(t, await certificates.unit('E001'));
  t.equal(await enter(t, station.port, { caPem: certificates.authority.certPem, certPem, keyPem }), undefined);
  t.match(refusals(station), [/expired/i]);
});

t.test('whose certificate is revoked loses the connection he has, and gets no other', async (t) => {
  const certificates = await someCertificates(t);
  const tls = await certificates.unit('E001');
  const station = await aStation(t, tls);
  const pems = await certificates.issue('bob', 'operator');
  const bob = await enter(t, station.port, pems);
  const alice = await enter(t, station.port, await certificates.issue('alice', 'operator'));
  await certificates.authority.revoke('bob');
  const closed = bob && ended(bob);
  t.ok(await tls.identity.revocations.adopt(await certificates.authority.revocationListPem()));
  await closed;
  t.equal(await enter(t, station.port, pems), undefined);
  t.ok(alice?.connected, 'others stay');
  t.match(refusals(station), ['the certificate is revoked']);
});

/** Long enough to connect with, short enough to wait for. */
const SHORT_DAYS = 3 / 86_400;

t.test('whose certificate expires loses the connection he has, and gets no other', async (t) => {
  const certificates = await someCertificates(t);
  const station = await aStation(t, await certificates.unit('E001'));
  const alice = await enter(t, station.port, await certificates.issue('alice', 'operator'));
  const pems = await certificates.issue('bob', 'operator', SHORT_DAYS);
  const bob = await enter(t, station.port, pems);
  t.ok(bob?.connected);
  t.ok(await eventually(() => bob?.connected === false, 6_000), 'bob is out');
  t.equal(await enter(t, station.port, pems), undefined);
  t.ok(alice?.connected, 'others stay');
  t.match(refusals(station), ['the certificate has expired']);
});

t.test('a renewed certificate is shown from then on, without a restart', async (t) => {
  const certificates = await someCertificates(t);
  const tls = await certificates.unit('E001');
  const station = await aStation(t, tls);
  const serial = async (): Promise<string> => {
    const { caPem: ca, certPem: cert, keyPem: key } = await certificates.authority.renew('E001');
    const socket = connectTls({ host: HOST, port: station.port, ca, cert, key, checkServerIdentity: () => undefined });
    await once(socket, 'secureConnect');
    const seen = socket.getPeerX509Certificate()?.serialNumber ?? '';
    socket.destroy();
    return seen;
  };
  const before = await serial();
  await installIdentity(certificates.place('E001'), await certificates.authority.renew('E001'));
  t.ok(await eventually(async () => (await serial()) !== before, 8_000));
});

t.test('roles: what each may say on the broker of a unit, and what not (architecture §3)', async (t) => {
  const certificates = await someCertificates(t);
  const station = await aStation(t, await certificates.unit('E001'));
  const enters = async (name: string, role: Role): Promise<MqttClient> => {
    const pems = await certificates.authority.issue({ name, role });
    const client = await enter(t, station.port, pems);
    if (client === undefined) throw new Error(`${name} was not let in`);
    return client;
  };
  const operator = `${rootOf('E001')}/operator/1`;
  const device = `${rootOf('E001')}/device/heartbeat`;
  const cases: readonly (readonly [
    role: Role,
    topic: string,
    payload: string | Buffer,
    may: boolean,
    retain?: boolean,
  ])[] = [
    ['operator', operator, STOP, true],
    ['operator', device, '{}', false],
    ['operator', operator, STOP, false, true],
    ['operator', `${rootOf('E002')}/operator/1`, STOP, false],
    ['operator', `${rootOf('E001')}/operator/`, STOP, false],
    ['operator', `${rootOf('E001')}/mode`, '{}', false],
    ['operator', operator, Buffer.alloc(10_000_000), false],
    ['device', device, '{}', true],
    ['device', operator, STOP, false],
    ['unit', operator, STOP, false],
    ['unit', `${rootOf('E001')}/unit`, '{}', false],
    ['unit', `${rootOf('E002')}/unit`, '{}', false],
    ['observer', operator, STOP, false],
    ['observer', device, '{}', false],
  ];
  for (const [index, [role, topic, payload, may, retain]] of cases.entries()) {
    const client = await enters(`client-${index}`, role);
    t.equal(await mayPublish(client, topic, payload, retain), may, `${role} ${may ? 'may' : 'may not'} say ${topic}`);
  }
  t.equal(station.operator.length, 1);
  t.same(station.device, ['heartbeat']);
});

t.test('a certificate that names no role gets it from the table, or from the list of members', async (t) => {
  const certificates = await someCertificates(t);
  const tls = await certificates.unit('E001');
  const { roleOf } = await import('../src/adapters/identity/certificate-roles.ts');
  const rules = { ...tls.rules, roles: { alice: 'operator' }, ownFingerprint: 'x' } as const;
  const facts = { ...tls.identity.identity, role: undefined, clusterId: 'Some Company' };
  const cases: Readonly<Record<string, unknown>> = {
    alice: { role: 'operator' },
    E007: { role: 'unit' },
    carol: { role: 'observer' },
    constructor: { role: 'observer' },
    '': 'the certificate has no CN',
  };
  for (const [name, told] of Object.entries(cases)) t.same(roleOf({ ...facts, name }, rules), told, name);
  t.match(roleOf({ ...facts, name: 'dave', role: 'operator' }, rules), /belongs to the cluster Some Company/);
});

/** Connections that say nothing, `count` of them at once. */
async function silent(test: Test, port: number, count: number): Promise<readonly Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(port, HOST).on('error', () => {}));
  test.teardown(() => sockets.map((socket) => socket.destroy()));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  return sockets;
}

t.test('strangers without certificate, however many there are, never keep a peer out', async (t) => {
  const certificates = await someCertificates(t);
  const station = await aStation(t, await certificates.unit('E001'));
  const crowd = [...(await silent(t, station.port, 150)), ...(await silent(t, station.port, 150))];
  t.ok(await enter(t, station.port, await certificates.issue('E002', 'unit')), 'a peer is let in at once');
  t.ok(await eventually(() => crowd.filter(({ closed }) => !closed).length === 99, 2_000), 'its place was one of 100');
  t.ok(refusals(station).includes('too many connections without certificate'), refusals(station).join('; '));
});

t.test('who comes a hundred times gives way to others, and to nobody what is his own', async (t) => {
  const certificates = await someCertificates(t);
  const station = await aStation(t, await certificates.unit('E001'));
  const alice = await enter(t, station.port, await certificates.issue('alice', 'operator'));
  const pems = await certificates.issue('bob', 'observer');
  const bobs: Awaited<ReturnType<typeof enter>>[] = [];
  // A few at a time: a hundred handshakes at once take longer than a stranger may.
  while (bobs.length < 99) {
    bobs.push(...(await Promise.all(Array.from({ length: 9 }, () => enter(t, station.port, pems)))));
  }
  t.ok(bobs.every((bob) => bob?.connected));
  t.equal(await enter(t, station.port, pems), undefined, 'the hundredth of one name is too many');
  t.ok(await enter(t, station.port, await certificates.issue('E002', 'unit')), 'another name is let in');
  t.ok(
    await eventually(() => bobs.filter((bob) => bob?.connected).length === 98, 2_000),
    'for which one of bob leaves',
  );
  t.ok(alice?.connected);
});

t.test('of two programs with the key of the unit the one that talks too much does not silence the other', async (t) => {
  const certificates = await someCertificates(t);
  const tls = await certificates.unit('E001');
  const station = await aStation(t, tls);
  const topic = `${rootOf('E001')}/operator/x`;
  const calm = await enter(t, station.port, tls.identity.identity);
  const loud = await enter(t, station.port, tls.identity.identity);
  const closed = loud && ended(loud);
  for (let count = 0; count < 150; count += 1) loud?.publish(topic, STOP);
  await closed;
  t.equal(calm && (await mayPublish(calm, topic, STOP)), true);
  t.same(refusals(station), ['too many messages']);
});

t.test('nothing is kept for a client that has gone, whatever session it asked for', async (t) => {
  const { port } = await aStation(t);
  const url = `mqtt://${HOST}:${port}`;
  /** With what it hears, from the first moment on. */
  const come = async (): Promise<{ client: MqttClient; packets: Packet[] }> => {
    const packets: Packet[] = [];
    const client = mqtt.connect(url, { clientId: 'x', clean: false, protocolVersion: 4, reconnectPeriod: 0 });
    t.teardown(() => client.endAsync(true));
    client.on('packetreceive', (packet) => packets.push(packet));
    await new Promise<void>((resolve) => client.once('connect', () => resolve()));
    return { client, packets };
  };
  const { client } = await come();
  await client.subscribeAsync('#', { qos: 1 });
  await client.endAsync();
  const speaker = await connectAsync(url, { protocolVersion: 4 });
  await speaker.publishAsync(`${rootOf('E001')}/operator/x`, STOP, { qos: 1 });
  await speaker.endAsync();
  const again = await come();
  await again.client.subscribeAsync('y'); // whatever was kept comes before its answer
  t.match(again.packets, [{ cmd: 'connack', sessionPresent: false }, { cmd: 'suback' }]);
});

t.test('a client that subscribes without end is thrown out', async (t) => {
  const station = await aStation(t);
  const client = await connectAsync(`mqtt://${HOST}:${station.port}`, { protocolVersion: 4, reconnectPeriod: 0 });
  t.teardown(() => client.endAsync(true));
  client.on('error', () => {});
  const some = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, index) => `topic/${from + index}`);
  await client.subscribeAsync(some(0, 200));
  const closed = ended(client);
  client.subscribe(some(200, 1_000), () => {});
  await closed;
  t.same(refusals(station), ['too many subscriptions']);
});

t.test('a client that never lets go of its messages (QoS 2) is thrown out after twenty', async (t) => {
  const station = await aStation(t);
  const socket = connect(station.port, HOST).on('error', () => {});
  t.teardown(() => socket.destroy());
  const topic = Buffer.from(`${rootOf('E001')}/operator/x`);
  const CONNECT = Buffer.from([0x10, 13, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 60, 0, 1, 0x78]);
  const publish = (id: number): Buffer =>
    Buffer.from([0x34, topic.length + 4 + STOP.length, 0, topic.length, ...topic, 0, id, ...Buffer.from(STOP)]);
  socket.write(Buffer.concat([CONNECT, ...Array.from({ length: 20 }, (_, index) => publish(index + 1))]));
  t.ok(await eventually(() => station.operator.length === 20, 2_000), 'twenty are taken');
  socket.write(publish(21));
  socket.resume();
  await once(socket, 'close');
  t.equal(station.operator.length, 20);
});

t.test('a peer who has the id of another client cannot take its connection over', async (t) => {
  const certificates = await someCertificates(t);
  const station = await aStation(t, await certificates.unit('E001'));
  const join = async (name: string): Promise<MqttClient> =>
    connectAsync(`mqtts://${HOST}:${station.port}`, {
      ...optionsOf(await certificates.issue(name, 'observer')),
      clientId: 'the-same',
    });
  const one = await join('carol');
  const two = await join('dave');
  t.teardown(() => Promise.all([one.endAsync(true), two.endAsync(true)]));
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.ok(one.connected && two.connected);
});

/** Two units of the mesh with the certificates given. */
async function twoUnits(test: Test, certificates: Certificates, other: BrokerTls) {
  const [first = 0, second = 0] = await freePorts(2);
  const members = ['E001', 'E002'];
  const tls = await certificates.unit('E001');
  const two = await aMeshEnd('E002', {
    members,
    peers: [{ unitId: 'E001', host: HOST, port: first }],
    broker: { port: second, tls: other },
    mesh: { tls: other.identity },
  });
  const one = await aMeshEnd('E001', {
    members,
    peers: [{ unitId: 'E002', host: HOST, port: second }],
    broker: { port: first, tls },
    mesh: { tls: tls.identity },
  });
  test.teardown(() => Promise.all([one.close(), two.close()]));
  one.live();
  two.live();
  return { one, two, tls };
}

t.test('units of one cluster hear each other by mutual TLS, until one is revoked', async (t) => {
  const certificates = await someCertificates(t);
  const { one, two, tls } = await twoUnits(t, certificates, await certificates.unit('E002'));
  const fromTwo = (): Promise<unknown> =>
    heard(one.bus, 'election', ({ envelope }) => envelope.sender === 'E002', 1_500);
  await Promise.all([fromTwo(), heard(two.bus, 'election', ({ envelope }) => envelope.sender === 'E001')]);
  await certificates.authority.revoke('E002');
  await tls.identity.revocations.adopt(await certificates.authority.revocationListPem());
  await t.rejects(fromTwo(), /did not hear/);
});

t.test('units hear nothing of a unit whose certificate has expired meanwhile, and say nothing to it', async (t) => {
  const certificates = await someCertificates(t);
  const { one, two } = await twoUnits(t, certificates, await certificates.unit('E002', { days: SHORT_DAYS }));
  const ear = (end: typeof one, from: string): { heardAt: number } => {
    const ear = { heardAt: 0 };
    end.bus.listen('election', ({ envelope: { sender } }) => {
      if (sender === from) ear.heardAt = performance.now();
    });
    return ear;
  };
  const ears = [ear(one, 'E002'), ear(two, 'E001')];
  t.ok(await eventually(() => ears.every(({ heardAt }) => heardAt > 0), 2_500), 'they hear each other');
  const areSilent = (): boolean => ears.every(({ heardAt }) => performance.now() - heardAt > 1_500);
  t.ok(await eventually(areSilent, 7_000), 'once the certificate has expired');
});

t.test('a revocation list that one unit has reaches the others, and only one that the CA has signed', async (t) => {
  const certificates = await someCertificates(t);
  const other = await certificates.unit('E002');
  const { one, two, tls } = await twoUnits(t, certificates, other);
  shareRevocations(one.bus, tls.identity, silentLog);
  shareRevocations(
    two.bus,
    other.identity,
    collectingLog((line) => two.lines.push(line)),
  );
  await certificates.issue('bob', 'operator');
  await certificates.authority.revoke('bob');
  const [bob] = certificates.authority.issued.filter(({ name }) => name === 'bob');
  await tls.identity.revocations.adopt(await certificates.authority.revocationListPem());
  t.ok(await eventually(() => other.identity.revocations.isRevoked(bob?.serial ?? ''), 3_000));
  const foreign = await someCertificates(t);
  await foreign.issue('E001', 'unit');
  await foreign.authority.revoke('E001');
  one.bus.publish('revocations', '', { number: 99, pem: await foreign.authority.revocationListPem() });
  t.ok(await eventually(() => two.lines.some(({ event }) => event === 'tls.revocations-refused'), 3_000));
});

t.test('a revocation list too long for a message is not said in vain: the log tells what to do', async (t) => {
  const certificates = await someCertificates(t);
  const { authority, directory } = certificates;
  const key = await readSigningKey(await readFile(join(directory, 'ca', 'ca.key'), 'utf8'), 'ca.key');
  const aList = (count: number): Promise<string> => {
    const revoked = Array.from({ length: count }, (_, index) => ({
      serial: (0x40n * 2n ** 120n + BigInt(index)).toString(16).toUpperCase(),
      revokedAt: 0,
    }));
    return makeRevocationList({ number: count, issuedAt: 0, revoked }, Date.now() + 86_400_000, authority.certPem, key);
  };
  const other = await certificates.unit('E002');
  const { one, two, tls } = await twoUnits(t, certificates, other);
  const log = collectingLog((line) => one.lines.push(line));
  shareRevocations(one.bus, tls.identity, log);
  shareRevocations(two.bus, other.identity, silentLog);
  const tooLong = (): readonly LogLine[] => one.lines.filter(({ event }) => event === 'tls.revocations-too-long');
  await tls.identity.revocations.adopt(await aList(1_250));
  t.ok(await eventually(() => other.identity.revocations.number === 1_250, 4_000), 'the longest that is said arrives');
  t.same(tooLong(), []);
  await tls.identity.revocations.adopt(await aList(1_400));
  t.match(tooLong(), [{ level: 'warn', fields: { message: /copy crl\.pem to every unit/ } }]);
  t.notOk(two.lines.some(({ event }) => event === 'mesh.message-refused'));
});

t.test('a broker with the certificate of another unit is not believed, whatever stands on it', async (t) => {
  const certificates = await someCertificates(t);
  const { one } = await twoUnits(t, certificates, await certificates.unit('E003'));
  await t.rejects(
    heard(one.bus, 'election', ({ envelope }) => envelope.sender === 'E002', 1_000),
    /did not hear/,
  );
  t.match(
    one.lines.filter(({ event }) => event === 'mesh.peer-unreachable').map(({ fields }) => fields),
    [{ peer: 'E002', message: /that of E003, not of E002/ }],
  );
});

t.test('clients attach by TLS: who holds the key of the unit operates it, an observer only looks', async (t) => {
  const certificates = await someCertificates(t);
  const station = await aStation(t, await certificates.unit('E001'));
  await certificates.issue('carol', 'observer');
  station.broker.say({ channel: 'birth', key: '', envelope: envelopeOf(aBirth('E001')) });
  station.broker.say({ channel: 'unit', key: '', envelope: envelopeOf(aUnit('E001')) });
  station.broker.say({ channel: 'deal', key: 'd1', envelope: envelopeOf(aDeal('d1')) });
  const attach = (name: string): UnitClient => {
    const client = UnitClient.attach({ host: HOST, port: station.port, tls: tlsFiles(certificates.place(name)) });
    t.teardown(() => client.close());
    return client;
  };
  const owner = attach('E001');
  await owner.ready(3_000);
  await owner.send({ kind: 'emergency-stop', reason: 'owner' });
  const observer = attach('carol');
  await observer.when(({ units: { E001 }, deals }) => E001?.unit !== undefined && deals.length === 1, 3_000);
  await t.rejects(observer.send({ kind: 'emergency-stop', reason: 'observer' }));
  t.same(station.operator, [{ kind: 'emergency-stop', reason: 'owner' } satisfies OperatorBody]);
  await rm(certificates.place('carol'), { recursive: true });
});

const MOSQUITTO = '/usr/sbin/mosquitto';

/** A mosquitto with the rules that the package ships, and one operator. */
async function aMosquitto(
  test: Test,
  certificates: Certificates,
  unitId: string,
  settings = '',
): Promise<{ readonly port: number; start(): Promise<void>; stop(): Promise<void>; restart(): Promise<void> }> {
  const [port = 0] = await freePorts(1);
  const shipped = (name: string): Promise<string> => readFile(new URL(`../mosquitto/${name}`, import.meta.url), 'utf8');
  const acl = join(certificates.directory, 'apis.acl');
  const conf = join(certificates.directory, 'apis.conf');
  await writeFile(acl, `${await shipped('apis.acl')}\nuser alice\ntopic write apis/v1/+/+/+/operator/#\n`);
  const text = (await shipped('apis.conf'))
    .replace('listener 18830', `listener ${port} ${HOST}\nuser root`)
    .replaceAll('certs/', `${certificates.place(unitId)}/`)
    .replace('acl_file apis.acl', `acl_file ${acl}`);
  await writeFile(conf, `${text}\n${settings}`);
  let child: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  const start = async (): Promise<void> => {
    child = spawn(MOSQUITTO, ['-c', conf], { stdio: 'ignore' });
    const answers = (): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = connect(port, HOST, () => resolve(true)).on('error', () => resolve(false));
        socket.on('connect', () => socket.destroy());
      });
    if (!(await eventually(answers, 5_000))) throw new Error('mosquitto did not start');
  };
  test.teardown(stop);
  await start();
  return {
    port,
    start,
    stop,
    restart: async () => {
      await stop();
      await start();
    },
  };
}

t.test(
  'a mosquitto stands in for the broker of a unit (mqtt.broker: external)',
  { skip: existsSync(MOSQUITTO) ? false : 'needs mosquitto' },
  async (t) => {
    const certificates = await someCertificates(t);
    const tls = await certificates.unit('E001');
    const mosquitto = await aMosquitto(t, certificates, 'E001');
    const operator: unknown[] = [];
    const members = ['E001', 'E002'];
    const open = (session: string) =>
      aMeshEnd('E001', {
        members,
        peers: [],
        session,
        broker: {
          host: HOST,
          port: mosquitto.port,
          external: true,
          tls,
          onOperator: (body) => {
            operator.push(body);
            return undefined;
          },
        },
        mesh: { tls: tls.identity },
      });
    const other = await certificates.unit('E002');
    const peer = await aMeshEnd('E002', {
      members,
      peers: [{ unitId: 'E001', host: HOST, port: mosquitto.port }],
      broker: { tls: other },
      mesh: { tls: other.identity },
    });
    t.teardown(() => peer.close());
    const lives = (session: string): Promise<unknown> =>
      heard(peer.bus, 'election', ({ envelope }) => envelope.session === session);

    const former = await open('E001-1');
    former.live();
    former.bus.publish('deal', 'of-the-former', aDeal('of-the-former'));
    await lives('E001-1');
    await former.close();
    const unit = await open('E001-2');
    t.teardown(() => unit.close());
    unit.live();
    unit.bus.publish('deal', 'of-now', aDeal('of-now'));
    await lives('E001-2');
    const client = UnitClient.attach({ host: HOST, port: mosquitto.port, tls: tlsFiles(certificates.place('E002')) });
    t.teardown(() => client.close());
    await client.when(({ deals }) => deals.length > 0, 3_000);
    t.same(
      client.state().deals.map(({ dealId }) => dealId),
      ['of-now'],
      'what the former process kept is gone',
    );

    const attempts: readonly (readonly [name: string, role: Role, topic: string, may: boolean])[] = [
      ['alice', 'operator', `${rootOf('E001')}/operator/1`, true],
      ['alice', 'operator', `${rootOf('E001')}/mode`, false],
      ['carol', 'observer', `${rootOf('E001')}/operator/2`, false],
      ['E003', 'unit', `${rootOf('E001')}/operator/3`, false],
      ['E003', 'unit', `${rootOf('E001')}/birth`, false],
    ];
    const strange: string[] = [];
    client.on('message', ({ envelope }) => strange.push(envelope.session));
    for (const [name, role, topic] of attempts) {
      const pems = await certificates.authority.issue({ name, role }).catch(() => certificates.authority.renew(name));
      const guest = await enter(t, mosquitto.port, pems);
      await guest?.publishAsync(topic, topic.includes('operator') ? STOP : JSON.stringify(envelopeOf(aBirth('E001'))), {
        qos: 1,
      });
    }
    t.ok(await eventually(() => operator.length > 0, 2_000));
    await new Promise((resolve) => setTimeout(resolve, 200));
    t.equal(operator.length, 1, 'one operator was heard, and nobody else');
    t.notOk(strange.includes('s'), 'nobody else spoke in the name of the unit');

    await mosquitto.restart();
    await lives('E001-2');
    const late = UnitClient.attach({ host: HOST, port: mosquitto.port, tls: tlsFiles(certificates.place('E002')) });
    t.teardown(() => late.close());
    await late.when(({ deals }) => deals.length === 1, 5_000);
    t.pass('what the unit keeps stands again on a broker that has lost its memory');
  },
);

t.test(
  'a mosquitto that keeps its memory forgets what was taken back while it was away, and the words of a former process',
  { skip: existsSync(MOSQUITTO) ? false : 'needs mosquitto' },
  async (t) => {
    const certificates = await someCertificates(t);
    const tls = await certificates.unit('E001');
    const memory = `persistence true\npersistence_location ${certificates.directory}/\n`;
    const mosquitto = await aMosquitto(t, certificates, 'E001', memory);
    const observer = await certificates.authority.issue({ name: 'carol', role: 'observer' });
    const open = async (session: string): Promise<MeshEnd> => {
      const end = await aMeshEnd('E001', {
        members: ['E001'],
        peers: [],
        session,
        broker: { host: HOST, port: mosquitto.port, external: true, tls },
        mesh: { tls: tls.identity },
      });
      end.live();
      return end;
    };
    /** Deals that stand there, once they are as expected. */
    const stands = async (expected: readonly string[]): Promise<readonly string[]> => {
      const look = async (): Promise<readonly string[]> => {
        const guest = await enter(t, mosquitto.port, observer);
        const keys: string[] = [];
        guest?.on('message', (topic, _payload, { retain }) => retain && keys.push(topic.split('/').at(-1) ?? ''));
        await guest?.subscribeAsync(`${rootOf('E001')}/deal/#`);
        await new Promise((resolve) => setTimeout(resolve, 150));
        await guest?.endAsync(true);
        return keys.sort();
      };
      let seen = await look();
      for (const endAt = Date.now() + 9_000; Date.now() < endAt && `${seen}` !== `${expected}`; ) seen = await look();
      return seen;
    };

    const former = await open('E001-1');
    for (const id of ['over', 'kept']) former.bus.publish('deal', id, aDeal(id));
    t.same(await stands(['kept', 'over']), ['kept', 'over']);
    await mosquitto.stop();
    former.bus.retract('deal', 'over');
    await mosquitto.start();
    t.same(await stands(['kept']), ['kept'], 'a deal that is over does not come back');
    await mosquitto.stop();
    await former.close();
    const unit = await open('E001-2');
    t.teardown(() => unit.close());
    unit.bus.publish('deal', 'of-now', aDeal('of-now'));
    await mosquitto.start();
    t.same(await stands(['of-now']), ['of-now'], 'nor do the deals of a process that has gone');
  },
);

/** Part of one core that this process uses while `msec` pass: what is left is left for the loops of the unit. */
async function cpuShare(msec: number): Promise<number> {
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, msec));
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / msec;
}

/** How long a round of a control loop takes that wants to go round every ten milliseconds, the median of a second. */
async function cycleMsec(): Promise<number> {
  const rounds: number[] = [];
  for (const end = performance.now() + 1_000; performance.now() < end; ) {
    const began = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 10));
    rounds.push(performance.now() - began);
  }
  return rounds.sort((one, other) => one - other)[rounds.length >> 1] ?? Number.POSITIVE_INFINITY;
}

/** What the control loops of this process have of a flood; `quietMsec` is a round of theirs without it. */
async function keepsPace(test: Pick<typeof t, 'ok' | 'comment'>, quietMsec: number): Promise<void> {
  const share = await cpuShare(3_000);
  const floodedMsec = await cycleMsec();
  test.comment(
    `${(share * 100).toFixed()} % of a core, a round takes ${floodedMsec.toFixed(1)} ms instead of ${quietMsec.toFixed(1)}`,
  );
  test.ok(share < 0.4, `${(share * 100).toFixed()} % of a core`);
  test.ok(floodedMsec <= 2 * quietMsec, 'the loops keep their pace');
}

function flood(test: Test, ...words: readonly string[]): ChildProcess {
  const path = fileURLToPath(new URL('./support/flood.ts', import.meta.url));
  const child = spawn(process.execPath, [path, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  test.teardown(() => child.kill('SIGKILL'));
  return child;
}

t.test(
  'a client that says a thousand messages a second is thrown out, again and again, and costs next to nothing',
  async (t) => {
    const station = await aStation(t);
    const quietMsec = await cycleMsec();
    flood(t, 'client', String(station.port));
    t.ok(await eventually(() => refusals(station).includes('too many messages'), 20_000));
    const heardBefore = station.operator.length;
    await keepsPace(t, quietMsec);
    t.ok(
      station.operator.length - heardBefore < 3 * 1_000,
      `${station.operator.length - heardBefore} of 4000 were heard`,
    );
    t.equal(refusals(station).filter((message) => message === 'too many messages').length, 1, 'logged once');
  },
);

t.test('a peer that says a thousand messages a second is cut down, and the others are heard as before', async (t) => {
  const liar = flood(t, 'peer');
  const [chunk] = await once(liar.stdout as Readable, 'data'); // a pipe was asked for
  const members = ['E001', 'E002', 'E003'];
  const other = await aMeshEnd('E003', { members, peers: [] });
  const unit = await aMeshEnd('E001', {
    members,
    peers: [
      { unitId: 'E002', host: HOST, port: Number(String(chunk)) },
      { unitId: 'E003', ...other.broker.address },
    ],
  });
  t.teardown(() => Promise.all([other.close(), unit.close()]));
  other.live();
  const quietMsec = await cycleMsec();
  const isFlooded = (): boolean => unit.lines.some(({ fields: { why } }) => why === 'too many messages');
  t.ok(await eventually(isFlooded, 20_000));
  let count = 0;
  unit.bus.listen('unit', () => {
    count += 1;
  });
  const since = performance.now();
  await keepsPace(t, quietMsec);
  const allowed = ((performance.now() - since) / 1_000) * 100 + 50;
  t.ok(count <= allowed, `${count} were heard, ${allowed.toFixed()} are allowed`);
  await heard(unit.bus, 'election', ({ envelope }) => envelope.sender === 'E003', 2_000);
});
