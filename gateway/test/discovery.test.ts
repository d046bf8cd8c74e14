import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import {
  type Announcement,
  goodbyesIn,
  type Sighting,
  serviceNameOf,
  sightingsIn,
  txtOf,
} from '../src/adapters/discovery/announcement.ts';
import type { Found } from '../src/adapters/discovery/discovery.ts';
import { interfaceFor, isOnLink, linkAddresses } from '../src/adapters/discovery/interfaces.ts';
import { mdnsPeers } from '../src/adapters/discovery/mdns-peers.ts';
import { EXPIRY_MSEC, TRIAL_MSEC, UnitBook } from '../src/adapters/discovery/unit-book.ts';
import type { PeerAddress } from '../src/adapters/mesh/peer-source.ts';
import { findUnits } from '../src/client/index.ts';
import { type Host, NetworkLab, noNamespaces } from './support/namespaces.ts';
import { Running } from './support/process.ts';

const anAnnouncement = (unitId = 'E001', instance = 'i1'): Announcement => ({
  communityId: 'oki',
  clusterId: 'north',
  unitId,
  instance,
});
const aSighting = (unitId = 'E001', instance = 'i1', host = '10.0.0.1'): Sighting => ({
  ...anAnnouncement(unitId, instance),
  host,
  port: 18_830,
  service: `${serviceNameOf(anAnnouncement(unitId, instance))}._apis._tcp.local`.toLowerCase(),
});

t.test('announcement: what is said is what is read', async (t) => {
  const records = (announcement: Announcement, port: unknown = 18_830) => {
    const name = `${serviceNameOf(announcement)}._apis._tcp.local`;
    return {
      answers: [{ name: '_apis._tcp.local', type: 'PTR', ttl: 28_800, data: name }],
      additionals: [
        { name, type: 'SRV', ttl: 120, data: { port, target: 'x.local' } },
        {
          name: name.toUpperCase(),
          type: 'TXT',
          ttl: 4500,
          data: Object.entries(txtOf(announcement)).map(([key, value]) => Buffer.from(`${key}=${value}`)),
        },
      ],
    };
  };

  t.test('place, instance, certificate, and the address it came from', async (t) => {
    const announcement = { ...anAnnouncement(), fingerprint: 'ab:cd:ef:01' };
    t.same(sightingsIn(records(announcement), '10.0.0.1'), [
      { ...announcement, host: '10.0.0.1', port: 18_830, service: 'e001-i1._apis._tcp.local' },
    ]);
    t.same(sightingsIn(records(anAnnouncement()), '10.0.0.1'), [aSighting()]);
  });

  t.test('the longest ids fit into a label of DNS', async (t) => {
    const long = anAnnouncement('x.'.repeat(32), randomUUID());
    t.ok(Buffer.byteLength(serviceNameOf(long)) <= 63);
    t.notMatch(serviceNameOf(long), /\./);
    t.equal(sightingsIn(records(long), 'h')[0]?.unitId, long.unitId);
  });

  t.test('a goodbye names the service that leaves, and is no announcement', async (t) => {
    const said = records(anAnnouncement());
    const goodbye = { answers: said.answers.map((record) => ({ ...record, ttl: 0 })), additionals: said.additionals };
    t.same(goodbyesIn(goodbye), ['e001-i1._apis._tcp.local']);
    t.same(sightingsIn(goodbye, 'h'), []);
    t.same(goodbyesIn(said), []);
  });

  t.test('INV-11: nonsense is left out', async (t) => {
    const changed = (type: string, data: unknown) => {
      const { answers, additionals } = records(anAnnouncement());
      const change = <R extends { type: string }>(all: R[]) =>
        all.map((one) => (one.type === type ? { ...one, data } : one));
      return { answers: change(answers), additionals: change(additionals) };
    };
    const text = (...items: string[]) => items.map((item) => Buffer.from(item));
    const garbage = [
      {},
      { answers: [{ name: '_apis._tcp.local', type: 'PTR', ttl: 1, data: null }] },
      changed('SRV', undefined),
      changed('SRV', { port: 0 }),
      changed('SRV', { port: '1' }),
      changed('SRV', { port: 65_536 }),
      changed('TXT', 'v=1'),
      changed('TXT', [1, null]),
      changed('TXT', text('v=2', 'community=a', 'cluster=b', 'unit=c', 'id=d')),
      changed('TXT', text('v=1', 'community=a', 'cluster=b', 'unit=c/../d', 'id=d')),
      changed('TXT', text('v=1', 'community=a', 'cluster=+', 'unit=c', 'id=d')),
      changed('TXT', text('v=1', 'community=a', 'cluster=b', 'unit=c')),
    ];
    for (const packet of garbage) t.same(sightingsIn(packet, 'h'), []);
    const oddPrint = changed('TXT', text('v=1', 'community=a', 'cluster=b', 'unit=c', 'id=d', 'fp=<script>'));
    t.equal(sightingsIn(oddPrint, 'h')[0]?.fingerprint, undefined);
  });
});

t.test('unit-book', async (t) => {
  const idsOf = (book: UnitBook): string[] => book.units().map(({ unitId, instance }) => `${unitId} ${instance}`);
  const refusedBy = (book: UnitBook): string[] => book.duplicates().map(({ refused }) => refused.instance);

  t.test('a unit is listed until it says goodbye, or three questions went unanswered', async (t) => {
    const book = new UnitBook();
    book.see(aSighting('E002'), 0);
    book.see(aSighting('E001'), 0);
    t.same(idsOf(book), ['E001 i1', 'E002 i1']);
    book.leave(aSighting('E001').service, '10.0.0.9');
    t.equal(idsOf(book).length, 2, 'what somebody else says is no goodbye');
    book.leave(aSighting('E001').service, '10.0.0.1');
    t.same(idsOf(book), ['E002 i1']);
    book.see(aSighting('E002'), 10);
    book.expire(EXPIRY_MSEC + 9);
    t.same(idsOf(book), ['E002 i1'], 'each answer counts anew');
    book.expire(EXPIRY_MSEC + 10);
    t.same(idsOf(book), []);
  });

  t.test('a unit killed and started again takes its own place when the old one does not answer', async (t) => {
    const book = new UnitBook();
    book.see(aSighting('E001', 'old'), 0);
    t.equal(book.see(aSighting('E001', 'new'), 5000), true, 'a reason to ask');
    t.same(idsOf(book), ['E001 old']);
    t.same(refusedBy(book), [], 'no proof that there are two');
    book.expire(5000 + TRIAL_MSEC);
    t.same(idsOf(book), ['E001 new']);
    t.same(refusedBy(book), []);
  });

  t.test('of two living units of one id the newcomer is refused, until the first has gone', async (t) => {
    const book = new UnitBook();
    book.see(aSighting('E001', 'first'), 0);
    book.see(aSighting('E001', 'second', '10.0.0.2'), 5000);
    t.equal(book.see(aSighting('E001', 'first'), 5100), false);
    t.same(refusedBy(book), ['second']);
    t.same(idsOf(book), ['E001 first']);
    for (const at of [15_000, 25_000, 35_000, 45_000]) {
      book.see(aSighting('E001', 'second', '10.0.0.2'), at);
      book.expire(at);
    }
    t.same(refusedBy(book), ['second']);
    book.expire(5100 + EXPIRY_MSEC);
    t.same(idsOf(book), ['E001 second']);
    t.same(refusedBy(book), []);
  });

  t.test('a unit with two interfaces is told at both: one of them may be cut off', async (t) => {
    const book = new UnitBook();
    book.see(aSighting('E001', 'i1', '10.0.0.1'), 0);
    book.see(aSighting('E001', 'i1', '10.0.1.1'), 10);
    book.see(aSighting('E001', 'copy', '10.0.2.1'), 20);
    book.see(aSighting('E001', 'i1', '10.0.0.1'), 30);
    const found: Found = { units: book.units(), places: book.places(), duplicates: book.duplicates(), rivals: [] };
    const told: PeerAddress[] = [];
    const { clusterId, communityId } = aSighting('E001');
    const source = mdnsPeers(
      {
        listen: (handle) => {
          handle(found);
          return () => {};
        },
        close: async () => {},
      },
      { communityId, clusterId, unitId: 'E002' },
    );
    source.listen((peers) => told.push(...peers));
    t.same(
      told.map(({ unitId, host }) => `${unitId} ${host}`),
      ['E001 10.0.0.1', 'E001 10.0.1.1'],
      'the first heard first, and not the copy',
    );
  });

  t.test('one unit at two addresses is one unit', async (t) => {
    const book = new UnitBook();
    book.see(aSighting('E001', 'i1', '10.0.0.1'), 0);
    t.equal(book.see(aSighting('E001', 'i1', '10.0.1.1'), 10), true);
    book.see(aSighting('E001', 'i1', '10.0.0.1'), 20);
    t.same(refusedBy(book), []);
    t.same(
      book.units().map(({ host }) => host),
      ['10.0.0.1'],
    );
    book.see(aSighting('E001', 'i1', '10.0.2.1'), 50_000);
    book.expire(50_000 + TRIAL_MSEC);
    t.same(
      book.units().map(({ host }) => host),
      ['10.0.2.1'],
      'it has moved, and answers at the new one only',
    );
  });

  t.test('equal ids in different clusters have nothing to do with each other', async (t) => {
    const book = new UnitBook();
    book.see(aSighting(), 0);
    t.equal(book.see({ ...aSighting('E001', 'i2'), clusterId: 'south' }, 1), false);
    t.equal(book.units().length, 2);
  });

  t.test('INV-11: a flood of names fills no memory', async (t) => {
    const book = new UnitBook();
    for (let n = 0; n < 2000; n += 1) book.see(aSighting(`E${n}`), n);
    t.equal(book.units().length, 512);
  });
});

t.test('interfaces', async (t) => {
  const info = (family: 'IPv4' | 'IPv6', address: string, netmask: string) =>
    ({ family, address, netmask, mac: '', internal: false, cidr: null, scopeid: 0 }) as const;
  const machine = {
    lo: [info('IPv4', '127.0.0.1', '255.0.0.0')],
    eth0: [info('IPv4', '10.0.0.1', '255.255.255.0'), info('IPv6', 'fe80::1', 'ffff::')],
    down: undefined,
  };
  const addresses = (wanted?: string): string[] => linkAddresses(wanted, machine).map(({ address }) => address);

  t.test('one by its name or its address, else all', async (t) => {
    t.same(addresses(), ['127.0.0.1', '10.0.0.1']);
    t.same(addresses('eth0'), ['10.0.0.1']);
    t.same(addresses('127.0.0.1'), ['127.0.0.1']);
    t.same(addresses('wlan0'), []);
  });

  t.test('a unit is announced only where its broker can be reached', async (t) => {
    t.equal(interfaceFor('eth0', '0.0.0.0'), 'eth0');
    t.equal(interfaceFor(undefined, '127.0.0.1'), '127.0.0.1');
    t.equal(interfaceFor(undefined, 'localhost'), '127.0.0.1');
    t.equal(interfaceFor(undefined, '0.0.0.0'), undefined);
    t.equal(interfaceFor(undefined, 'gateway.lan'), undefined);
  });

  t.test('a packet counts only when it comes from the link itself', async (t) => {
    const link = { name: 'eth0', address: '192.168.1.2', netmask: '255.255.255.0' };
    t.equal(isOnLink('192.168.1.77', link), true);
    t.equal(isOnLink('192.168.2.77', link), false);
    t.equal(isOnLink('fe80::1', link), false);
  });
});

const SCRIPT = fileURLToPath(new URL('./support/discovering.ts', import.meta.url));
const LOOPBACK = '127.0.0.1';

/** A community of its own for each test: everybody on this machine hears the same loopback. */
const aCommunity = (): string => `t${randomUUID().slice(0, 8)}`;

const lastLine = (units: readonly string[], more = ''): RegExp =>
  new RegExp(
    `\\{"units":${JSON.stringify(units).replace(/[[\].]/g, '\\$&')}${more}[^\\n]*\\}\\n(?:\\{"event[^\\n]*\\n)*$`,
  );

const end = async (process: Running, signal: NodeJS.Signals): Promise<void> => {
  process.child.kill(signal);
  await process.ended;
};

t.test('discovery on loopback, several processes', async (t) => {
  const begin = (community: string, unitId: string, port: number): Running => {
    const running = new Running(SCRIPT, [community, unitId, String(port), LOOPBACK]);
    t.teardown(() => end(running, 'SIGKILL'));
    return running;
  };

  t.test('all find each other; who leaves is gone at once, who is killed and comes back is found anew', async (t) => {
    const community = aCommunity();
    const [e1, e2, e3] = [1, 2, 3].map((n) => begin(community, `E00${n}`, n)) as [Running, Running, Running];
    const at = (n: number, port = n): string => `E00${n}@${LOOPBACK}:${port}`;
    await e1.says('out', lastLine([at(2), at(3)]));
    await e2.says('out', lastLine([at(1), at(3)]));
    await e3.says('out', lastLine([at(1), at(2)]));

    await end(e3, 'SIGTERM');
    await e1.says('out', lastLine([at(2)]), 2_000);

    await end(e2, 'SIGKILL');
    begin(community, 'E002', 22);
    await e1.says('out', lastLine([at(2, 22)]), 8_000);
    t.notMatch(e1.out, /"refused":\["/, 'its own former self is no rival');
    const found = await findUnits({ interface: LOOPBACK });
    const ours = found.filter(({ communityId }) => communityId === community);
    t.same(ours, [
      { communityId: community, clusterId: 'c', unitId: 'E001', host: LOOPBACK, port: 1 },
      { communityId: community, clusterId: 'c', unitId: 'E002', host: LOOPBACK, port: 22 },
    ]);
  });

  t.test('of two units of one id the newcomer is refused by all, and both learn of it', async (t) => {
    const community = aCommunity();
    const witness = begin(community, 'E009', 9);
    const first = begin(community, 'E001', 1);
    await witness.says('out', lastLine([`E001@${LOOPBACK}:1`]));
    const second = begin(community, 'E001', 2);
    await witness.says('out', lastLine([`E001@${LOOPBACK}:1`], `,"refused":\\["E001@${LOOPBACK}:2"\\]`), 8_000);
    await t.resolves(first.says('out', new RegExp(`"rivals":\\["E001@${LOOPBACK}:2"\\]`)));
    await t.resolves(second.says('out', new RegExp(`"rivals":\\["E001@${LOOPBACK}:1"\\]`)));
  });

  t.test('nobody there: nothing is found, and nothing hangs', async (t) => {
    t.same(await findUnits({ interface: 'no-such-interface', waitMsec: 50 }), []);
  });
});

t.setTimeout(240_000);
const noLab = noNamespaces() ?? false;

t.test('discovery between machines without a default route', { skip: noLab, timeout: 150_000 }, async (t) => {
  const community = aCommunity();
  const lab = await NetworkLab.open(`ad${process.pid}`, '10.77.1');
  t.teardown(() => lab.close());
  const begin = ({ namespace }: Host, unitId: string, port: string, ...more: readonly string[]): Running => {
    const args = ['exec', namespace, process.execPath, SCRIPT, community, unitId, port, ...more];
    const running = new Running('netns', args, { program: 'ip' });
    t.teardown(() => end(running, 'SIGKILL'));
    return running;
  };
  const one = await lab.addHost();
  const two = await lab.addHost();
  const late = await lab.addHost(false);
  const e1 = begin(one, 'E001', '18830', 'eth0');
  const e2 = begin(two, 'E002', '18830');
  const e3 = begin(late, 'E003', '18830', 'eth0');
  const at = (unitId: string, host: string): string => `${unitId}@${host}:18830`;

  await e1.says('out', lastLine([at('E002', two.address)]));
  await e2.says('out', lastLine([at('E001', one.address)]));
  await e3.says('out', lastLine([]));

  // A cable that is plugged in later.
  await lab.plug(late);
  await e1.says('out', lastLine([at('E002', two.address), at('E003', late.address)]), 10_000);
  await e3.says('out', lastLine([at('E001', one.address), at('E002', two.address)]), 10_000);

  // A new address, as from another router.
  const inTwo = (...args: string[]): Promise<string> => lab.inside(two.namespace, 'ip', ...args);
  await inTwo('address', 'flush', 'dev', two.interface);
  await inTwo('address', 'add', '10.77.1.102/24', 'dev', two.interface);
  await e1.says('out', lastLine([at('E002', '10.77.1.102'), at('E003', late.address)]), 60_000);

  // A link that is down while another unit dies and comes back elsewhere.
  await inTwo('link', 'set', two.interface, 'down');
  await e2.says('out', /"event":"discovery.interface-left"[^\n]*\n$/, 10_000);
  await end(e1, 'SIGKILL');
  begin(one, 'E001', '18831', 'eth0');
  await inTwo('link', 'set', two.interface, 'up');
  await t.resolves(e2.says('out', lastLine([`E001@${one.address}:18831`, at('E003', late.address)]), 20_000));
});
