import t from 'tap';
import { Community } from '../src/cluster/community.ts';
import { DealJournal } from '../src/cluster/deal-journal.ts';
import { Election, type Vow } from '../src/cluster/election.ts';
import { Members } from '../src/cluster/members.ts';
import { Modes } from '../src/cluster/modes.ts';
import { PermitHolder } from '../src/cluster/permit-holder.ts';
import { PolicyBook } from '../src/cluster/policy-book.ts';
import { PolicyChange, type PolicyChangeNeeds } from '../src/cluster/policy-change.ts';
import { Presence } from '../src/cluster/presence.ts';
import { type OkReply, Requests } from '../src/cluster/requests.ts';
import { SentTimes } from '../src/cluster/sent-times.ts';
import { Settlement } from '../src/cluster/settlement.ts';
import { demoPolicy } from '../src/config/defaults.ts';
import { parseConfig } from '../src/config/load.ts';
import type { Policy } from '../src/config/policy.ts';
import type {
  Channel,
  CommandBody,
  Deal,
  ElectionState,
  GridState,
  OperationMode,
  PolicyEntry,
  UnitData,
} from '../src/domain/index.ts';
import { PeerError } from '../src/domain/index.ts';
import {
  type Bus,
  collectingLog,
  type LogLine,
  MemoryBusHub,
  MemoryStore,
  SeededEntropy,
  silentLog,
  sleep,
  VirtualClock,
} from '../src/ports/index.ts';
import { aDischarge, aUnit } from './support/messages.ts';

const IDS = ['E001', 'E002', 'E003', 'E004'];
const HEARTBEAT_MSEC = 500;
const PERMIT_MSEC = 5_000;

interface Node {
  readonly id: string;
  readonly bus: Bus;
  readonly election: Election;
  readonly members: Members;
  readonly led: [leading: boolean, term: number][];
  vow: Vow | undefined;
  kill(): void;
}

/** A cluster of bare elections: units that only say beacons and, when they lead, `grid`. */
class Cluster {
  readonly ids: readonly string[];
  readonly clock = new VirtualClock();
  readonly nodes = new Map<string, Node>();
  /** Says whether a message from one unit reaches another. */
  reaches: (from: string, to: string) => boolean = () => true;
  readonly hub = new MemoryBusHub(this.clock, { delay: (from, to) => (this.reaches(from, to) ? 2 : undefined) });
  /** How late a unit comes to its heartbeat, every time. */
  lateMsec: (id: string) => number = () => 0;
  /** How long a durable write takes; 0: at once. */
  diskMsec = 0;
  /** Whose disk takes nothing. */
  fullDisk: string | undefined;
  /** Terms that were announced before they were durable. */
  readonly tooEarly: string[] = [];
  #sessions = 0;

  constructor(ids: readonly string[] = IDS) {
    this.ids = ids;
  }

  start(id: string, vow?: Vow, founder = 'E001', isOutdated = false): Node {
    this.#sessions += 1;
    const bus = this.hub.join(id, `s${this.#sessions}`);
    const members = new Members({ bus, clock: this.clock, memberUnitIds: () => this.ids });
    let beacon = 0;
    let alive = true;
    let pass = 0;
    const election = new Election({
      unitId: id,
      clock: this.clock,
      entropy: new SeededEntropy(this.#sessions),
      log: silentLog,
      members,
      memberUnitIds: () => this.ids,
      leaseMsec: () => 2_000,
      permitMsec: () => PERMIT_MSEC,
      founder: () => founder,
      persist: async (next) => {
        if (id === this.fullDisk) throw new Error('no space left on device');
        await (this.diskMsec > 0 ? sleep(this.clock, this.diskMsec) : Promise.resolve());
        node.vow = next;
      },
      announce: (state) => {
        beacon += 1;
        if (state.term > (node.vow?.term ?? 0)) this.tooEarly.push(`${id} announces term ${state.term}`);
        if (alive) bus.publish('election', '', { ...state, session: bus.session, beacon });
      },
      lead: (leading, term) => node.led.push([leading, term]),
    });
    const node: Node = { id, bus, members, election, led: [], vow, kill: () => {} };
    members.onBeacon((member) => election.hear(member));
    members.onVanished((unitId) => election.vacate(unitId));
    members.start();
    bus.listen('grid', ({ envelope }) => election.hearGrid(envelope.sender, envelope.body));
    election.start(vow, isOutdated);
    const beat = (): void => {
      if (!alive) return;
      members.beat(HEARTBEAT_MSEC);
      election.tick();
      if (election.isLeading) {
        pass += 1;
        election.sentGrid(pass);
        bus.publish('grid', '', gridOf(id, election.term, pass));
      }
      this.clock.after(HEARTBEAT_MSEC + this.lateMsec(id), beat);
    };
    beat();
    node.kill = () => {
      alive = false;
      this.hub.leave(id);
      members.stop();
      this.nodes.delete(id);
    };
    this.nodes.set(id, node);
    return node;
  }

  /** A unit learns that the process of another has ended. */
  vanished(at: string, unitId: string): void {
    const { session } = this.get(at).members.get(unitId)?.state ?? {};
    this.hub.tellEnd(at, unitId, String(session));
  }

  /** A member of which only the beacons are there. */
  stranger(
    id: string,
  ): (state: Pick<ElectionState, 'term' | 'role' | 'votedFor' | 'preVoteTerm' | 'successor'>) => void {
    const bus = this.hub.join(id, `stranger ${id}`);
    let beacon = 0;
    return (state) => {
      beacon += 1;
      bus.publish('election', '', { ...state, session: bus.session, beacon });
    };
  }

  startAll(founder?: string): this {
    for (const id of IDS) this.start(id, undefined, founder);
    return this;
  }

  leaders(): Node[] {
    return [...this.nodes.values()].filter((node) => node.election.isLeading);
  }

  get(id: string): Node {
    return this.nodes.get(id) as Node; // every test starts all of them
  }
}

const gridOf = (gridMasterUnitId: string, term: number, pass: number): GridState => ({
  gridMasterUnitId,
  session: 's',
  term,
  pass,
  passMsec: 0,
  mode: { value: 'stop', term: 0, revision: 0 },
  permitMsec: PERMIT_MSEC,
  granting: true,
  permits: [],
  hasGlobalErrors: false,
});

t.test('election.ts', async (t) => {
  t.test('a complete cluster that nobody leads elects its founder at once', async (t) => {
    const cluster = new Cluster().startAll();
    t.ok(await cluster.clock.runUntil(() => cluster.leaders().length === 1, 1_000));
    t.equal(cluster.leaders()[0]?.id, 'E001');
    await cluster.clock.advance(20_000);
    t.strictSame(
      IDS.map((id) => cluster.get(id).election.gridMasterUnitId),
      IDS.map(() => 'E001'),
    );
    t.strictSame(cluster.get('E001').led, [[true, 1]], 'it keeps the office');
  });

  t.test('a cluster of one leads itself from its first heartbeat on', async (t) => {
    const cluster = new Cluster(['E001']);
    const { election } = cluster.start('E001');
    t.equal(election.gridMasterSession, undefined, 'nobody is obeyed yet');
    t.ok(await cluster.clock.runUntil(() => election.isLeading, 2 * HEARTBEAT_MSEC));
  });

  t.test('a pre-vote is taken back when a grid master is heard after all', async (t) => {
    const cluster = new Cluster(['E001', 'E002', 'E003']);
    const said: (string | undefined)[] = [];
    cluster.start('E002', { term: 4 });
    const ask = cluster.stranger('E001');
    const listener = cluster.hub.join('E004', 'a listener');
    listener.listen('election', ({ envelope }) => {
      if (envelope.sender === 'E002') said.push(envelope.body.grantsPreVoteTo);
    });
    await cluster.clock.advance(5_000);
    ask({ term: 4, role: 'follower', preVoteTerm: 5 });
    await cluster.clock.advance(10);
    t.equal(said.at(-1), 'E001');
    cluster.hub.join('E003', 's').publish('grid', '', gridOf('E003', 4, 1));
    await cluster.clock.advance(10);
    ask({ term: 4, role: 'follower', preVoteTerm: 5 });
    await cluster.clock.advance(10);
    t.equal(said.at(-1), undefined);
  });

  t.test('the policy may name another founder', async (t) => {
    const cluster = new Cluster().startAll('E003');
    await cluster.clock.advance(1_000);
    t.equal(cluster.leaders()[0]?.id, 'E003');
  });

  t.test('RULE-16: with a member missing, forgetful units wait one full permit time before they elect', async (t) => {
    const cluster = new Cluster();
    for (const id of ['E002', 'E003', 'E004']) cluster.start(id);
    await cluster.clock.advance(PERMIT_MSEC - 1);
    t.equal(cluster.leaders().length, 0);
    t.ok(await cluster.clock.runUntil(() => cluster.leaders().length === 1, 12_000));
  });

  t.test('RULE-16: a unit that has lost its last promise does not vote twice in a term', async (t) => {
    for (const vow of [{ term: 5 }, undefined]) {
      const cluster = new Cluster();
      const node = cluster.start('E004', vow, 'E001', true);
      const say = cluster.stranger('E002');
      cluster.stranger('E001')({ term: 5, role: 'follower' });
      cluster.stranger('E003')({ term: 5, role: 'follower' });
      say({ term: 5, role: 'candidate', votedFor: 'E002' });
      await cluster.clock.advance(500);
      t.equal(node.vow?.votedFor, undefined, 'everybody is here and nobody leads: it may have voted all the same');
      await cluster.clock.advance(PERMIT_MSEC);
      say({ term: 5, role: 'candidate', votedFor: 'E002' });
      await cluster.clock.advance(100);
      t.match(node.vow, { term: 5, votedFor: 'E002' }, 'after one permit time');
    }
  });

  t.test('RULE-16: nor does it found the cluster anew', async (t) => {
    const cluster = new Cluster();
    cluster.start('E001', { term: 5 }, 'E001', true);
    for (const id of ['E002', 'E003', 'E004']) cluster.start(id, { term: 5 });
    await cluster.clock.advance(2_000);
    t.equal(cluster.leaders().length, 0);
    t.ok(await cluster.clock.runUntil(() => cluster.leaders().length === 1, 12_000));
    t.not(cluster.leaders()[0]?.id, 'E001', 'the others do not wait for it');
  });

  t.test('units that remember their promises elect without the founder after their time-out', async (t) => {
    const cluster = new Cluster();
    for (const id of ['E002', 'E003', 'E004']) cluster.start(id, { term: 4 });
    t.ok(await cluster.clock.runUntil(() => cluster.leaders().length === 1, 10_000));
    t.ok((cluster.leaders()[0]?.election.term ?? 0) > 4);
  });

  t.test('a killed leader is replaced by another within 4.5 s of virtual time, in a higher term', async (t) => {
    const times: number[] = [];
    for (let round = 0; round < 10; round += 1) {
      const cluster = new Cluster().startAll();
      await cluster.clock.advance(5_000 + 37 * round);
      cluster.get('E001').kill();
      const killedAt = cluster.clock.monotonic();
      t.ok(await cluster.clock.runUntil(() => cluster.leaders().length === 1, 10_000));
      t.not(cluster.leaders()[0]?.id, 'E001');
      t.ok((cluster.leaders()[0]?.election.term ?? 0) >= 2);
      times.push(cluster.clock.monotonic() - killedAt);
    }
    times.sort((a, b) => a - b);
    t.comment(`new grid master after ${times[5]} ms median, ${times[9]} ms worst`);
    t.ok((times[9] ?? 0) < 4_500);
  });

  t.test('a leader whose end is known is replaced at once, and by a majority alone (INV-6)', async (t) => {
    const timeUntilNext = async (killed: readonly string[], knowing: readonly string[]): Promise<number> => {
      const cluster = new Cluster().startAll();
      await cluster.clock.advance(5_100);
      t.ok(cluster.get('E001').election.isLeading);
      for (const id of killed) cluster.get(id).kill();
      const killedAt = cluster.clock.monotonic();
      for (const id of knowing) for (const gone of killed) cluster.vanished(id, gone);
      await cluster.clock.runUntil(() => cluster.leaders().length === 1, 10_000);
      return cluster.clock.monotonic() - killedAt;
    };
    const soon = await timeUntilNext(['E001'], ['E002', 'E003', 'E004']);
    t.ok(soon < 600, `a new one after ${soon} ms`);
    const late = await timeUntilNext(['E001'], ['E002', 'E003']);
    t.ok(late > 1_500, `who does not know of it keeps his vote: after ${late} ms`);
    t.equal(await timeUntilNext(['E001', 'E002'], ['E003', 'E004']), 10_000, 'two of four elect nobody');
  });

  t.test('who is said to have ended and is heard leads on (INV-6)', async (t) => {
    const cluster = new Cluster().startAll();
    await cluster.clock.advance(5_000);
    const { term } = cluster.get('E001').election;
    cluster.vanished('E004', 'E001');
    t.notOk(cluster.get('E004').members.isAlive('E001'));
    await cluster.clock.advance(10_000);
    t.ok(cluster.get('E004').members.isAlive('E001'));
    t.strictSame(
      cluster.leaders().map(({ id }) => id),
      ['E001'],
    );
    t.equal(cluster.get('E004').election.term, term);
  });

  t.test('INV-7: no beacon speaks of a term that is not on the disk yet, though an older promise is', async (t) => {
    const cluster = new Cluster();
    cluster.diskMsec = 300;
    cluster.start('E001', { term: 1 });
    const say = cluster.stranger('E002');
    say({ term: 2, role: 'follower' });
    await cluster.clock.advance(100);
    say({ term: 3, role: 'follower' });
    await cluster.clock.advance(1_000);
    t.equal(cluster.get('E001').vow?.term, 3);
    t.strictSame(cluster.tooEarly, []);
  });

  t.test(
    'a unit whose disk takes no promise is silent and ends nothing, and is back when it does (market.md W33)',
    async (t) => {
      const cluster = new Cluster();
      let beacons = 0;
      cluster.hub.join('listener', 'l').listen('election', ({ envelope }) => {
        if (envelope.sender === 'E002') beacons += 1;
      });
      cluster.fullDisk = 'E002';
      cluster.startAll();
      t.ok(await cluster.clock.runUntil(() => cluster.leaders().length === 1, 12_000));
      const leader = cluster.leaders()[0];
      await cluster.clock.advance(10_000);
      t.notOk(leader?.members.isAlive('E002'), 'nothing is heard of it');
      t.equal(cluster.get('E002').vow, undefined);
      cluster.fullDisk = undefined;
      beacons = 0;
      await cluster.clock.advance(3_000);
      t.ok(beacons < 12, `what it could not say is not said now: ${beacons} beacons`);
      t.ok(leader?.members.isAlive('E002'));
      t.equal(cluster.get('E002').vow?.term, leader?.election.term);
      t.same(cluster.tooEarly, [], 'INV-7');
    },
  );

  t.test('the founder does not stand against somebody who stands already', async (t) => {
    const cluster = new Cluster();
    cluster.diskMsec = 5;
    const founder = cluster.start('E001', { term: 1 });
    for (const id of ['E002', 'E004']) cluster.stranger(id)({ term: 1, role: 'follower' });
    cluster.stranger('E003')({ term: 2, role: 'candidate', votedFor: 'E003' });
    await cluster.clock.advance(400);
    t.equal(founder.election.term, 2, 'no term is wasted on a second candidate');
    t.equal(founder.vow?.votedFor, 'E003');
  });

  t.test('INV-6: at most one unit leads in a term, whatever is cut off', async (t) => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const cluster = new Cluster().startAll();
      const entropy = new SeededEntropy(seed);
      const leaderOf = new Map<number, string>();
      let cut = new Set<string>();
      cluster.reaches = (from, to) => cut.has(from) === cut.has(to) && entropy.next() > 0.1;
      for (let step = 0; step < 60; step += 1) {
        if (step % 6 === 0) cut = new Set(IDS.filter(() => entropy.next() < 0.4));
        await cluster.clock.advance(700);
        for (const { id, election } of cluster.leaders()) {
          const known = leaderOf.get(election.term) ?? id;
          if (known !== id) t.fail(`seed ${seed}: ${known} and ${id} both lead term ${election.term}`);
          leaderOf.set(election.term, id);
        }
      }
      cut = new Set();
      cluster.reaches = () => true;
      t.ok(await cluster.clock.runUntil(() => cluster.leaders().length === 1, 20_000), `seed ${seed} heals (INV-10)`);
    }
  });

  t.test('RULE-5: a leader that a majority no longer hears steps down within its lease', async (t) => {
    const cluster = new Cluster().startAll();
    await cluster.clock.advance(3_000);
    cluster.reaches = (from, to) => from !== 'E001' && to !== 'E001';
    await cluster.clock.advance(3_000);
    t.equal(cluster.get('E001').election.isLeading, false);
    t.strictSame(cluster.get('E001').led.at(-1), [false, 1]);
  });

  t.test('RULE-5: a leader that was late by itself waits for its echoes, and once only', async (t) => {
    const cluster = new Cluster().startAll();
    await cluster.clock.advance(5_000);
    const leader = cluster.get('E001');
    t.ok(leader.election.isLeading);
    cluster.lateMsec = (id) => (id === 'E001' ? 1_700 : 0);
    await cluster.clock.advance(2_300);
    cluster.lateMsec = () => 0;
    await cluster.clock.advance(3_000);
    t.ok(leader.election.isLeading && leader.election.hasQuorum, 'the lease was over, and the others are there');
    cluster.lateMsec = (id) => (id === 'E001' ? 260 : 0);
    await cluster.clock.advance(3_000);
    cluster.reaches = (_, to) => to !== 'E001';
    await cluster.clock.advance(2_000 + 600 + 2 * 760);
    t.notOk(leader.election.isLeading, 'one standstill after the other does not keep it in office');
  });

  t.test('RULE-5: one-way loss counts as not being heard', async (t) => {
    const cluster = new Cluster().startAll();
    await cluster.clock.advance(3_000);
    cluster.reaches = (from) => from !== 'E001';
    await cluster.clock.advance(3_000);
    t.equal(cluster.get('E001').election.isLeading, false);
  });

  t.test('a unit that was cut off does not disturb the leader when it returns (pre-vote)', async (t) => {
    const cluster = new Cluster().startAll();
    await cluster.clock.advance(3_000);
    cluster.reaches = (from, to) => from !== 'E004' && to !== 'E004';
    await cluster.clock.advance(30_000);
    cluster.reaches = () => true;
    await cluster.clock.advance(10_000);
    t.equal(cluster.get('E001').election.isLeading, true);
    t.equal(cluster.get('E001').election.term, 1);
    t.equal(cluster.get('E004').election.gridMasterUnitId, 'E001');
  });

  t.test('a minority elects nobody', async (t) => {
    const cluster = new Cluster();
    for (const id of ['E001', 'E002']) cluster.start(id, { term: 1 });
    await cluster.clock.advance(60_000);
    t.equal(cluster.leaders().length, 0);
  });

  t.test('INV-6: the word of an older term, or in another name, is not obeyed', async (t) => {
    const cluster = new Cluster().startAll();
    await cluster.clock.advance(3_000);
    const { election } = cluster.get('E002');
    t.equal(election.hearGrid('E003', gridOf('E003', 0, 9)), false);
    t.equal(election.hearGrid('E003', gridOf('E004', 7, 9)), false);
    t.equal(election.gridMasterUnitId, 'E001');
  });

  t.test('RULE-6: only who leads has an office to offer', async (t) => {
    const cluster = new Cluster().startAll();
    await cluster.clock.advance(3_000);
    t.notOk(cluster.get('E002').election.isLeading);
    const successors: unknown[] = [];
    cluster.hub.tap(({ channel, envelope }) => {
      const { successor } = envelope.body as ElectionState;
      if (channel === 'election' && successor !== undefined) successors.push(successor);
    });
    cluster.get('E002').election.offer('E003');
    await cluster.clock.advance(3_000);
    t.same(successors, []);
    t.ok(cluster.get('E001').election.isLeading);
    cluster.get('E001').election.offer('E003');
    await cluster.clock.advance(100);
    t.same([...new Set(successors)], ['E003']);
    t.ok(cluster.get('E003').election.isLeading);
  });

  t.test('RULE-6: nobody takes an office over from who does not hold it', async (t) => {
    const cluster = new Cluster().startAll();
    await cluster.clock.advance(PERMIT_MSEC + 1_000);
    const { term } = cluster.get('E001').election;
    cluster.get('E004').kill();
    cluster.stranger('E004')({ term, role: 'follower', successor: 'E003' });
    await cluster.clock.advance(5_000);
    t.equal(cluster.get('E001').election.term, term, 'nobody has stood');
    t.ok(cluster.get('E001').election.isLeading);
    t.same(cluster.get('E003').led, []);
  });

  t.test(
    'RULE-16: a unit that may have forgotten a promise takes no office over, until that time is over',
    async (t) => {
      const cluster = new Cluster().startAll();
      await cluster.clock.advance(3_000);
      const { vow } = cluster.get('E003');
      cluster.get('E003').kill();
      const forgetful = cluster.start('E003', vow, 'E001', true);
      cluster.get('E001').election.offer('E003');
      await cluster.clock.advance(PERMIT_MSEC - 100);
      t.same(forgetful.led, []);
      t.ok(cluster.get('E001').election.isLeading);
      await cluster.clock.advance(1_000);
      t.ok(forgetful.election.isLeading);
    },
  );

  t.test('a leader that resigns is followed by another', async (t) => {
    const cluster = new Cluster().startAll();
    await cluster.clock.advance(3_000);
    const first = cluster.get('E001');
    first.election.resign();
    first.election.resign();
    first.kill();
    t.ok(await cluster.clock.runUntil(() => cluster.leaders().length === 1, 12_000));
  });
});

t.test('members.ts', async (t) => {
  const clock = new VirtualClock();
  const hub = new MemoryBusHub(clock);
  const bus = hub.join('E001', 's1');
  const members = new Members({ bus, clock, memberUnitIds: () => IDS });
  members.start();
  const other = hub.join('E002', 's2');
  const stranger = hub.join('X999', 's3');
  const state: ElectionState = { session: 's2', beacon: 2, term: 0, role: 'follower' };
  let beacons = 0;
  const unsubscribe = members.onBeacon(() => {
    beacons += 1;
  });
  other.publish('election', '', state);
  stranger.publish('election', '', { ...state, session: 's3' });
  await clock.advance(5);
  t.strictSame(members.alive(), ['E001', 'E002'], 'INV-11: strangers do not count');
  other.publish('election', '', { ...state, beacon: 1 });
  await clock.advance(5);
  t.equal(beacons, 1, 'a replayed beacon is no sign of life');
  await clock.advance(1_000);
  t.strictSame(members.alive(), ['E001'], 'silent for a second: not alive');
  t.equal(members.majority(), 3);
  unsubscribe();
  members.stop();

  t.test('nobody is silent while this process stands still itself', async (t) => {
    const clock = new VirtualClock();
    const hub = new MemoryBusHub(clock);
    const members = new Members({ bus: hub.join('E001', 's1'), clock, memberUnitIds: () => IDS });
    members.start();
    const caughtUpAt: number[] = [];
    members.onCaughtUp(() => caughtUpAt.push(clock.monotonic()));
    const [E002, E003, E004] = ['E002', 'E003', 'E004'].map((id) => hub.join(id, 's'));
    let beacon = 0;
    const say = async (...heard: readonly (Bus | undefined)[]): Promise<void> => {
      beacon += 1;
      for (const bus of heard) bus?.publish('election', '', { ...state, session: 's', beacon });
      await clock.advance(2);
    };
    const beat = async (...heard: readonly (Bus | undefined)[]): Promise<void> => {
      members.beat(HEARTBEAT_MSEC);
      await say(...heard);
    };
    await beat(E002, E003, E004);
    t.ok(members.echoesBy < clock.monotonic());
    await clock.advance(1_400);
    t.strictSame(members.alive(), IDS, 'it has not come to its heartbeat: it has heard nobody');
    await say(E002); // what has arrived may be heard before the own heartbeat, one after the other
    t.ok(members.isAlive('E003'));
    await say(E003);
    t.ok(members.isAlive('E004'), 'it is on its way');
    await beat();
    t.ok(members.echoesBy > clock.monotonic() + HEARTBEAT_MSEC - 10, 'nobody has had a heartbeat since');
    await clock.advance(95);
    t.notOk(members.isAlive('E004'), 'it was not');
    t.ok(members.isAlive('E002'));
    await clock.advance(5);
    t.strictSame(
      caughtUpAt.map((at) => Math.round(at - 1_402)),
      [102],
      'who waits for a silence looks again then',
    );
    await clock.advance(398);
    for (let silentMsec = 0; silentMsec < 1_900; silentMsec += 750) {
      await beat(E002);
      t.equal(members.isAlive('E003'), silentMsec < 1_000, `silent for ${silentMsec + 500} ms and more`);
      await clock.advance(750);
    }
    members.stop();
  });

  t.test('on a bus that tells of no end, as the broker’s, only silence tells', async (t) => {
    const clock = new VirtualClock();
    const hub = new MemoryBusHub(clock);
    const { onVanished: _untold, ...bus } = hub.join('E001', 's1');
    const members = new Members({ bus, clock, memberUnitIds: () => IDS });
    members.start();
    const ended: string[] = [];
    members.onVanished((unitId) => ended.push(unitId));
    hub.join('E002', 's2').publish('election', '', state);
    await clock.advance(5);
    t.ok(members.isAlive('E002'));
    hub.tellEnd('E001', 'E002', 's2');
    t.ok(members.isAlive('E002'));
    await clock.advance(1_000);
    t.notOk(members.isAlive('E002'));
    t.same(ended, []);
    members.stop();
    hub.join('E003', 's3').publish('election', '', { ...state, session: 's3' });
    await clock.advance(5);
    t.notOk(members.isAlive('E003'), 'nothing is heard after the end');
  });

  t.test('a session that has ended is not alive from then on, and its next word counts again', async (t) => {
    const clock = new VirtualClock();
    const hub = new MemoryBusHub(clock);
    const tell = (unitId: string, session: string): void => hub.tellEnd('E001', unitId, session);
    const members = new Members({ bus: hub.join('E001', 's1'), clock, memberUnitIds: () => IDS });
    members.start();
    const ended: string[] = [];
    members.onVanished((unitId) => ended.push(unitId));
    const other = hub.join('E002', 's2');
    const say = async (beacon: number, session = 's2'): Promise<void> => {
      other.publish('election', '', { ...state, session, beacon });
      await clock.advance(5);
    };
    await say(1);
    tell('E002', 'former');
    t.ok(members.isAlive('E002'), 'a former session of it');
    tell('E003', 's3');
    tell('E002', 's2');
    t.notOk(members.isAlive('E002'));
    t.strictSame(ended, ['E002'], 'and nobody of whom nothing is known');
    await say(1);
    t.notOk(members.isAlive('E002'), 'a replayed beacon is no sign of life');
    await say(2);
    t.ok(members.isAlive('E002'));
    tell('E002', 's2');
    await say(1, 's3');
    t.ok(members.isAlive('E002'), 'a new session');
    members.stop();
  });
});

t.test('sent-times.ts', async (t) => {
  const sent = new SentTimes(3);
  for (const number of [1, 2, 3, 4]) sent.note(number, 100 * number);
  t.same(
    [1, 2, 3, 4, 5, 0, -1, 2.5, Number.NaN].map((number) => sent.at(number)),
    [undefined, 200, 300, 400, ...Array(5).fill(undefined)],
    'the last three, and of what was never sent nothing',
  );
  sent.forget();
  t.equal(sent.at(4), undefined);
});

t.test('presence.ts: since when a member is there, in its present session, without a break', async (t) => {
  const clock = new VirtualClock();
  const hub = new MemoryBusHub(clock);
  const members = new Members({ bus: hub.join('E003', 's3'), clock, memberUnitIds: () => IDS });
  const presence = new Presence(members, clock);
  members.start();
  let beacon = 0;
  const beat = async (msec: number, bus?: Bus): Promise<void> => {
    for (let at = 0; at < msec; at += HEARTBEAT_MSEC) {
      beacon += 1;
      bus?.publish('election', '', { session: bus.session, beacon, term: 1, role: 'follower' });
      await clock.advance(HEARTBEAT_MSEC);
      presence.note();
    }
  };
  t.equal(presence.since('E001'), undefined);
  await beat(5_000, hub.join('E001', 's1'));
  t.equal(presence.since('E001'), HEARTBEAT_MSEC);
  const second = hub.join('E001', 's2');
  await beat(5_000, second);
  t.equal(presence.since('E001'), 5_000 + HEARTBEAT_MSEC, 'another process');
  await beat(3_000);
  t.equal(presence.since('E001'), undefined, 'silent');
  await beat(1_000, second);
  t.equal(presence.since('E001'), 13_000 + HEARTBEAT_MSEC, 'here again');
});

t.test('permit-holder.ts', async (t) => {
  const grid = (over: Partial<GridState>): GridState => ({ ...gridOf('E001', 1, 1), ...over });
  const entry = { unitId: 'E002', session: 's2', beacon: 1, modes: ['CHARGE'] as const, dealIds: ['d'] };

  t.test('RULE-1: a permit lasts from the moment the echoed beacon was sent', async (t) => {
    const clock = new VirtualClock();
    const holder = new PermitHolder('E002', 's2', clock);
    holder.sentBeacon(1);
    await clock.advance(4_000);
    holder.hearGrid(grid({ permits: [entry] }));
    t.strictSame(holder.current(), { term: 1, modes: ['CHARGE'], dealIds: ['d'], expiresAt: 5_000, isAlone: true });
    await clock.advance(999);
    t.ok(holder.current());
    await clock.advance(1);
    t.equal(holder.current(), undefined, 'INV-2: a delayed grid does not prolong it');
  });

  t.test('RULE-4: a new grid master that does not grant yet takes no permit away', async (t) => {
    const clock = new VirtualClock();
    const holder = new PermitHolder('E002', 's2', clock);
    holder.sentBeacon(1);
    holder.hearGrid(grid({ permits: [entry] }));
    holder.hearGrid(grid({ term: 2, granting: false }));
    t.ok(holder.current());
    await clock.advance(PERMIT_MSEC);
    t.equal(holder.current(), undefined);
  });

  t.test('RULE-1: another session, a forgotten beacon, no entry or no mode grants nothing', async (t) => {
    const clock = new VirtualClock();
    const holder = new PermitHolder('E002', 's2', clock);
    for (let beacon = 1; beacon <= 70; beacon += 1) holder.sentBeacon(beacon);
    for (const permits of [
      [{ ...entry, session: 'old', beacon: 70 }],
      [{ ...entry, beacon: 1 }],
      [],
      [{ ...entry, beacon: 70, modes: [] }],
    ]) {
      holder.hearGrid(grid({ permits: [{ ...entry, beacon: 70 }] }));
      t.ok(holder.current());
      holder.hearGrid(grid({ permits }));
      t.equal(holder.current(), undefined);
    }
  });
});

t.test('requests.ts', async (t) => {
  const setUp = (lost: (channel: Channel) => boolean = () => false) => {
    const clock = new VirtualClock();
    const hub = new MemoryBusHub(clock, { delay: (_from, _to, channel) => (lost(channel) ? undefined : 2) });
    const asker = new Requests(hub.join('E001', 's1'), clock);
    asker.start(async () => ({ ok: true }));
    return { clock, hub, asker };
  };
  const body: CommandBody = { kind: 'read', what: 'status' };

  t.test('an answer comes back to its question', async (t) => {
    const { clock, hub, asker } = setUp();
    const served: string[] = [];
    new Requests(hub.join('E002', 's2'), clock).start(async (from, { kind }) => {
      served.push(`${from} ${kind}`);
      return { ok: true };
    });
    const answer = asker.ask('E002', body, 100, 1);
    await clock.advance(10);
    t.strictSame(await answer, { ok: true });
    t.strictSame(served, ['E001 read']);
  });

  t.test('refusals, failures and silence become PeerErrors that name the unit and the reason', async (t) => {
    const { clock, hub, asker } = setUp();
    const replies = [
      async () => ({ ok: false, refusal: { reason: 'busy', numbers: {} }, message: 'no slot' }) as const,
      async () => {
        throw new PeerError('term.old', 'E001', 'old');
      },
      async () => {
        throw new Error('bug');
      },
      () => new Promise<never>(() => {}),
    ];
    new Requests(hub.join('E002', 's2'), clock).start(() => (replies.shift() ?? replies[0] ?? t.fail)() as never);
    for (const reason of ['busy', 'term.old', 'internal', 'peer.timeout']) {
      const failed = t.rejects(asker.ask('E002', body, 100, 1), { name: 'PeerError', reason, unitId: 'E002' });
      await clock.advance(150);
      await failed;
    }
  });

  t.test(
    'a question to a process that has been followed by another fails soon; what the new one heard, it answers',
    async (t) => {
      const { clock, hub, asker } = setUp();
      const beacon = (bus: Bus): void =>
        bus.publish('election', '', { session: bus.session, beacon: 1, term: 0, role: 'follower' });
      beacon(hub.join('E002', 's2'));
      await clock.advance(10);
      const lost = t.rejects(asker.ask('E002', body, 60_000, 1), { name: 'PeerError', reason: 'peer.restarted' });
      await clock.advance(10);
      const next = hub.join('E002', 's2b');
      new Requests(next, clock).start(async () => ({ ok: true }));
      const heard = asker.ask('E002', body, 60_000, 1);
      beacon(next);
      await clock.advance(20);
      t.strictSame(await heard, { ok: true });
      await clock.advance(1_100);
      await lost;
      t.ok(clock.monotonic() < 2_000);
    },
  );

  t.test('INV-11: nobody answers for another, and late or foreign answers are dropped', async (t) => {
    const { clock, hub, asker } = setUp();
    const liar = hub.join('E003', 's3');
    hub.join('E002', 's2').listen('command', ({ key }) => {
      liar.publish('reply', `E001/${key.split('/')[1]}`, { ok: true });
      liar.publish('reply', 'E004/x', { ok: true });
      liar.publish('reply', 'E001/unknown', { ok: true });
    });
    const failed = t.rejects(asker.ask('E002', body, 100, 1), { name: 'PeerError', reason: 'peer.timeout' });
    await clock.advance(200);
    await failed;
  });

  t.test('INV-6: a command is served once, and not at all when it has expired', async (t) => {
    const { clock, hub } = setUp();
    let served = 0;
    const server = new Requests(hub.join('E002', 's2'), clock);
    server.start(async () => {
      served += 1;
      return { ok: true };
    });
    const sender = hub.join('E003', 's3');
    const say = (id: string): void => sender.publish('command', `E002/${id}`, body);
    for (const id of ['s3-7', 's3-7', 's3-6', 's2-8', '8', 's3-x']) say(id);
    sender.publish('command', 'E004/s3-8', body);
    await clock.advance(10);
    t.equal(served, 1, 'RULE-2: neither twice, nor after a later one, nor without a number of its own session');
    say('s3-8');
    await clock.advance(10);
    const next = hub.join('E003', 's4');
    next.publish('command', 'E002/s4-0', body);
    await clock.advance(10);
    t.equal(served, 3, 'a new session begins anew');
    hub.join('E003', 's3').publish('command', 'E002/s3-9', body);
    await clock.advance(10);
    t.equal(served, 3, 'and ends the former one');
    const slow = new MemoryBusHub(clock, { delay: () => 5_000 });
    new Requests(slow.join('E002', 's2'), clock).start(async () => {
      t.fail('expired');
      return { ok: true };
    });
    slow.join('E001', 's1').publish('command', 'E002/s1-1', body, { expiryMsec: 1_000 });
    await clock.advance(6_000);
    server.stop();
    next.publish('command', 'E002/s4-1', body);
    await clock.advance(10);
    t.equal(served, 3, 'a stopped server serves nothing');
  });
});

const FINISHED = {
  activateDateTime: '2020/05/01-09:00:02',
  stopDateTime: '2020/05/01-09:10:00',
  deactivateDateTime: '2020/05/01-09:10:01',
};

t.test('deal-journal.ts', async (t) => {
  const setUp = (store = new MemoryStore()) => {
    const clock = new VirtualClock();
    const hub = new MemoryBusHub(clock);
    const said: string[] = [];
    hub.tap(
      ({ key, envelope }) => said.push(`${key} r${(envelope.body as Deal).revision}`),
      (_unitId, _channel, key) => said.push(`${key} retired`),
    );
    const changed: string[] = [];
    const finished: Deal[] = [];
    const lines: LogLine[] = [];
    const journal = new DealJournal({
      bus: hub.join('E001', 's1'),
      store,
      log: collectingLog((line) => lines.push(line)),
      saveFinished: async (deal) => {
        finished.push(deal);
      },
      changed: (deal) => changed.push(deal.dealId),
    });
    return { store, journal, said, changed, finished, lines };
  };

  t.test('INV-7: a copy is durable before anybody hears of it', async (t) => {
    const store = new MemoryStore();
    const order: string[] = [];
    const save = store.save.bind(store);
    store.save = async (key, record) => {
      await save(key, record);
      order.push('saved');
    };
    const { journal, said } = setUp(store);
    await journal.put(aDischarge());
    t.strictSame(order, ['saved']);
    t.strictSame(said, ['d1 r1']);
    const again = setUp(store);
    await again.journal.load();
    t.strictSame(again.journal.open(), [aDischarge()], 'the next process finds it');
    t.strictSame(again.said, ['d1 r1']);
  });

  t.test('INV-6: only a younger copy replaces one', async (t) => {
    const { journal } = setUp();
    t.equal(await journal.put(aDischarge({ revision: 3 })), true);
    t.equal(await journal.put(aDischarge({ revision: 3 })), false);
    t.equal(await journal.put(aDischarge({ revision: 2 })), false);
    t.equal(await journal.put(aDischarge({ term: 2, revision: 1 })), true);
    t.equal(journal.get('d1')?.term, 2);
  });

  t.test('a finished deal leaves one log record and stays published until it is retired', async (t) => {
    const { journal, store, said, changed, finished } = setUp();
    await journal.put(aDischarge());
    await journal.put(aDischarge({ ...FINISHED, revision: 2 }));
    t.strictSame(journal.open(), []);
    t.strictSame(finished, [aDischarge({ ...FINISHED, revision: 2 })]);
    t.strictSame(await store.list('deals/'), ['deals/unsettled/d1']);
    t.equal(await journal.put(aDischarge({ revision: 1 })), false, 'a late copy does not revive it');
    const refusal: unknown = await journal.put(aDischarge({ revision: 3 })).catch((error: unknown) => error);
    t.match(refusal, { reason: 'deal.finished' }, 'nor does a younger one');
    t.equal(await journal.put(aDischarge({ ...FINISHED, revision: 4 })), true, 'but another end may replace it');
    t.equal(finished.length, 2);
    await journal.retire('d1');
    await journal.retire('d1');
    t.strictSame(await store.list('deals/'), []);
    t.strictSame(said, ['d1 r1', 'd1 r2', 'd1 r4', 'd1 retired']);
    t.strictSame(changed, ['d1', 'd1', 'd1']);
  });

  t.test('RULE-13: a finished deal that is not settled is published by the next process, too', async (t) => {
    const store = new MemoryStore();
    const remove = store.remove.bind(store);
    store.remove = () => new Promise<void>(() => {}); // the process dies while it cleans up
    void setUp(store).journal.put(aDischarge());
    void setUp(store).journal.put(aDischarge({ ...FINISHED, revision: 2 }));
    await new Promise((resolve) => setImmediate(resolve));
    t.strictSame(await store.list('deals/'), ['deals/active/d1', 'deals/unsettled/d1']);
    store.remove = remove;
    const { journal, said } = setUp(store);
    await journal.load();
    t.strictSame(said, ['d1 r2']);
    t.strictSame(journal.open(), []);
    t.equal(journal.finished().length, 1);
    t.strictSame(await store.list('deals/'), ['deals/unsettled/d1']);
  });

  t.test('a record that is no copy of its deal is told and left out, and the others count', async (t) => {
    const store = new MemoryStore();
    await store.save('deals/active/d1', { torn: true });
    await store.save('deals/active/d2', aDischarge()); // it is that of d1
    await store.save('deals/active/d3', aDischarge({ dealId: 'd3' }));
    const { journal, said, lines } = setUp(store);
    await journal.load();
    t.strictSame(journal.open(), [aDischarge({ dealId: 'd3' })]);
    t.strictSame(said, ['d3 r1'], 'nobody hears of what cannot be believed');
    t.match(lines, [
      { level: 'error', event: 'journal.record-lost', fields: { key: 'deals/active/d1' } },
      { level: 'error', event: 'journal.record-lost', fields: { key: 'deals/active/d2' } },
    ]);
    t.equal(await journal.put(aDischarge()), true, 'the copy of the other party brings it back');
  });

  t.test('market.md §3.9: a deal discarded before activation leaves no file', async (t) => {
    const { journal, finished } = setUp();
    await journal.put(aDischarge());
    await journal.put(aDischarge({ revision: 2, activateDateTime: '--', deactivateDateTime: '--' }));
    t.strictSame(finished, []);
  });

  t.test('a failing disk refuses that copy and no other', async (t) => {
    const { journal, store } = setUp();
    const save = store.save.bind(store);
    store.save = async () => {
      throw new Error('disk full');
    };
    await t.rejects(journal.put(aDischarge()), { message: 'disk full' });
    t.equal(journal.get('d1'), undefined);
    store.save = save;
    t.equal(await journal.put(aDischarge()), true);
  });
});

t.test('settlement.ts', async (t) => {
  /** Two parties on one bus, each with its disk; what a heartbeat does is done every half second. */
  class Parties {
    readonly clock = new VirtualClock();
    reaches = true;
    readonly hub = new MemoryBusHub(this.clock, { delay: () => (this.reaches ? 2 : undefined) });
    readonly stores = new Map(['E001', 'E002'].map((id) => [id, new MemoryStore()]));
    readonly ledgers = new Map<string, Map<string, Deal>>(['E001', 'E002'].map((id) => [id, new Map<string, Deal>()]));
    readonly journals = new Map<string, DealJournal>();
    readonly settlements = new Map<string, Settlement>();
    readonly #buses = new Map<string, Bus>();
    readonly #ends = new Map<string, () => void>();
    #sessions = 0;

    bus(id: string): Bus {
      const bus = this.#buses.get(id);
      if (bus === undefined) throw new Error(`${id} has not begun`);
      return bus;
    }

    async start(id: string): Promise<DealJournal> {
      this.#sessions += 1;
      const bus = this.hub.join(id, `s${this.#sessions}`);
      const { clock } = this;
      const members = new Members({ bus, clock, memberUnitIds: () => IDS });
      const journal = new DealJournal({
        bus,
        store: this.stores.get(id) ?? new MemoryStore(),
        log: silentLog,
        saveFinished: async (deal) => {
          this.ledgers.get(id)?.set(deal.dealId, deal);
        },
        changed: () => {},
      });
      const presence = new Presence(members, clock);
      const settlement = new Settlement({ bus, clock, log: silentLog, journal, members, presence });
      this.journals.set(id, journal);
      this.settlements.set(id, settlement);
      this.#buses.set(id, bus);
      let beacon = 0;
      let alive = true;
      const beat = (): void => {
        if (!alive) return;
        beacon += 1;
        bus.publish('election', '', { session: bus.session, beacon, term: 1, role: 'follower' });
        presence.note();
        settlement.look();
        clock.after(HEARTBEAT_MSEC, beat);
      };
      this.#ends.set(id, () => {
        alive = false;
        settlement.stop();
        members.stop();
        this.hub.leave(id);
      });
      await journal.load();
      members.start();
      settlement.start();
      beat();
      return journal;
    }

    kill(id: string): void {
      this.#ends.get(id)?.();
    }

    record(id: string): Deal | undefined {
      return this.ledgers.get(id)?.get('d1');
    }

    /** Keys on both disks. */
    async left(): Promise<readonly string[]> {
      const lists = await Promise.all([...this.stores.values()].map((store) => store.list('deals/')));
      return lists.flat();
    }
  }

  const twoParties = async (): Promise<Parties> => {
    const parties = new Parties();
    for (const id of ['E001', 'E002']) await (await parties.start(id)).put(aDischarge());
    await parties.clock.advance(1_000);
    return parties;
  };
  const put = (parties: Parties, id: string, deal: Deal): Promise<boolean> | undefined =>
    parties.journals.get(id)?.put(deal);

  t.test('RULE-13: a party that was away when the deal ended takes over how it ended', async (t) => {
    const parties = await twoParties();
    parties.kill('E002');
    await put(parties, 'E001', aDischarge({ ...FINISHED, revision: 5, cumulateAmountWh: 40 }));
    await parties.clock.advance(600_000);
    await parties.start('E002');
    await parties.clock.advance(5_000);
    t.match(parties.record('E002'), { revision: 5, cumulateAmountWh: 40 });
    t.strictSame(parties.record('E002'), parties.record('E001'));
    t.equal(parties.journals.get('E002')?.open().length, 0, 'and its slot is free');
    await parties.clock.advance(70_000);
    t.strictSame(await parties.left(), [], 'settled: nothing is left but the ledgers');
  });

  t.test('RULE-13: of two ends told apart from each other the younger one counts at both', async (t) => {
    const parties = await twoParties();
    parties.reaches = false;
    await put(parties, 'E001', aDischarge({ ...FINISHED, term: 1, revision: 9, abortReason: 'alone' }));
    await put(parties, 'E002', aDischarge({ ...FINISHED, term: 2, revision: 3, abortReason: 'new grid master' }));
    await parties.clock.advance(60_000);
    parties.reaches = true;
    for (const [from, to] of [
      ['E001', 'E002'],
      ['E002', 'E001'],
    ] as const) {
      parties.hub.resend(from, to);
    }
    await parties.clock.advance(2_000);
    for (const id of ['E001', 'E002']) t.equal(parties.record(id)?.abortReason, 'new grid master', id);
  });

  t.test('RULE-14: a deal of which the other party knows nothing frees its slot', async (t) => {
    const parties = new Parties();
    await parties.start('E001');
    const acceptor = await parties.start('E002');
    await acceptor.put(aDischarge());
    await parties.clock.advance(25_000);
    t.equal(acceptor.open().length, 1, 'the requester may still be about to write it down');
    await parties.clock.advance(10_000);
    t.equal(acceptor.open().length, 0);
    t.match(acceptor.get('d1'), { abortReason: /^deal\.half/, activateDateTime: '--' });
    t.equal(parties.record('E002'), undefined, 'nothing flowed: no record');
    await parties.clock.advance(120_000);
    t.strictSame(await parties.left(), []);
  });

  t.test(
    'a silent party is not one without a copy, and a deal that was activated is for the grid master',
    async (t) => {
      const parties = new Parties();
      const acceptor = await parties.start('E002');
      await acceptor.put(aDischarge());
      await parties.clock.advance(600_000);
      t.equal(acceptor.open().length, 1, 'nobody is there who could say that there is no copy');
      await acceptor.put(aDischarge({ revision: 2, activateDateTime: '2020/05/01-09:00:02' }));
      await parties.start('E001');
      await parties.clock.advance(120_000);
      t.equal(acceptor.open().length, 1);
    },
  );

  t.test('a record that the other party says once more, after this one has retired its own, is not kept', async (t) => {
    const parties = await twoParties();
    for (const id of ['E001', 'E002']) await put(parties, id, aDischarge({ ...FINISHED, revision: 5 }));
    await parties.clock.advance(70_000);
    t.same(await parties.left(), []);
    parties.bus('E001').publish('deal', 'd1', aDischarge({ ...FINISHED, revision: 5 }));
    await parties.clock.advance(100_000);
    t.equal(parties.settlements.get('E002')?.copies, 0);
  });

  t.test('RULE-13: a disk that takes the own record late does not make two ends of one deal', async (t) => {
    const parties = new Parties();
    const requester = await parties.start('E001');
    await (await parties.start('E002')).put(aDischarge());
    await parties.clock.advance(60_000);
    await requester.put(aDischarge());
    await parties.clock.advance(1_000);
    t.match(requester.finished(), [{ abortReason: 'deal.half : E001 has no copy of it' }]);
  });

  t.test('INV-11: nobody but the other party ends a deal', async (t) => {
    const parties = await twoParties();
    parties.hub.join('E003', 's9').publish('deal', 'd1', aDischarge({ ...FINISHED, term: 9 }));
    parties.hub
      .join('E004', 's9')
      .publish('deal', 'd2', aDischarge({ ...FINISHED, term: 9, requestUnitId: 'E004', dealId: 'd2' }));
    await parties.clock.advance(2_000);
    t.equal(parties.journals.get('E001')?.open().length, 1);
    t.equal(parties.record('E001'), undefined);
  });

  t.test('a disk that fails delays the settlement and does not end it', async (t) => {
    const parties = await twoParties();
    const store = parties.stores.get('E002') as MemoryStore; // one of the two
    const save = store.save.bind(store);
    store.save = () => Promise.reject(new Error('disk full'));
    await put(parties, 'E001', aDischarge({ ...FINISHED, revision: 5 }));
    await parties.clock.advance(5_000);
    t.equal(parties.journals.get('E002')?.open().length, 1);
    store.save = save;
    await parties.clock.advance(5_000);
    t.equal(parties.journals.get('E002')?.open().length, 0);
  });
});

t.test('community.ts', async (t) => {
  const setUp = () => {
    const clock = new VirtualClock();
    const hub = new MemoryBusHub(clock);
    const bus = hub.join('E003', 's3');
    const members = new Members({ bus, clock, memberUnitIds: () => IDS });
    const presence = new Presence(members, clock);
    const community = new Community(bus, clock, presence, (id) => IDS.includes(id));
    members.start();
    const seen: string[] = [];
    const stop = community.onChange((what) => seen.push(what));
    community.start();
    const [one, two] = [hub.join('E001', 's1'), hub.join('E002', 's2')];
    /** `unitIds` beat for so long, this unit looks. */
    const beat = async (msec: number, ...buses: readonly Bus[]): Promise<void> => {
      for (let at = 0; at < msec; at += HEARTBEAT_MSEC) {
        beacon += 1;
        for (const { session, publish } of buses)
          publish('election', '', { session, beacon, term: 1, role: 'follower' });
        await clock.advance(HEARTBEAT_MSEC);
        presence.note();
        community.look();
      }
    };
    let beacon = 0;
    return { clock, hub, community, seen, stop, one, two, beat };
  };

  t.test('a reading that shows nothing new is told as such, everything else as news of the unit', async (t) => {
    const { clock, community, one, seen } = setUp();
    const base = aUnit('E001');
    const { dcdc } = base;
    const said: readonly (readonly [UnitData, 'unit' | 'reading'])[] = [
      [base, 'unit'],
      [{ ...base, dcdc: { ...dcdc, meter: { ...dcdc.meter, ig: 1.5 } }, time: 'later' }, 'reading'],
      [{ ...base, dcdc: { ...dcdc, status: { ...dcdc.status, status: '0x0000' } } }, 'unit'],
      [base, 'unit'],
      [{ ...base, dcdc: { ...dcdc, status: { ...dcdc.status, alarmState: 'Heavy alarm' } } }, 'unit'],
      [base, 'unit'],
      [{ ...base, dcdc: { ...dcdc, param: { dig: dcdc.param.dig + 1 } } }, 'unit'],
      [base, 'unit'],
      [{ ...base, stale: true }, 'unit'],
      [{ ...base, stale: true, possiblyActive: true }, 'unit'],
      [{ ...base, stale: true, possiblyActive: true }, 'reading'],
    ];
    for (const [data] of said) {
      one.publish('unit', '', data);
      await clock.advance(5);
    }
    t.strictSame(
      seen,
      said.map(([, what]) => what),
    );
    t.strictSame(community.unit('E001')?.data, said.at(-1)?.[0]);
  });

  t.test(
    'a reading is news, too, when it shows something else than what the unit has answered meanwhile',
    async (t) => {
      const { clock, community, one, seen } = setUp();
      const atRest = aUnit('E001');
      const { dcdc } = atRest;
      const active = { ...dcdc, status: { ...dcdc.status, status: '0x0002' } };
      const answers = [{ dcdc: active }, { unit: { ...atRest, dcdc: active } }, {}] as const;
      for (const answer of answers) {
        one.publish('unit', '', atRest);
        await clock.advance(5);
        community.hearAnswer('E001', answer);
      }
      one.publish('unit', '', atRest);
      await clock.advance(5);
      t.strictSame(seen, ['unit', 'unit', 'unit', 'reading']);
      community.hearAnswer('E002', { dcdc: active });
    },
  );

  t.test('the youngest copy of a deal counts, and who holds one is known', async (t) => {
    const { clock, community, one, two, seen, stop } = setUp();
    one.publish('deal', 'd1', aDischarge());
    await clock.advance(5);
    t.strictSame(community.deals(), [{ deal: aDischarge(), holders: ['E001'], endedAt: [] }]);
    two.publish('deal', 'd1', aDischarge({ revision: 2 }));
    one.publish('deal', 'd1', aDischarge({ revision: 1 }));
    await clock.advance(5);
    t.strictSame(community.deals(), [{ deal: aDischarge({ revision: 2 }), holders: ['E001', 'E002'], endedAt: [] }]);
    t.strictSame(seen, ['deal', 'deal']);
    stop();
  });

  t.test('a deal that both parties have finished leaves the picture', async (t) => {
    const { clock, community, one, two } = setUp();
    one.publish('deal', 'd1', aDischarge());
    two.publish('deal', 'd1', aDischarge());
    one.publish('deal', 'd1', aDischarge({ ...FINISHED, revision: 2 }));
    await clock.advance(5);
    t.equal(community.deals().length, 1);
    two.publish('deal', 'd1', aDischarge({ ...FINISHED, revision: 2 }));
    await clock.advance(5);
    t.strictSame(community.deals(), []);
  });

  t.test(
    'RULE-13: while the copy of one party is missing, it is known that the deal has ended at the other',
    async (t) => {
      const { clock, community, one, two } = setUp();
      one.publish('deal', 'd1', aDischarge({ ...FINISHED, revision: 2 }));
      await clock.advance(5);
      two.publish('deal', 'd1', aDischarge({ term: 2 }));
      await clock.advance(5);
      t.strictSame(community.deals(), [
        { deal: aDischarge({ term: 2 }), holders: ['E001', 'E002'], endedAt: ['E001'] },
      ]);
    },
  );

  t.test('a record that is said once more after both parties have finished leaves the picture again', async (t) => {
    const { community, one, two, beat } = setUp();
    const finished = aDischarge({ ...FINISHED, revision: 2 });
    for (const bus of [one, two]) bus.publish('deal', 'd1', finished);
    await beat(1_000, one, two);
    one.publish('deal', 'd1', finished);
    await beat(80_000, one, two);
    t.match(community.deals(), [{ holders: ['E001'], endedAt: ['E001'] }]);
    await beat(20_000, one, two);
    t.same(community.deals(), []);
  });

  t.test('half a deal that has ended leaves the picture, whoever of the two had it', async (t) => {
    for (const which of ['one', 'two'] as const) {
      const { community, beat, ...buses } = setUp();
      buses[which].publish('deal', 'd1', aDischarge({ ...FINISHED, revision: 2 }));
      await beat(100_000, buses.one, buses.two);
      t.same(community.deals(), [], which);
    }
  });

  t.test('RULE-13: it stays as long as the other party is away, and a while after its return', async (t) => {
    const { community, one, two, beat } = setUp();
    one.publish('deal', 'd1', aDischarge({ ...FINISHED, revision: 2 }));
    await beat(600_000, one);
    t.equal(community.deals().length, 1);
    await beat(60_000, one, two);
    two.publish('deal', 'd1', aDischarge());
    await beat(100_000, one, two);
    t.match(community.deals(), [{ holders: ['E001', 'E002'], endedAt: ['E001'] }]);
  });

  t.test('INV-11: strangers, and members that are no party, are not believed', async (t) => {
    const { clock, hub, community } = setUp();
    hub.join('X999', 'x').publish('unit', '', {} as UnitData);
    hub.join('X998', 'x').publish('deal', 'd1', aDischarge());
    hub.join('E004', 's4').publish('deal', 'd1', aDischarge());
    await clock.advance(5);
    t.equal(community.unit('X999'), undefined);
    t.strictSame(community.deals(), []);
  });

  t.test('unit data carry the time at which they were heard', async (t) => {
    const { clock, community, one, seen } = setUp();
    await clock.advance(100);
    one.publish('unit', '', { time: 'now' } as UnitData);
    await clock.advance(5);
    t.strictSame(community.unit('E001'), { data: { time: 'now' }, at: 101 });
    t.strictSame(seen, ['unit']);
    community.stop();
    one.publish('unit', '', { time: 'later' } as UnitData);
    await clock.advance(5);
    t.equal(community.unit('E001')?.data.time, 'now');
  });
});

t.test('modes.ts', async (t) => {
  const setUp = async (store = new MemoryStore(), initial: OperationMode = 'stop') => {
    const changes: string[] = [];
    let ids = 0;
    const modes = new Modes({
      unitId: 'E001',
      store,
      log: silentLog,
      now: () => 1_000,
      newId: () => {
        ids += 1;
        return `l${ids}`;
      },
      initial: () => initial,
      changed: () => changes.push(modes.effective()),
    });
    await modes.load();
    return { modes, changes, store };
  };

  t.test('a cluster to which nobody has spoken has the mode of its policy', async (t) => {
    const { modes } = await setUp(new MemoryStore(), 'heteronomous');
    t.equal(modes.effective(), 'heteronomous');
  });

  t.test('the highest (term, revision) wins and survives the process', async (t) => {
    const { modes, store, changes } = await setUp();
    await modes.adopt({ value: 'autonomous', term: 2, revision: 1 });
    await modes.adopt({ value: 'manual', term: 1, revision: 9 });
    await modes.adopt({ value: 'stop', term: 2, revision: 1 });
    t.equal(modes.effective(), 'autonomous');
    t.strictSame(changes, ['autonomous']);
    t.strictSame((await setUp(store)).modes.global(), { value: 'autonomous', term: 2, revision: 1 });
    t.strictSame(modes.nextStamp('stop', 2), { value: 'stop', term: 2, revision: 2, loweredAt: 1_000 });
    t.strictSame(modes.nextStamp('stop', 3), { value: 'stop', term: 3, revision: 1, loweredAt: 1_000 });
  });

  t.test('a lowering acts before its stamp is back; a raise does not', async (t) => {
    const { modes } = await setUp();
    await modes.adopt({ value: 'autonomous', term: 1, revision: 1 });
    t.equal(modes.lowerAtOnce('stop'), true);
    t.equal(modes.effective(), 'stop');
    t.equal(modes.lowerAtOnce('autonomous'), false);
    t.equal(modes.effective(), 'stop');
    await modes.adopt({ value: 'heteronomous', term: 1, revision: 2 });
    t.equal(modes.effective(), 'stop', 'a stamp that does not list it takes it not away');
    await modes.adopt(modes.nextStamp('stop', 1));
    t.strictSame(modes.lowerings(), []);
    await modes.adopt(modes.nextStamp('heteronomous', 1));
    t.equal(modes.effective(), 'heteronomous');
  });

  t.test('INV-11: a member that says ever new lowerings fills no memory and hides no stop (RULE-12)', async (t) => {
    const { modes } = await setUp();
    await modes.adopt({ value: 'autonomous', term: 1, revision: 1 });
    const flood = (round: number) =>
      Array.from({ length: 60 }, (_, index) => ({ id: `x${round}-${index}`, value: 'heteronomous', at: 500 }));
    for (const round of [1, 2, 3]) modes.hear(flood(round));
    t.equal(modes.lowerings().length, 50);
    modes.hear([{ id: 'stop', value: 'stop', at: 500 }]);
    t.equal(modes.effective(), 'stop');
    await modes.adopt(modes.nextStamp('stop', 1));
    t.strictSame(modes.lowerings(), []);
    modes.hear(flood(3).slice(-1));
    t.equal(modes.lowerings().length, 1, 'there is room again');
  });

  t.test('the local mode lowers this unit alone and is durable', async (t) => {
    const { modes, store } = await setUp();
    await modes.adopt({ value: 'autonomous', term: 1, revision: 1 });
    await modes.setLocal('heteronomous');
    t.equal(modes.effective(), 'heteronomous');
    t.equal((await setUp(store)).modes.local(), 'heteronomous');
    await modes.setLocal(undefined);
    t.equal(modes.effective(), 'autonomous');
    t.equal((await setUp(store)).modes.local(), undefined);
  });
});

const currentOf = (policy: Policy): string => `${policy.mediator.deal.gridCurrentA} A`;
/** The policy of the unit's file; others are told from it by their current. */
const FILE = demoPolicy(IDS, { gridCurrentA: 2, amountWh: 100 });
const policyEntry = (version: number, term: number, gridCurrentA: number): PolicyEntry => {
  const policy = demoPolicy(IDS, { gridCurrentA, amountWh: 100 });
  return { version, term, hash: currentOf(policy), policy };
};

async function policyBook({ unitId = 'E001', store = new MemoryStore(), changed = (): void => {} } = {}) {
  const lines: LogLine[] = [];
  const book = new PolicyBook({
    unitId,
    store,
    log: collectingLog((line) => lines.push(line)),
    fromFile: () => FILE,
    hashOf: currentOf,
    parse: (value) => parseConfig('policy', JSON.stringify(value), 'policy').value,
    changed,
  });
  await book.load();
  return { book, store, lines };
}

t.test('policy-book.ts', async (t) => {
  t.test('RULE-15: only the next version is staged, and never over that of a later term', async (t) => {
    const { book } = await policyBook();
    await t.rejects(book.stage(policyEntry(2, 1, 1)), {
      reason: 'policy.version',
      message: 'E001 has version 0: 2 is not next',
    });
    await book.stage(policyEntry(1, 3, 1));
    await t.rejects(book.stage(policyEntry(1, 2, 1.5)), {
      reason: 'policy.staged-later',
      message: 'E001 has staged another policy in a later term',
    });
    t.match(book.staged, { term: 3, hash: '1 A' });
    await book.stage(policyEntry(1, 4, 1.5));
    t.match(book.staged, { term: 4, hash: '1.5 A' });
    t.equal(book.hash(), '2 A', 'and nothing is in force yet');
  });

  t.test('RULE-15: an active policy ends the promise of its own version, not that of the next', async (t) => {
    const { book } = await policyBook();
    await book.stage(policyEntry(1, 1, 1));
    await book.activate(policyEntry(1, 1, 1));
    t.equal(book.staged, undefined);
    await book.stage(policyEntry(2, 1, 1.5));
    await book.activate(policyEntry(1, 1, 1));
    t.match(book.staged, { version: 2 }, 'one that is in force already changes nothing');
    await book.activate(policyEntry(3, 1, 0.5));
    t.strictSame([book.version, book.hash(), book.staged], [3, '0.5 A', undefined]);
  });

  t.test('RULE-15: a promise outlives an older policy that comes into force late', async (t) => {
    const store = new MemoryStore();
    await store.save('policy', { staged: policyEntry(2, 1, 1.5) });
    const { book } = await policyBook({ store });
    await book.activate(policyEntry(1, 1, 1));
    t.match([book.version, book.staged], [1, { version: 2, hash: '1.5 A' }]);
  });

  t.test('RULE-15: the members of a running cluster are no matter of its policy', async (t) => {
    const { book } = await policyBook();
    const message = 'memberUnitIds: expected E001, E002, E003, E004, got E001, E002: members change only at a restart';
    t.throws(() => book.check(demoPolicy(['E001', 'E002'])), { reason: 'policy.members-differ', message });
    t.equal(currentOf(book.check({ ...FILE, memberUnitIds: IDS.toReversed() })), '2 A', 'their order does not count');
  });

  t.test('INV-11: a policy that is not what its hash says is not promised', async (t) => {
    const { book } = await policyBook();
    await t.rejects(book.stage({ ...policyEntry(1, 1, 1), hash: '7 A' }), {
      reason: 'policy.garbled',
      message: 'the policy comes to 1 A, expected 7 A',
    });
    t.equal(book.staged, undefined);
  });

  t.test('INV-11: a page that is a policy no more is told and left out, and the file counts', async (t) => {
    const store = new MemoryStore();
    await store.save('policy', { active: { ...policyEntry(1, 1, 1), policy: {} }, staged: policyEntry(1, 1, 1.5) });
    const { book, lines } = await policyBook({ store });
    t.match(lines, [{ event: 'policy.page-lost', fields: { version: 1, message: /memberUnitIds/ } }]);
    t.strictSame([book.version, book.hash()], [0, '2 A']);
    t.match(book.staged, { hash: '1.5 A' });
  });
});

interface PolicyUnit {
  readonly book: PolicyBook;
  readonly change: PolicyChange;
  readonly lines: readonly LogLine[];
  /** Whom it obeys, by the last promise that it gave. */
  gridMaster: string;
  term: number;
  /** It takes itself for the grid master. */
  isLeading: boolean;
}

/** Units of which only the policies are there: who leads, and who knows, is said by the test. */
class PolicyCluster {
  readonly clock = new VirtualClock();
  readonly units = new Map<string, PolicyUnit>();

  /** What a unit that was asked answers, instead of what it should. */
  answerOf: (to: string) => OkReply | 'nothing' | undefined = () => undefined;

  /** All obey E001 in term 1. */
  async start(): Promise<this> {
    for (const unitId of IDS) {
      const { book, lines } = await policyBook({ unitId, changed: () => this.#publish(unitId) });
      const change = new PolicyChange({
        unitId,
        clock: this.clock,
        log: silentLog,
        book,
        election: this.#electionAt(unitId),
        members: { alive: () => IDS, majority: () => 3 },
        requests: { ask: (to, body, _deadline, term) => this.#ask(unitId, to, body, term) },
        community: { deals: () => [] },
        isFree: () => true,
      });
      this.units.set(unitId, { book, change, lines, gridMaster: 'E001', term: 1, isLeading: unitId === 'E001' });
    }
    this.#beat();
    return this;
  }

  unit(unitId: string): PolicyUnit {
    return this.units.get(unitId) as PolicyUnit; // every test starts all of them
  }

  /** The voters promise the next term; the former grid master goes on until it hears of it. */
  elect(gridMaster: string, ...voters: readonly string[]): void {
    for (const unitId of voters) {
      Object.assign(this.unit(unitId), { gridMaster, term: 2, isLeading: unitId === gridMaster });
    }
  }

  /** Every policy that has come into force anywhere, by version. */
  inForce(): ReadonlyMap<number, ReadonlySet<string>> {
    const found = new Map<number, Set<string>>();
    for (const { fields } of [...this.units.values()].flatMap(({ lines }) => lines)) {
      const { version, hash } = fields as { version: number; hash: string }; // what the book logs
      found.set(version, (found.get(version) ?? new Set()).add(hash));
    }
    return found;
  }

  /** What has become of an operator's wish: undefined while it is open, `done`, or the reason why not. */
  propose(unitId: string, gridCurrentA: number): { outcome?: string } {
    const { policy, hash } = policyEntry(1, 0, gridCurrentA);
    const wish: { outcome?: string } = {};
    this.unit(unitId)
      .change.propose(policy, hash)
      .then(
        () => {
          wish.outcome = 'done';
        },
        (error: PeerError) => {
          wish.outcome = error.reason;
        },
      );
    return wish;
  }

  #electionAt(unitId: string): PolicyChangeNeeds['election'] {
    const unit = (): PolicyUnit => this.unit(unitId);
    return {
      get isLeading() {
        return unit().isLeading;
      },
      get term() {
        return unit().term;
      },
      get gridMasterUnitId() {
        return unit().gridMaster;
      },
    };
  }

  /** As the command desk: a unit obeys the grid master and the term that it has promised. Each lies further away. */
  async #ask(from: string, to: string, body: CommandBody, term: number): Promise<OkReply> {
    await sleep(this.clock, 1 + IDS.indexOf(to));
    const { gridMaster, book, ...promised } = this.unit(to);
    if (gridMaster !== from || promised.term !== term) throw new PeerError('term.old', to, `${to} obeys ${gridMaster}`);
    const answer = this.answerOf(to);
    if (answer === 'nothing') throw new PeerError('peer.timeout', to, `${to} did not answer`);
    if (answer !== undefined) return answer;
    if (body.kind === 'policy.stage') await book.stage(body.entry);
    return { ok: true, policies: book.pages() };
  }

  #publish(sender: string): void {
    this.clock.after(1, () => {
      const { active, staged } = this.unit(sender).book.pages();
      const said = { ...active, ...(staged === undefined ? {} : { staged }) };
      for (const [unitId, { change }] of this.units) if (unitId !== sender) change.hear(sender, said);
    });
  }

  #beat(): void {
    for (const { change } of this.units.values()) change.look();
    this.clock.after(HEARTBEAT_MSEC, () => this.#beat());
  }
}

t.test('policy-change.ts', async (t) => {
  t.test('RULE-15: of two policies that are proposed at once to one grid master the first wins', async (t) => {
    const cluster = await new PolicyCluster().start();
    const [first, second] = [cluster.propose('E001', 1), cluster.propose('E001', 1.5)];
    await cluster.clock.advance(5_000);
    t.same([first, second], [{ outcome: 'done' }, { outcome: 'policy.changing' }]);
    t.same(cluster.inForce(), new Map([[1, new Set(['1 A'])]]));
    t.ok([...cluster.units.values()].every(({ book }) => book.hash() === '1 A'));
  });

  t.test(
    'RULE-15: of two policies that are proposed to two grid masters at once never both get a version',
    async (t) => {
      const outcomes = new Set<string>();
      for (let moment = 0; moment <= 12; moment += 1) {
        for (const hearsAfterMsec of [1, 3, 600]) {
          for (const voters of [
            ['E002', 'E003', 'E004'],
            ['E002', 'E004', 'E001'],
          ]) {
            const cluster = await new PolicyCluster().start();
            const former = cluster.propose('E001', 1);
            await cluster.clock.advance(moment);
            cluster.elect('E002', ...voters);
            const later = cluster.propose('E002', 1.5);
            cluster.clock.after(hearsAfterMsec, () => cluster.elect('E002', ...IDS));
            await cluster.clock.advance(20_000);
            const inForce = cluster.inForce();
            const what = `${voters} vote after ${moment} ms, E001 hears of it ${hearsAfterMsec} ms later: ${former.outcome}, ${later.outcome}`;
            t.ok(
              [...inForce.values()].every((hashes) => hashes.size === 1),
              `${what}: one policy for each version`,
            );
            t.equal(
              new Set([...cluster.units.values()].map(({ book }) => book.hash())).size,
              1,
              `${what}: one for all`,
            );
            const came = [...inForce.values()].flatMap((hashes) => [...hashes]);
            if (former.outcome === 'done') t.ok(came.includes('1 A'), `${what}: what was promised has come`);
            if (later.outcome === 'done') t.ok(came.includes('1.5 A'), `${what}: what was promised has come`);
            outcomes.add(String(former.outcome)).add(String(later.outcome));
          }
        }
      }
      const reasons = ['grid-master.elsewhere', 'policy.another-first', 'policy.no-majority', 'policy.version'];
      t.same([...outcomes].sort(), ['done', ...reasons], 'whoever loses is told why');
    },
  );

  t.test(
    'RULE-15: a grid master that was left behind takes over what is in force, and stages nothing beside it',
    async (t) => {
      const cluster = await new PolicyCluster().start();
      await cluster.unit('E003').book.activate(policyEntry(1, 1, 1));
      const late = cluster.propose('E001', 1.5);
      await cluster.clock.advance(5_000);
      t.equal(late.outcome, 'policy.version');
      t.same(cluster.inForce(), new Map([[1, new Set(['1 A'])]]));
      const again = cluster.propose('E001', 1.5);
      await cluster.clock.advance(5_000);
      t.equal(again.outcome, 'done');
      t.ok([...cluster.units.values()].every(({ book }) => book.hash() === '1.5 A' && book.version === 2));
    },
  );

  t.test('RULE-15: the policy that is in force already needs nobody', async (t) => {
    const cluster = await new PolicyCluster().start();
    cluster.answerOf = () => 'nothing';
    const same = cluster.propose('E001', 2);
    await cluster.clock.advance(10);
    t.equal(same.outcome, 'done');
    t.same(cluster.inForce(), new Map());
  });

  t.test('RULE-15: back to the policy in force while another is staged: what may be decided comes first', async (t) => {
    const cluster = await new PolicyCluster().start();
    await cluster.unit('E001').book.stage(policyEntry(1, 1, 1));
    const back = cluster.propose('E001', 2);
    await cluster.clock.advance(5_000);
    t.equal(back.outcome, 'policy.another-first');
    t.same(cluster.inForce(), new Map([[1, new Set(['1 A'])]]));
  });

  t.test('INV-11: whoever does not say what it has staged counts for no majority', async (t) => {
    const cluster = await new PolicyCluster().start();
    cluster.answerOf = (to) => (to === 'E002' ? undefined : { ok: true });
    const wish = cluster.propose('E001', 1);
    await cluster.clock.advance(5_000);
    t.equal(wish.outcome, 'policy.no-majority');
    t.equal(cluster.unit('E001').book.staged, undefined);
  });

  t.test('RULE-15: what one unit has staged and a majority has not is carried on by nobody', async (t) => {
    const cluster = await new PolicyCluster().start();
    cluster.answerOf = (to) => (to === 'E004' ? 'nothing' : undefined);
    await cluster.unit('E004').book.stage(policyEntry(1, 1, 1));
    await cluster.clock.advance(10_100); // between two heartbeats, with which it asks again
    t.same(cluster.inForce(), new Map());
    t.ok(IDS.slice(0, 3).every((unitId) => cluster.unit(unitId).book.staged === undefined));
    const wish = cluster.propose('E001', 1.5);
    await cluster.clock.advance(10_000);
    t.equal(wish.outcome, 'done');
    t.same(cluster.inForce(), new Map([[1, new Set(['1.5 A'])]]), 'and is in nobody’s way');
  });
});
