import t from 'tap';
import { Members } from '../src/cluster/members.ts';
import { Modes } from '../src/cluster/modes.ts';
import { PermitHolder } from '../src/cluster/permit-holder.ts';
import type { Policy } from '../src/config/policy.ts';
import { CURRENT_SIGN } from '../src/domain/converter-mode.ts';
import { isInvolved } from '../src/domain/deal.ts';
import { PeerError } from '../src/domain/errors.ts';
import type { Fault } from '../src/domain/fault.ts';
import {
  type CommandBody,
  type ElectionState,
  type GridState,
  OPERATOR_ANSWER_MSEC,
  type Permit,
  type PublishedPolicy,
} from '../src/domain/messages.ts';
import type { UnitData } from '../src/domain/unit-data.ts';
import type { ChaosHouse } from '../src/emulation/chaos/chaos-house.ts';
import { ChaosStage } from '../src/emulation/chaos/chaos-stage.ts';
import { UnitBook } from '../src/grid-master/unit-book.ts';
import { MemoryBusHub, MemoryStore, silentLog, VirtualClock } from '../src/ports/index.ts';
import { differingKeys } from '../src/unit/policy-watch.ts';
import { ReferenceWatch } from '../src/unit/reference-watch.ts';
import { ControllerRoom } from './support/controller-room.ts';
import { aBeacon } from './support/messages.ts';
import { Mortals, type MortalsOptions } from './support/mortals.ts';

/** The rules of authority (cluster-safety.md), each by its number, on whole units that die, return and are cut off. */

t.setTimeout(120_000); // long in a machine that is busy

/** E001 leads, does not trade, and two deals of the others run; or whatever the options make of it. */
async function ledByAnIdleUnit(): Promise<Mortals> {
  const mortals = new Mortals({ rsoc: [70, 92, 60, 30] });
  void mortals.unit('E001').operate({ kind: 'local-mode', value: 'heteronomous' });
  await mortals.untilRunning(1);
  return mortals;
}

const withGridMaster =
  (more: Partial<Policy['gridMaster']>) =>
  (policy: Policy): Policy => ({ ...policy, gridMaster: { ...policy.gridMaster, ...more } });

/** Modes other than those at the beginning, as they appear while time passes. */
async function changesWithin(mortals: Mortals, msec: number, ids: readonly string[]): Promise<readonly string[]> {
  const before = mortals.modes;
  const changes: string[] = [];
  const stop = mortals.world.onEvent((event) => {
    if (event.event !== 'converter.mode' || !ids.includes(event.houseId) || event.mode === before[event.houseId])
      return;
    changes.push(`${event.houseId} ${event.mode}`);
  });
  await mortals.clock.advance(msec);
  stop();
  return changes;
}

const gridOf = (over: Partial<GridState>): GridState => ({
  gridMasterUnitId: 'E001',
  session: 's1',
  term: 3,
  pass: 1,
  passMsec: 0,
  mode: { value: 'autonomous', term: 1, revision: 1 },
  permitMsec: 5_000,
  granting: true,
  permits: [],
  hasGlobalErrors: false,
  ...over,
});
const permit = (over: Partial<Permit>): Permit => ({
  unitId: 'E002',
  session: 's2',
  beacon: 1,
  modes: ['CHARGE'],
  dealIds: ['d1'],
  ...over,
});

t.test('RULE-1: a permit names term, session, mode, deals, the reference in its session and a hand-over', async (t) => {
  const clock = new VirtualClock();
  const holder = new PermitHolder('E002', 's2', clock);
  holder.sentBeacon(1);
  const handOver = { from: 'E003', to: 'E002' };
  holder.hearGrid(
    gridOf({
      voltageReferenceUnitId: 'E003',
      voltageReferenceSession: 's3',
      handOver,
      permits: [permit({}), permit({ unitId: 'E003', modes: ['VOLTAGE_REFERENCE'] })],
    }),
  );
  t.strictSame(holder.current(), {
    term: 3,
    modes: ['CHARGE'],
    dealIds: ['d1'],
    expiresAt: 5_000,
    voltageReference: { unitId: 'E003', session: 's3' },
    handOver,
    isAlone: true,
  });
  holder.hearGrid(gridOf({ permits: [permit({}), permit({ unitId: 'E004', modes: ['DISCHARGE'] })] }));
  t.match(holder.current(), { isAlone: false }, 'RULE-7: somebody else pushes by the same list');
});

/** Lets a unit's promises take long to become durable; tells whether one is by now. */
function slowVowOf(mortals: Mortals, slowUnitId: string): () => boolean {
  const isVow = (unitId: string, key: string): boolean => unitId === slowUnitId && key === 'vow';
  let isDurable = false;
  mortals.writeMsec = (unitId, key) => (isVow(unitId, key) ? 1_500 : 0);
  mortals.saved = (unitId, key) => {
    isDurable ||= isVow(unitId, key);
  };
  return () => isDurable;
}

t.test('RULE-3: no state is told for a term before that term is durably promised', async (t) => {
  const mortals = await ledByAnIdleUnit();
  const told: string[] = [];
  const isDurable = slowVowOf(mortals, 'E003');
  mortals.hub.tap(({ channel, envelope }) => {
    if (envelope.sender !== 'E003' || envelope.term < 2) return;
    if (channel === 'election' || channel === 'reply') told.push(`${channel} ${isDurable()}`);
  });
  mortals.kill('E001');
  await mortals.clock.advance(7_000);
  t.ok(told.length > 2);
  t.notOk(told.some((one) => one.endsWith('false')));
});

t.test('RULE-3: who is elected by others reads nothing here before its term is durably promised', async (t) => {
  const mortals = new Mortals();
  const replies: boolean[] = [];
  const isDurable = slowVowOf(mortals, 'E003');
  mortals.hub.tap(({ channel, envelope }) => {
    if (channel === 'reply' && envelope.sender === 'E003') replies.push(isDurable());
  });
  t.ok(await mortals.until(() => mortals.gridMaster !== undefined, 5_000));
  t.notOk(isDurable(), 'the others are enough');
  await mortals.clock.advance(10_000);
  t.ok(replies.length > 0);
  t.notOk(replies.includes(false));
});

t.test('RULE-3: only the grid master of the promised term may read', async (t) => {
  const mortals = new Mortals();
  await mortals.until(() => mortals.gridMaster !== undefined, 5_000);
  const replies: unknown[] = [];
  mortals.hub.tap(({ channel, key, envelope }) => {
    if (channel === 'reply' && key === 'E004/x-0') replies.push(envelope.body);
  });
  mortals.kill('E004');
  const impostor = mortals.hub.join('E004', 'x');
  impostor.publish('command', 'E002/x-0', { kind: 'read', what: 'unit' }, { term: 99, expiryMsec: 1_000 });
  await mortals.clock.advance(500);
  t.match(replies, [{ ok: false, refusal: { reason: 'term.old' } }]);
});

t.test('RULE-3: a unit that may be active is not fresh, whatever it shows', async (t) => {
  const clock = new VirtualClock();
  const nobody = { unit: () => undefined, isAlive: () => true, deals: () => [], onChange: () => () => {} };
  const book = new UnitBook(nobody, clock);
  const unit = { time: 'now' } as UnitData;
  book.answered('E002', { ok: true, unit: { ...unit, possiblyActive: true } });
  t.notOk(book.isFresh('E002') || book.hasBeenHeard('E002'));
  book.answered('E002', { ok: true, unit });
  t.ok(book.isFresh('E002') && book.hasBeenHeard('E002'));
  book.forget('E002');
  t.notOk(book.isFresh('E002'));
  t.ok(book.hasBeenHeard('E002'), 'it has promised this term all the same');
});

t.test('RULE-3: a write that gets no answer makes a unit possibly active until readings have settled it', async (t) => {
  const room = await ControllerRoom.started();
  room.device.fate = (_, text) => (text.startsWith('setMode CHARGE') ? 'refused' : 'done');
  t.equal(room.controller.isPossiblyActive, false);
  t.equal((await room.run({ command: 'CHARGE', gridCurrentA: 1 })).ok, false);
  t.equal(room.controller.isPossiblyActive, true);
  await room.clock.advance(room.policy.controller.requestTimeoutMsec + 2_000);
  t.equal(room.controller.isPossiblyActive, false);
});

t.test('RULE-4: deals outlive a grid master that is no party of them', async (t) => {
  for (const seed of [1, 2, 3]) {
    const mortals = await ledByAnIdleUnit();
    t.equal(mortals.gridMaster?.unitId, 'E001');
    const dealIds = mortals.deals.map(({ dealId }) => dealId);
    await mortals.clock.advance(137 * seed);
    mortals.kill('E001');
    t.strictSame(
      await changesWithin(mortals, 15_000, ['E002', 'E003', 'E004']),
      [],
      `seed ${seed}: no converter moves`,
    );
    t.ok(mortals.gridMaster, 'another one leads');
    t.strictSame(
      mortals.deals.map(({ dealId }) => dealId),
      dealIds,
    );
  }
});

t.test(
  'RULE-4: before it is fenced a new grid master lists renewals only, raises nothing and takes nothing away',
  async (t) => {
    const mortals = await ledByAnIdleUnit();
    const words: GridState[] = [];
    const raises: string[] = [];
    mortals.hub.tap(({ channel, envelope, key }) => {
      if (envelope.term < 2) return;
      if (channel === 'grid') words.push(envelope.body as GridState);
      const body = envelope.body as CommandBody;
      if (channel === 'command' && body.kind === 'control') raises.push(`${key.split('/')[0]} ${body.device.command}`);
    });
    mortals.kill('E001');
    await mortals.clock.advance(7_000);
    t.ok(words.length > 4);
    t.ok(words.every(({ granting }) => !granting));
    t.ok(words.at(-1)?.permits.length, 'permits are renewed');
    t.strictSame(raises, []);
    await mortals.clock.advance(8_000);
    t.equal(words.at(-1)?.granting, true, 'the permits of the older term have run out');
  },
);

t.test(
  'RULE-4, RULE-5: who is taken for ended and lives on behind a cut may grant until its lease is over: nothing is raised before that has run out',
  async (t) => {
    const mortals = new Mortals({ rsoc: [30, 92, 60, 50] });
    await mortals.untilRunning(1);
    const former = mortals.gridMaster?.unitId ?? '';
    t.strictSame(mortals.references, [former], 'it holds the voltage by its own leave');
    const { permitMsec } = mortals.policy.gridMaster;
    let grantedAt = 0;
    let raisesAt = Number.POSITIVE_INFINITY;
    mortals.hub.tap(({ channel, envelope }) => {
      if (channel !== 'grid') return;
      const { permits, granting } = envelope.body as GridState;
      const now = mortals.clock.monotonic();
      if (envelope.sender === former && permits.length > 0) grantedAt = now;
      if (envelope.sender !== former && granting) raisesAt = Math.min(raisesAt, now);
    });
    const cutAt = mortals.clock.monotonic();
    mortals.refuse(former);
    t.ok(await mortals.until(() => mortals.units.some((one) => one.isGridMaster && one.unitId !== former), 1_000));
    t.ok(await mortals.until(() => raisesAt < Number.POSITIVE_INFINITY, 20_000), 'the others go on in the end');
    t.ok(grantedAt - cutAt > 1_000, `the former one granted for ${grantedAt - cutAt} ms more`);
    const delayMsec = mortals.policy.controller.scramVoltageReferenceDelayMsec;
    t.ok(raisesAt - grantedAt >= permitMsec + delayMsec, `raised ${raisesAt - grantedAt} ms after its last grant`);
  },
);

t.test(
  'RULE-4, RULE-9: the partner of a grid master that dies goes on beside its converter, for those who never heard it',
  async (t) => {
    const mortals = new Mortals({
      rsoc: [92, 30, 80, 40],
      policy: (base) => ({
        ...withGridMaster({ admission: 'n-1' })(base),
        mediator: { ...base.mediator, deal: { ...base.mediator.deal, gridCurrentA: 1 } },
      }),
    });
    await mortals.untilRunning(2);
    t.equal(mortals.gridMaster?.unitId, 'E001');
    t.strictSame(mortals.references, ['E002'], 'the one that dies holds no voltage');
    t.equal(mortals.mode('E004'), 'CHARGE', 'from the one that dies');
    mortals.kill('E001');
    t.strictSame(await changesWithin(mortals, 20_000, ['E002', 'E004']), [], 'what goes on is balanced');
    t.ok(mortals.gridMaster, 'another one leads');
    t.equal(mortals.mode('E001'), 'DISCHARGE');
    const toWait = { mode: 'WAIT', dvg: 0, dig: 0, drg: 0 } as const;
    void mortals.world.device('E001').setMode(toWait, new AbortController().signal);
    t.ok(
      await mortals.until(() => mortals.mode('E004') === 'WAIT', 5_000),
      'until the reference shows that it is gone',
    );
  },
);

t.test('RULE-4: a cluster that is complete is fenced as soon as everybody has answered', async (t) => {
  const mortals = new Mortals();
  await mortals.until(() => mortals.gridMaster !== undefined, 5_000);
  const at = mortals.clock.monotonic();
  t.ok(await mortals.until(() => mortals.modes.E003 !== 'WAIT' || mortals.modes.E004 !== 'WAIT', 3_000));
  t.ok(mortals.clock.monotonic() - at < 3_000);
});

t.test(
  'RULE-4, RULE-7: when the reference dies, leading or not, the currents of the others end within 2 s',
  async (t) => {
    const seen = new Set<boolean>();
    for (const leads of [true, false]) {
      const mortals = leads ? new Mortals({ rsoc: [30, 92, 60, 50] }) : await ledByAnIdleUnit();
      if (leads) await mortals.untilRunning(1);
      const [reference = ''] = mortals.references;
      seen.add(reference === mortals.gridMaster?.unitId);
      const others = mortals.ids.filter((id) => id !== reference);
      mortals.kill(reference);
      t.ok(
        await mortals.until(() => others.every((id) => mortals.mode(id) === 'WAIT'), 2_000),
        `${reference} leads: ${leads}`,
      );
    }
    t.strictSame(seen, new Set([true, false]));
  },
);

/** E001 charges by a permit that names E002 in session s2, and says when it stops itself. */
function aReferenceWatch() {
  const clock = new VirtualClock();
  const hub = new MemoryBusHub(clock);
  const members = new Members({ bus: hub.join('E001', 's1'), clock, memberUnitIds: () => ['E001', 'E002', 'E003'] });
  const stoppedAt: number[] = [];
  const watch = new ReferenceWatch({
    unitId: 'E001',
    clock,
    members,
    converterMode: () => 'CHARGE',
    permit: () => ({ voltageReference: { unitId: 'E002', session: 's2' } }),
    stopNow: () => stoppedAt.push(clock.monotonic()),
  });
  members.start();
  members.onBeacon((member) => watch.hear(member));
  const says = (unitId: string, session: string) => {
    const bus = hub.join(unitId, session);
    return (beacon: number): void => bus.publish('election', '', { ...aBeacon({ beacon }), session });
  };
  return { clock, members, watch, stoppedAt, says };
}

t.test(
  'RULE-7: a reference is missed as soon as it has been silent for a second, whenever the next heartbeat comes: `apis safe-stop` takes its voltage away after 1.5 s',
  async (t) => {
    const { clock, members, watch, stoppedAt, says } = aReferenceWatch();
    const beat = { E002: says('E002', 's2'), E003: says('E003', 's3') };
    for (let beacon = 1; beacon <= 4; beacon += 1) {
      beat.E002(beacon);
      await clock.advance(500);
    }
    beat.E003(1);
    const heardAt = 1_501;
    await clock.advance(499);
    t.same(stoppedAt, [], 'it was heard a moment ago');
    await clock.advance(100);
    t.equal(stoppedAt.length, 1);
    t.ok((stoppedAt[0] ?? 0) - heardAt <= 1_001);

    beat.E002(5);
    await clock.advance(10);
    watch.stop();
    await clock.advance(2_000);
    t.equal(stoppedAt.length, 1, 'a unit that has ended looks no more');
    members.stop();
  },
);

t.test('RULE-7: a reference whose process is known to have ended is missed at once', async (t) => {
  const clock = new VirtualClock();
  const hub = new MemoryBusHub(clock);
  const members = new Members({ bus: hub.join('E001', 's1'), clock, memberUnitIds: () => ['E001', 'E002', 'E003'] });
  const stopped: string[] = [];
  const watch = new ReferenceWatch({
    unitId: 'E001',
    clock,
    members,
    converterMode: () => 'CHARGE',
    permit: () => ({ voltageReference: { unitId: 'E002', session: 's2' } }),
    stopNow: (reason) => stopped.push(reason),
  });
  members.start();
  members.onVanished(() => watch.check());
  for (const id of ['E002', 'E003'])
    hub.join(id, `s${id.at(-1)}`).publish('election', '', aBeacon({ session: `s${id.at(-1)}` }));
  await clock.advance(5);
  hub.tellEnd('E001', 'E003', 's3');
  t.strictSame(stopped, [], 'another unit');
  hub.tellEnd('E001', 'E002', 's2');
  watch.check();
  t.strictSame(stopped, ['voltage reference E002 is silent'], 'told once');
  watch.stop();
  members.stop();
});

t.test(
  'RULE-7: a unit leaves by itself a reference that is heard in another session than its permit names',
  async (t) => {
    const { clock, members, watch, stoppedAt, says } = aReferenceWatch();
    says('E002', 's2')(1);
    await clock.advance(100);
    t.same(stoppedAt, []);
    says('E002', 's9')(1);
    await clock.advance(100);
    t.equal(stoppedAt.length, 1, 'though it has not been silent at all');
    watch.stop();
    members.stop();
  },
);

t.test(
  'RULE-7: a reference that was away for less than its partners wait, and is another session, is not relied on',
  async (t) => {
    const mortals = await ledByAnIdleUnit();
    const [reference = ''] = mortals.references;
    const others = mortals.ids.filter((id) => id !== reference);
    mortals.restart(reference);
    t.ok(await mortals.until(() => others.every((id) => mortals.mode(id) === 'WAIT'), 1_500));
  },
);

t.test('RULE-7: when permits run out the currents end first and the voltage after its delay', async (t) => {
  const mortals = await ledByAnIdleUnit();
  const ends: [string, number][] = [];
  mortals.world.onEvent((event) => {
    if (event.event === 'converter.mode' && event.mode === 'WAIT')
      ends.push([event.houseId, mortals.clock.monotonic()]);
  });
  const [reference = ''] = mortals.references;
  mortals.reaches = () => false;
  const cutAt = mortals.clock.monotonic();
  t.ok(await mortals.until(() => mortals.ids.every((id) => mortals.mode(id) === 'WAIT'), 8_000));
  t.ok(mortals.clock.monotonic() - cutAt > 4_000 + 2_000, 'not before its permit and its delay are over');
  t.equal(ends.at(-1)?.[0], reference);
  const [lastCurrentAt = 0, voltageAt = 0] = [ends.at(-2)?.[1], ends.at(-1)?.[1]];
  t.ok(voltageAt - lastCurrentAt > 1_000, `${voltageAt - lastCurrentAt} ms after the others`);
});

t.test('RULE-17: a restarted unit puts its converter to WAIT before it is heard of', async (t) => {
  const mortals = new Mortals();
  await mortals.untilRunning();
  const victim = mortals.ids.find((id) => mortals.mode(id) === 'CHARGE' || mortals.mode(id) === 'DISCHARGE') as string;
  const modesWhenHeard: string[] = [];
  t.equal(mortals.gridMaster?.unitId, victim);
  mortals.kill(victim);
  await mortals.clock.advance(300);
  t.not(mortals.mode(victim), 'WAIT', 'the converter goes on by itself');
  mortals.hub.tap(({ channel, envelope }) => {
    if (envelope.sender === victim && (channel === 'birth' || channel === 'election'))
      modesWhenHeard.push(mortals.mode(victim));
  });
  mortals.start(victim);
  await mortals.clock.advance(1_700); // sooner than a new grid master is elected, under whom it may trade again
  t.ok(modesWhenHeard.length > 3);
  t.strictSame(new Set(modesWhenHeard), new Set(['WAIT']));
});

t.test('RULE-17: a unit whose device is silent joins all the same', async (t) => {
  const mortals = new Mortals();
  await mortals.until(() => mortals.gridMaster !== undefined, 5_000);
  mortals.kill('E004');
  mortals.world.inject({ kind: 'noReply', houseId: 'E004' });
  mortals.start('E004');
  const since = mortals.clock.monotonic();
  let joinedAt = Number.POSITIVE_INFINITY;
  mortals.hub.tap(({ channel, envelope }) => {
    if (envelope.sender === 'E004' && channel === 'election') joinedAt = Math.min(joinedAt, mortals.clock.monotonic());
  });
  await mortals.clock.advance(6_000);
  t.ok(joinedAt - since <= mortals.policy.gridMaster.permitMsec + 100);
});

t.test('RULE-5: a grid master that loses its majority orders those it reaches to stop, at once', async (t) => {
  for (const quorum of ['majority', 'any'] as const) {
    const mortals = new Mortals({ policy: withGridMaster({ quorum }) });
    await mortals.untilRunning();
    const leader = mortals.gridMaster?.unitId ?? '';
    const [own] = mortals.deals.filter((deal) => isInvolved(deal, leader));
    const partners = [own?.chargeUnitId ?? '', own?.dischargeUnitId ?? ''];
    const grants: string[] = [];
    const cutAt = mortals.clock.monotonic();
    mortals.hub.tap(({ channel, envelope }) => {
      const isLate = mortals.clock.monotonic() - cutAt > mortals.policy.gridMaster.leaseMsec + 100;
      if (channel !== 'grid' || envelope.sender !== leader || !isLate) return;
      grants.push(...(envelope.body as GridState).permits.map(({ unitId }) => unitId));
    });
    mortals.cut(...partners);
    t.ok(
      await mortals.until(() => partners.every((id) => mortals.mode(id) === 'WAIT'), 3_900),
      'before permits run out',
    );
    await mortals.clock.advance(6_000);
    t.strictSame(grants, [], 'nothing is granted without a majority');
    t.equal(mortals.unit(leader).isGridMaster, quorum === 'any', `${quorum}: it may stay to stop, not to raise`);
    t.ok(partners.every((id) => mortals.mode(id) === 'WAIT'));
    mortals.heal();
    t.ok(await mortals.until(() => mortals.deals.some((deal) => deal.startDateTime !== undefined), 60_000), 'INV-10');
  }
});

t.test('RULE-7, RULE-9: a unit that stood still for a while leaves nobody who is there', async (t) => {
  const frozenMsecs = [600, 900, 1_500];
  for (const [run, frozenMsec] of [...frozenMsecs, ...frozenMsecs, ...frozenMsecs].entries()) {
    const stage = new ChaosStage({ seed: 1, units: 4, violated: () => {} });
    for (const [index, house] of stage.houses.entries()) stage.clock.after(1 + 137 * index, () => house.start());
    const hasCurrent = ({ unitId }: ChaosHouse): boolean => CURRENT_SIGN[stage.world.house(unitId).mode] !== 0;
    await stage.clock.runUntil(() => stage.houses.some(hasCurrent), 180_000);
    await stage.clock.advance(4_000 + 57 * run);
    const [house] = stage.houses.filter(hasCurrent);
    house?.life.freeze();
    await stage.clock.advance(frozenMsec);
    house?.life.thaw();
    await stage.clock.advance(3_000);
    const lines = stage.log.lines(stage.clock.monotonic());
    t.strictSame(
      lines.filter((line) => line.includes('stopped-itself')),
      [],
      `${house?.unitId} stood still for ${frozenMsec} ms, run ${run}`,
    );
    stage.close();
  }
});

t.test('RULE-5: a majority that loses a minority goes on', async (t) => {
  const mortals = await ledByAnIdleUnit();
  const idle = mortals.ids.find((id) => mortals.mode(id) === 'WAIT' && id !== 'E001') as string;
  const busy = mortals.ids.filter((id) => mortals.mode(id) !== 'WAIT');
  mortals.cut(idle);
  t.strictSame(await changesWithin(mortals, 15_000, busy), []);
});

/** The modes of one unit, at a time that the test sets. */
async function aUnitsModes(store = new MemoryStore()) {
  const at = { value: 1_000 };
  let ids = 0;
  const modes = new Modes({
    unitId: 'E001',
    store,
    log: silentLog,
    now: () => at.value,
    newId: () => `${at.value}/${++ids}`,
    initial: () => 'autonomous',
    changed: () => {},
  });
  await modes.load();
  return { modes, at, store };
}

t.test('RULE-12: a lowering is durable', async (t) => {
  const { modes, store } = await aUnitsModes();
  modes.lowerAtOnce('stop');
  await new Promise(setImmediate);
  t.equal((await aUnitsModes(store)).modes.effective(), 'stop');
});

t.test('RULE-12: only what an operator has raised after a lowering overrides it', async (t) => {
  const { modes, at } = await aUnitsModes();
  modes.hear([{ id: 'a', value: 'heteronomous', at: 900 }]);
  t.equal(modes.effective(), 'heteronomous');
  await modes.adopt({ value: 'autonomous', term: 7, revision: 1 });
  t.equal(modes.effective(), 'heteronomous', 'a new term alone overrides nothing');
  at.value = 2_000;
  await modes.adopt(modes.nextStamp('autonomous', 7));
  t.equal(modes.effective(), 'autonomous');
  modes.hear([{ id: 'a', value: 'heteronomous', at: 9_999 }]);
  modes.hear([{ id: 'b', value: 'stop', at: 1_999 }]);
  t.equal(modes.effective(), 'autonomous', 'listed, or said before the raise');
  modes.hear([{ id: 'c', value: 'stop', at: 2_001 }]);
  t.equal(modes.effective(), 'stop');
  await modes.adopt(modes.nextStamp('stop', 7));
  t.strictSame([modes.effective(), modes.lowerings()], ['stop', []]);
  t.match(modes.global().settled, ['a', 'c']);
});

t.test('RULE-12: a raise that was on its way while somebody lowered the mode is refused', async (t) => {
  const { modes, at } = await aUnitsModes();
  at.value = 5_000;
  modes.lowerAtOnce('stop');
  at.value = 8_000;
  t.throws(() => modes.nextStamp('autonomous', 1, 4_000), /lowered after autonomous was asked for/);
  t.match(modes.nextStamp('autonomous', 1, 2_000), { value: 'autonomous', raisedAt: 6_000 });
});

t.test(
  'RULE-12: a lowering that is tried again does not undo a raise that an operator has said after it',
  async (t) => {
    const { modes, at } = await aUnitsModes();
    at.value = 5_000;
    await modes.adopt(modes.nextStamp('stop', 1));
    at.value = 8_000;
    await modes.adopt(modes.nextStamp('autonomous', 1, 1_000));
    t.throws(() => modes.nextStamp('stop', 1, 3_000), /raised after stop was asked for/);
    t.match(modes.nextStamp('stop', 1, 500), { value: 'stop' }, 'one that was said later counts');
  },
);

t.test('RULE-12: full disks delay no lowering, are told, not pressed, and written when they can be', async (t) => {
  const mortals = new Mortals();
  await mortals.untilRunning(1);
  let isFull = true;
  let tries = 0;
  mortals.isDiskFull = (unitId, key) => {
    if (isFull && unitId === 'E001' && key === 'mode') tries += 1;
    return isFull;
  };
  const stamps = new Set<string>();
  const told: string[] = [];
  mortals.hub.tap(({ channel, envelope }) => {
    if (channel === 'grid') stamps.add(String((envelope.body as GridState).mode.revision));
    if (channel === 'fault' && (envelope.body as Fault).reason === 'store.failed') told.push(envelope.sender);
  });
  mortals
    .unit('E003')
    .operate({ kind: 'mode', value: 'stop' })
    .catch(() => {}); // it is not durable anywhere
  t.ok(await mortals.until(() => Object.values(mortals.modes).every((mode) => mode === 'WAIT'), 5_000));
  await mortals.clock.advance(60_000);
  t.ok(stamps.size < 12, `${stamps.size} stamps within a minute`);
  t.ok(tries < 40, `${tries} tries`);
  t.ok(told.length <= 7 * mortals.ids.length, `each unit says it once in 10 s: ${told.length}`);
  t.same([...new Set(told)].sort(), [...mortals.ids]);
  isFull = false;
  await mortals.clock.advance(61_000);
  for (const id of mortals.ids) t.match(await mortals.stores.get(id)?.load('mode'), { global: { value: 'stop' } }, id);
});

t.test('INV-11: a lowering that a stranger says lowers nothing', async (t) => {
  const mortals = new Mortals();
  await mortals.untilRunning(1);
  const modes = () => new Set(mortals.units.map((unit) => unit.mode().effective));
  const say = (unitId: string): void => {
    const lowerings = [{ id: `of ${unitId}`, value: 'stop' as const, at: mortals.clock.now() }];
    mortals.hub.join(unitId, 'x').publish('mode', '', { ...mortals.unit('E001').mode(), lowerings });
  };
  say('E099');
  await mortals.clock.advance(2_000);
  t.same([...modes()], ['autonomous']);
  mortals.kill('E004');
  say('E004');
  await mortals.clock.advance(2_000);
  t.same([...modes()], ['stop'], 'in the name of a member it does');
});

t.test('INV-11: what is no lowering lowers nothing', async (t) => {
  const { modes } = await aUnitsModes();
  modes.hear([
    undefined,
    {},
    { id: 1, value: 'stop', at: 1 },
    { id: 'x', value: 'off', at: 1 },
    { id: 'x', value: 'stop' },
  ]);
  t.strictSame([modes.effective(), modes.lowerings()], ['autonomous', []]);
});

t.test(
  'RULE-12: a lowering said where no grid master is reached acts there, survives a restart, and reaches all',
  async (t) => {
    const mortals = await ledByAnIdleUnit();
    const busy = mortals.ids.find((id) => mortals.mode(id) === 'CHARGE' || mortals.mode(id) === 'DISCHARGE') ?? '';
    mortals.cut(busy);
    void mortals
      .unit(busy)
      .operate({ kind: 'mode', value: 'stop' })
      .catch(() => {});
    t.ok(await mortals.until(() => mortals.mode(busy) === 'WAIT', 1_000), 'at once');
    await mortals.clock.advance(12_000);
    mortals.restart(busy);
    await mortals.clock.advance(1_000);
    t.equal(mortals.unit(busy).mode().effective, 'stop');
    mortals.kill('E001'); // the next grid master has never heard of it
    await mortals.clock.advance(3_000);
    mortals.heal();
    const isStopped = (): boolean => mortals.units.every((unit) => unit.mode().global.value === 'stop');
    t.ok(await mortals.until(isStopped, 20_000), 'stamped by the grid master');
    t.ok(
      mortals.units.every((unit) => unit.mode().lowerings === undefined),
      'and listed',
    );
    void mortals.unit(busy).operate({ kind: 'mode', value: 'autonomous' });
    t.ok(await mortals.until(() => mortals.units.every((unit) => unit.mode().effective === 'autonomous'), 5_000));
  },
);

t.test('RULE-2: a command that waits for the device when the term changes writes nothing', async (t) => {
  const room = await ControllerRoom.started();
  let term = 1;
  const fence = (): void => {
    if (term !== 1) throw new PeerError('term.old', 'E001', 'another term');
  };
  const before = room.controller.read('unit'); // the device is busy
  const command = room.run({ command: 'CHARGE', gridCurrentA: 2 }, fence);
  term = 2;
  t.match(await command, { ok: false, error: { reason: 'term.old' } });
  await before;
  t.strictSame(room.device.writes, []);
});

t.test('RULE-2: the term is looked at before each driver write, not only before the first', async (t) => {
  const room = await ControllerRoom.started();
  const fence = (): void => {
    if (room.device.writes.length > 0) throw new PeerError('term.old', 'E001', 'it changed during the first write');
  };
  t.match(await room.run({ command: 'CHARGE', gridCurrentA: 2 }, fence), { ok: false, error: { reason: 'term.old' } });
  t.equal(room.device.writes.length, 1);
});

t.test('RULE-2: nobody holds a voltage on a bus that is up, outside a hand-over', async (t) => {
  const room = await ControllerRoom.started();
  const { operationGridVoltageVRange, gridVoltageSeparationV } = room.policy;
  room.device.busV = operationGridVoltageVRange.min + 2 * gridVoltageSeparationV + 1;
  t.match(await room.run({ command: 'VOLTAGE_REFERENCE' }), { ok: false, error: { reason: 'device.bus-live' } });
  t.strictSame(room.device.writes, []);
});

t.test('RULE-2, RULE-16: a former process of the grid master is not obeyed, though its term is', async (t) => {
  const mortals = new Mortals();
  await mortals.until(() => mortals.gridMaster !== undefined, 5_000);
  const leader = mortals.gridMaster?.unitId ?? '';
  await mortals.clock.advance(1_000);
  mortals.kill(leader);
  const replies: unknown[] = [];
  mortals.hub.tap(({ channel, key, envelope }) => {
    if (channel === 'reply' && key.startsWith(`${leader}/`)) replies.push(envelope.body);
  });
  const device = { command: 'CHARGE', gridCurrentA: 1 } as const;
  const other = mortals.ids.find((id) => id !== leader) ?? '';
  mortals.hub
    .join(leader, 'former')
    .publish('command', `${other}/former-0`, { kind: 'control', device, deals: [] }, { term: 1 });
  await mortals.clock.advance(100);
  t.match(replies, [{ ok: false, refusal: { reason: 'term.old' } }]);
});

t.test('RULE-16: a unit that finds its vow only in the backup does not found the cluster', async (t) => {
  for (const isOutdated of [false, true]) {
    const mortals = new Mortals();
    await mortals.until(() => mortals.gridMaster !== undefined, 5_000);
    for (const id of mortals.ids) mortals.kill(id);
    mortals.isOutdated = (unitId, key) => isOutdated && unitId === 'E001' && key === 'vow';
    for (const id of mortals.ids) mortals.start(id);
    await mortals.until(() => mortals.gridMaster !== undefined, 15_000);
    t[isOutdated ? 'not' : 'equal'](mortals.gridMaster?.unitId, 'E001');
  }
});

t.test('RULE-11: a slow disk does not delay WAIT', async (t) => {
  const mortals = await ledByAnIdleUnit();
  mortals.writeMsec = () => 60_000;
  void mortals
    .unit('E003')
    .operate({ kind: 'emergency-stop', reason: 'smoke' })
    .catch(() => {});
  t.ok(await mortals.until(() => mortals.ids.every((id) => mortals.mode(id) === 'WAIT'), 1_000));
});

t.test('an operator hears what became of a word before the client gives up, also without a grid master', async (t) => {
  const mortals = await ledByAnIdleUnit();
  for (const id of ['E001', 'E002', 'E003']) mortals.kill(id);
  await mortals.clock.advance(10_000);
  t.equal(mortals.gridMaster, undefined);
  const began = mortals.clock.monotonic();
  let toldAfter = 0;
  const told = t
    .rejects(mortals.unit('E004').operate({ kind: 'mode', value: 'heteronomous' }), {
      name: 'PeerError',
      reason: 'grid-master.absent',
    })
    .then(() => {
      toldAfter = mortals.clock.monotonic() - began;
    });
  await mortals.clock.advance(OPERATOR_ANSWER_MSEC - 2_000);
  t.ok(toldAfter > 0, 'with time left for the way back');
  await told;
});

t.test(
  'RULE-12: an emergency stop has succeeded when all who can be reached have stopped, stamped or not',
  async (t) => {
    const mortals = await ledByAnIdleUnit();
    for (const id of ['E001', 'E002']) mortals.kill(id);
    let isDone = false;
    void mortals
      .unit('E004')
      .operate({ kind: 'emergency-stop', reason: 'smoke' })
      .then(() => {
        isDone = true;
      });
    await mortals.clock.advance(2_500);
    t.ok(isDone, 'those who do not answer have their time, and the grid master is not waited for');
    t.same(
      ['E003', 'E004'].map((id) => mortals.unit(id).mode().effective),
      ['stop', 'stop'],
    );
  },
);

t.test('RULE-11: a stop overtakes the command that runs and those that wait', async (t) => {
  const room = await ControllerRoom.started();
  const running = room.run({ command: 'CHARGE', gridCurrentA: 2 });
  const waiting = room.controller.execute({ command: 'current', gridCurrentA: 1 }, () => {});
  const refused = t.rejects(waiting, /superseded by a stop/);
  await room.settle(room.controller.stopLocal('test'));
  t.match(await running, { ok: false, error: { reason: 'device.superseded' } });
  await refused;
  t.equal(room.device.mode, 'WAIT');
  t.equal(room.device.writes.at(-1)?.startsWith('setMode WAIT'), true);
});

/** E001 leads and does not trade; E002 sells to E003 and E004, 1 A each, and one of those holds the voltage. */
async function twoDealsOfOne(): Promise<Mortals> {
  const mortals = new Mortals({
    rsoc: [70, 92, 30, 30],
    policy: (policy) => ({
      ...policy,
      mediator: { ...policy.mediator, deal: { ...policy.mediator.deal, gridCurrentA: 1 } },
    }),
  });
  void mortals.unit('E001').operate({ kind: 'local-mode', value: 'heteronomous' });
  await mortals.untilRunning(2);
  return mortals;
}

/** What INV-1 forbids, at every event of the world. */
function watchReferences(mortals: Mortals): readonly string[] {
  const violations: string[] = [];
  mortals.world.onEvent(() => {
    const references = mortals.references.map((id) => mortals.world.house(id));
    const isHandOver = references.length === 2 && references.every(({ drg }) => drg > 0);
    if (references.length > 1 && !isHandOver)
      violations.push(references.map(({ houseId, drg }) => `${houseId} ${drg}`).join());
  });
  return violations;
}

t.test('RULE-8: a hand-over that loses its grid master at any point ends with one stiff reference', async (t) => {
  const seen = new Set<number>();
  for (const delayMsec of [60, 200, 240, 330, 400, 450, 600]) {
    const mortals = await twoDealsOfOne();
    const violations = watchReferences(mortals);
    const master = mortals.deals.find((deal) => deal.isMaster === true);
    const other = mortals.deals.find((deal) => deal.isMaster !== true);
    void mortals.unit('E002').operate({ kind: 'deal.stop', dealId: String(master?.dealId), reason: 'test' });
    await mortals.clock.advance(delayMsec);
    seen.add(mortals.references.length);
    mortals.kill('E001');
    t.ok(
      await mortals.until(() => !mortals.deals.some(({ dealId }) => dealId === master?.dealId), 6_000),
      `${delayMsec} ms`,
    );
    await mortals.clock.advance(2_000);
    t.strictSame(
      mortals.references.map((id) => mortals.world.house(id).drg),
      [0],
      `${delayMsec} ms: ${mortals.references}`,
    );
    t.strictSame(violations, [], 'INV-1');
    t.match(
      mortals.deals.find(({ dealId }) => dealId === other?.dealId),
      { startDateTime: String },
      'the other deal goes on',
    );
  }
  t.ok(seen.has(2), 'some of them in the middle');
});

t.test(
  'RULE-8, INV-10: a hand-over that loses one of its two references leaves a bus that is used again',
  async (t) => {
    for (const victim of ['E003', 'E004']) {
      for (const delayMsec of [200, 240, 330, 400]) {
        const mortals = await twoDealsOfOne();
        const violations = watchReferences(mortals);
        const master = mortals.deals.find((deal) => deal.isMaster === true);
        void mortals
          .unit('E002')
          .operate({ kind: 'deal.stop', dealId: String(master?.dealId), reason: 'test' })
          .catch(() => {});
        await mortals.clock.advance(delayMsec);
        mortals.kill(victim);
        await mortals.clock.advance(12_000);
        t.strictSame(violations, [], `INV-1 ${victim} ${delayMsec} ms`);
        t.ok(mortals.references.length <= 1, mortals.references.join());
        mortals.start(victim);
        const isTrading = (): boolean => mortals.deals.some((deal) => deal.startDateTime !== undefined);
        t.ok(await mortals.until(isTrading, 120_000), `${victim} ${delayMsec} ms: trades again`);
      }
    }
  },
);

t.test(
  'RULE-8, INV-1: droop stays while the other reference of a hand-over is dead, the grid master itself',
  async (t) => {
    const seen = new Set<number>();
    for (const delayMsec of [60, 200, 220, 240, 260, 280, 330, 400, 450]) {
      const mortals = new Mortals({
        rsoc: [92, 80, 55, 30],
        policy: (policy) => ({ ...policy, largeCapacityUnitIds: ['E001'] }),
      });
      await mortals.untilRunning(2);
      t.strictSame([mortals.gridMaster?.unitId, ...mortals.references], ['E001', 'E001']);
      const violations = watchReferences(mortals);
      const master = mortals.deals.find((deal) => deal.isMaster === true);
      void mortals
        .unit('E002')
        .operate({ kind: 'deal.stop', dealId: String(master?.dealId), reason: 'test' })
        .catch(() => {});
      await mortals.clock.advance(delayMsec);
      seen.add(mortals.references.length);
      mortals.kill('E001');
      await mortals.clock.advance(15_000);
      t.strictSame(violations, [], `${delayMsec} ms`);
      mortals.start('E001');
      const isTrading = (): boolean => mortals.deals.some((deal) => deal.startDateTime !== undefined);
      t.ok(await mortals.until(isTrading, 120_000), `${delayMsec} ms: trades again`);
    }
    t.ok(seen.has(2), 'some of them in the middle');
  },
);

type Strategy = Policy['gridMaster']['gridMasterSelection'];
const selecting = (gridMasterSelection: Strategy) => withGridMaster({ gridMasterSelection });

/** E001 leads and does not trade; a deal of others runs, whose reference has to become grid master. */
async function aboutToTransfer(selection: Strategy = { strategy: 'voltageReferenceUnit' }): Promise<Mortals> {
  const mortals = new Mortals({ rsoc: [70, 92, 60, 30], policy: selecting(selection) });
  void mortals.unit('E001').operate({ kind: 'local-mode', value: 'heteronomous' });
  const isRunning = (): boolean => mortals.deals.some((deal) => deal.startDateTime !== undefined);
  if (!(await mortals.until(isRunning, 60_000))) throw new Error('no deal has started');
  return mortals;
}

/** What a transfer goes through, each as a message or a write that shows it. */
const TRANSFER_STEPS = [
  'holds back',
  'is offered',
  'stands',
  'is voted for',
  'leads',
  'has promised',
  'grants',
] as const;
type TransferStep = (typeof TRANSFER_STEPS)[number];

/** Calls back at each step of the first transfer away from E001, once. */
function watchTransfer(mortals: Mortals, reached: (step: TransferStep) => void): void {
  const seen = new Set<TransferStep>();
  let hasGranted = false;
  const tell = (step: TransferStep): void => {
    if (seen.has(step)) return;
    seen.add(step);
    reached(step);
  };
  mortals.saved = (unitId, key) => key === 'vow' && seen.has('stands') && unitId !== 'E001' && tell('has promised');
  mortals.hub.tap(({ channel, envelope }) => {
    const { sender } = envelope;
    if (channel === 'grid') {
      const { granting, permits } = envelope.body as GridState;
      if (sender !== 'E001') return tell(granting ? 'grants' : 'leads');
      hasGranted ||= granting && permits.length > 0;
      if (hasGranted && !granting) tell('holds back');
    }
    if (channel !== 'election') return;
    const { successor, role, votedFor } = envelope.body as ElectionState;
    if (successor !== undefined) tell('is offered');
    if (!seen.has('is offered')) return;
    if (role === 'candidate') tell('stands');
    if (votedFor !== undefined && votedFor !== 'E001' && votedFor !== sender) tell('is voted for');
  });
}

t.test('RULE-6: the voltage reference becomes grid master, and nothing on the bus moves', async (t) => {
  const mortals = await aboutToTransfer();
  const [reference] = mortals.references;
  t.not(reference, 'E001');
  const steps: TransferStep[] = [];
  watchTransfer(mortals, (step) => steps.push(step));
  const grants: string[] = [];
  mortals.hub.tap(({ channel, envelope }) => {
    const { granting } = envelope.body as GridState;
    if (channel === 'grid' && granting) grants.push(envelope.sender);
  });
  const masters = new Set<number>();
  mortals.hub.tap(() => masters.add(mortals.units.filter((unit) => unit.isGridMaster).length));
  const dealIds = mortals.deals.map(({ dealId }) => dealId);
  t.strictSame(await changesWithin(mortals, 6_000, mortals.ids), [], 'no converter moves');
  t.equal(mortals.gridMaster?.unitId, reference);
  t.strictSame(mortals.references, [reference]);
  t.same(
    [...masters].filter((count) => count > 1),
    [],
    'never two at a time',
  );
  t.ok(
    grants.indexOf(String(reference)) > grants.lastIndexOf('E001'),
    'who has offered the office grants nothing more',
  );
  t.strictSame([...steps].sort(), [...TRANSFER_STEPS].sort());
  t.ok(steps.indexOf('holds back') < steps.indexOf('is offered'), 'granting stops first');
  t.ok(dealIds.every((dealId) => mortals.deals.some((deal) => deal.dealId === dealId)));
});

t.test('RULE-6: a transfer is safe wherever it loses either side', async (t) => {
  for (const step of TRANSFER_STEPS) {
    for (const side of ['former', 'successor'] as const) {
      const name = `${side} dies when it ${step}`;
      const mortals = await aboutToTransfer();
      const violations = watchReferences(mortals);
      const victim = side === 'former' ? 'E001' : String(mortals.references[0]);
      const dealIds = mortals.deals.map(({ dealId }) => dealId);
      let isKilled = false;
      watchTransfer(mortals, (reached) => {
        if (reached !== step) return;
        isKilled = true;
        mortals.kill(victim);
      });
      t.ok(await mortals.until(() => isKilled, 30_000), `${name}: happens`);
      const others = mortals.ids.filter((id) => id !== victim);
      const moved = await changesWithin(mortals, 12_000, others);
      if (side === 'former') {
        t.strictSame(moved, [], `${name}: nothing moves`);
        t.ok(
          dealIds.every((dealId) => mortals.deals.some((deal) => deal.dealId === dealId)),
          name,
        );
      } else {
        const isOut = others.filter(
          (id) => mortals.mode(id) !== 'WAIT' && !mortals.deals.some((deal) => isInvolved(deal, id)),
        );
        t.strictSame(isOut, [], `${name}: nobody is left without a deal (INV-2)`);
      }
      t.strictSame(violations, [], `INV-1: ${name}`);
      t.equal(mortals.units.filter((unit) => unit.isGridMaster).length, 1, `${name}: one leads`);
      mortals.start(victim);
      const isTrading = (): boolean => mortals.deals.some((deal) => deal.startDateTime !== undefined);
      t.ok(await mortals.until(isTrading, 120_000), `INV-10: ${name}`);
    }
  }
});

t.test('RULE-6: an offer that does not arrive is taken back, and the deals go on', async (t) => {
  const mortals = await aboutToTransfer();
  let [offers, withdrawals] = [0, 0];
  mortals.reaches = (from, _to, channel) => !(from === 'E001' && channel === 'election' && offers > withdrawals);
  mortals.hub.tap(({ channel, envelope }) => {
    if (channel !== 'election' || envelope.sender !== 'E001') return;
    const isOffer = (envelope.body as ElectionState).successor !== undefined;
    if (isOffer && offers === withdrawals) offers += 1;
    if (!isOffer && offers > withdrawals) withdrawals += 1;
  });
  t.strictSame(await changesWithin(mortals, 12_000, mortals.ids), []);
  t.same([offers, withdrawals], [1, 1], 'and is not made again soon');
  t.equal(mortals.gridMaster?.unitId, 'E001');
});

t.test('RULE-6, RULE-11: a stop does not wait for a transfer', async (t) => {
  const mortals = await aboutToTransfer();
  let at = Number.NaN;
  mortals.reaches = (from, _to, channel) => !(from === 'E001' && channel === 'election' && at > 0);
  watchTransfer(mortals, (step) => {
    if (step === 'holds back') at = mortals.clock.monotonic();
  });
  t.ok(await mortals.until(() => at > 0, 10_000));
  const [deal] = mortals.deals;
  void mortals.unit('E002').operate({ kind: 'deal.stop', dealId: String(deal?.dealId), reason: 'test' });
  const isOver = (): boolean =>
    mortals.deals.every(({ dealId, stopDateTime }) => dealId !== deal?.dealId || stopDateTime !== undefined);
  t.ok(await mortals.until(isOver, 1_000), 'its current has ended before the offer has');
});

t.test('RULE-6: a fixed grid master gets its office when it comes, and nobody else does', async (t) => {
  const mortals = new Mortals({ policy: selecting({ strategy: 'fixed', fixedUnitId: 'E003' }) });
  t.ok(await mortals.until(() => mortals.gridMaster?.unitId === 'E003', 5_000), 'founds the cluster');
  await mortals.untilRunning(2);
  mortals.kill('E003');
  t.ok(await mortals.until(() => mortals.gridMaster !== undefined, 10_000));
  t.not(mortals.gridMaster?.unitId, 'E003');
  mortals.start('E003');
  t.ok(await mortals.until(() => mortals.gridMaster?.unitId === 'E003', 60_000), 'has it back');
  await mortals.untilRunning(1);
  await mortals.clock.advance(20_000);
  t.equal(mortals.gridMaster?.unitId, 'E003');
});

t.test('RULE-6: without a preference the office stays where it is', async (t) => {
  const mortals = await aboutToTransfer({ strategy: 'anywhere' });
  await mortals.clock.advance(30_000);
  t.equal(mortals.gridMaster?.unitId, 'E001');
});

t.test('RULE-13: a wish to stop a deal outlives the grid master that heard it', async (t) => {
  const mortals = await twoDealsOfOne();
  const dealId = String(mortals.deals.find((deal) => deal.isMaster !== true)?.dealId);
  let isHeard = false;
  mortals.hub.tap(({ channel, envelope }) => {
    const body = envelope.body as CommandBody;
    if (channel === 'command' && body.kind === 'deal.update' && body.deal.needToStopReasons !== undefined)
      isHeard = true;
  });
  void mortals.unit('E002').operate({ kind: 'deal.stop', dealId, reason: 'test' });
  await mortals.until(() => isHeard, 1_000);
  await mortals.clock.advance(4);
  mortals.kill('E001');
  t.ok(await mortals.until(() => !mortals.deals.some((deal) => deal.dealId === dealId), 6_000));
  await mortals.clock.advance(1_000);
  const records = ['E002', 'E003', 'E004'].flatMap((id) => mortals.ledgers.get(id)?.get(dealId) ?? []);
  t.equal(records.length, 2);
  t.strictSame(records[0], records[1]);
  t.match(records[0]?.abortReason, /test/);
  t.equal(records[0]?.needToStopReasons, undefined, 'control.md §4.12: no part of the record');
});

t.test('RULE-15: no deal is made with a unit of another policy, until it works by the same one', async (t) => {
  const mortals = new Mortals({ policyHash: (unitId) => (unitId === 'E004' ? 'other' : 'test') });
  const warned = new Set<string>();
  mortals.hub.join('listener', 'l').listen('fault', ({ envelope }) => {
    const { category, level, reason } = envelope.body;
    if (reason === 'policy.differs') warned.add(`${envelope.sender} ${category} ${level}`);
  });
  const refusals = new Set<string>();
  mortals.unit('E004').onDecision(({ refusal }) => refusals.add(refusal?.reason ?? 'none'));
  await mortals.untilRunning(1);
  await mortals.clock.advance(60_000);
  t.same([...warned].sort(), ['E001 USER WARN', 'E002 USER WARN', 'E003 USER WARN', 'E004 USER WARN']);
  t.notOk(mortals.deals.some((deal) => isInvolved(deal, 'E004')));
  t.ok(refusals.has('policy.observer'), 'it asks nobody, and tells why');
  mortals.policyHash = () => 'test';
  mortals.restart('E004');
  t.ok(await mortals.until(() => mortals.deals.some((deal) => isInvolved(deal, 'E004')), 60_000));
});

const contentHash = (_unitId: string, policy: Policy): string =>
  JSON.stringify(policy).length.toString(36).concat(String(policy.mediator.deal.gridCurrentA));

/** Units that work by what their policies say, and what each has published last. */
async function ofOneMind(more: MortalsOptions = {}): Promise<{ mortals: Mortals; versions: () => readonly number[] }> {
  const mortals = new Mortals({ policyHash: contentHash, ...more });
  const heard = new Map<string, number>();
  mortals.hub.tap(({ channel, envelope }) => {
    if (channel === 'policy') heard.set(envelope.sender, (envelope.body as PublishedPolicy).version ?? 0);
  });
  await mortals.untilRunning(1);
  return { mortals, versions: () => mortals.ids.map((id) => heard.get(id) ?? 0) };
}

/** The policy with another current for deals, as an operator gives it. */
const withCurrent = (policy: Policy, gridCurrentA: number): Readonly<Record<string, unknown>> => ({
  ...policy,
  mediator: { ...policy.mediator, deal: { ...policy.mediator.deal, gridCurrentA } },
});

t.test('RULE-15: a new policy is in force everywhere or nowhere, and only where no deal is open', async (t) => {
  const { mortals, versions } = await ofOneMind();
  const busy: string[] = [];
  mortals.hub.tap(({ channel, envelope }) => {
    if (channel !== 'policy' || (envelope.body as PublishedPolicy).version !== 1) return;
    if (mortals.unit(envelope.sender).deals().length > 0) busy.push(envelope.sender);
  });
  const before = mortals.deals.map(({ dealId }) => dealId);
  let isAccepted = false;
  void mortals
    .unit('E003')
    .operate({ kind: 'policy', value: withCurrent(mortals.policy, 1) })
    .then(() => {
      isAccepted = true;
    });
  t.ok(await mortals.until(() => isAccepted, 5_000), 'the operator is told that it will come');
  await mortals.clock.advance(60_000);
  t.same(versions(), [0, 0, 0, 0], 'not while deals run');
  t.same(
    mortals.deals.map(({ dealId }) => dealId),
    before,
    'which go on, and no other one begins',
  );
  await mortals.endDeals();
  t.ok(await mortals.until(() => versions().every((version) => version === 1), 5_000));
  t.same(busy, []);
  await mortals.untilRunning(1);
  t.ok(
    mortals.deals.every(({ dealGridCurrentA }) => dealGridCurrentA === 1),
    'the next deals follow it',
  );
  mortals.restart('E002');
  await mortals.clock.advance(5_000);
  t.same(versions(), [1, 1, 1, 1], 'it is durable');
});

/** An operator gives a unit a policy; `answer` is `done` or the error, as soon as there is one. */
function givePolicy(
  mortals: Mortals,
  unitId: string,
  value: Readonly<Record<string, unknown>>,
): { readonly answer?: unknown } {
  const asked: { answer?: unknown } = {};
  mortals
    .unit(unitId)
    .operate({ kind: 'policy', value })
    .then(
      () => {
        asked.answer = 'done';
      },
      (error: unknown) => {
        asked.answer = error;
      },
    );
  return asked;
}

t.test(
  'RULE-15: of two policies that operators give at the same time one comes, and the other is told so',
  async (t) => {
    const hashes = new Set<string>();
    const { mortals, versions } = await ofOneMind();
    mortals.hub.tap(({ channel, envelope }) => {
      const { version = 0, hash } = envelope.body as PublishedPolicy;
      if (channel === 'policy' && version > 0) hashes.add(`${version} ${hash}`);
    });
    const asked = [
      givePolicy(mortals, 'E002', withCurrent(mortals.policy, 1)),
      givePolicy(mortals, 'E003', withCurrent(mortals.policy, 1.5)),
    ];
    t.ok(
      await mortals.until(() => asked.every(({ answer }) => answer !== undefined), 20_000),
      'it is tried again for 10 s',
    );
    t.match(asked, [
      { answer: 'done' },
      { answer: { name: 'PeerError', message: /was staged before and comes first/ } },
    ]);
    await mortals.endDeals();
    t.ok(await mortals.until(() => versions().every((version) => version === 1), 60_000));
    await mortals.untilRunning(1);
    t.equal(hashes.size, 1);
    t.ok(mortals.deals.every(({ dealGridCurrentA }) => dealGridCurrentA === 1));
  },
);

t.test('RULE-15: without a majority, for other members, or for what is no policy, nothing changes', async (t) => {
  const { mortals, versions } = await ofOneMind();
  const ask = async (value: Readonly<Record<string, unknown>>): Promise<unknown> => {
    const asked = givePolicy(mortals, 'E002', value);
    await mortals.until(() => asked.answer !== undefined, 30_000);
    return asked.answer;
  };
  t.match(await ask({ ...mortals.policy, memberUnitIds: ['E001', 'E002'] }), {
    name: 'PeerError',
    message: 'memberUnitIds: expected E001, E002, E003, E004, got E001, E002: members change only at a restart',
  });
  t.match(await ask({ nonsense: true }), /policy/);
  for (const id of ['E003', 'E004']) mortals.kill(id);
  t.match(await ask(withCurrent(mortals.policy, 1)), { message: String });
  for (const id of ['E003', 'E004']) mortals.start(id);
  await mortals.clock.advance(60_000);
  await mortals.untilRunning(1);
  t.equal(new Set(versions()).size, 1, 'all the same');
});

t.test('RULE-15: a change that loses a unit at any of its writes ends with one policy for all', async (t) => {
  for (const moment of ['before', 'after'] as const) {
    for (const nth of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const { mortals, versions } = await ofOneMind();
      let writes = 0;
      let victim: string | undefined;
      const count = (unitId: string, key: string, now: typeof moment): void => {
        if (key !== 'policy' || now !== moment) return;
        writes += 1;
        if (writes !== nth) return;
        victim = unitId;
        mortals.kill(unitId);
      };
      mortals.writeMsec = (unitId, key) => {
        count(unitId, key, 'before');
        return key === 'policy' ? 5 : 0;
      };
      mortals.saved = (unitId, key) => count(unitId, key, 'after');
      void mortals
        .unit('E003')
        .operate({ kind: 'policy', value: withCurrent(mortals.policy, 1) })
        .catch(() => {});
      await mortals.clock.advance(2_000);
      if (victim === undefined) await mortals.endDeals();
      t.ok(await mortals.until(() => victim !== undefined, 60_000), `${moment} write ${nth}: happens`);
      await mortals.clock.advance(10_000);
      mortals.start(String(victim));
      await mortals.clock.advance(10_000);
      await mortals.endDeals();
      t.ok(
        await mortals.until(() => new Set(versions()).size === 1 && mortals.deals.length > 0, 180_000),
        `${moment} write ${nth} of ${victim}: ${versions()}`,
      );
    }
  }
});

t.test('RULE-15: a unit whose own policy differs from that of most others watches, and says in what', async (t) => {
  const mortals = new Mortals({ policyHash: contentHash });
  const odd = withCurrent(mortals.policy, 1) as unknown as Policy; // the test has made it out of one
  mortals.policyFile = (unitId) => (unitId === 'E001' ? odd : mortals.policy);
  mortals.restart('E001');
  const said = new Set<string>();
  mortals.hub.tap(({ channel, envelope }) => {
    if (channel === 'fault' && envelope.sender === 'E001') said.add((envelope.body as Fault).message);
  });
  const roles = new Set<string>();
  await mortals.untilRunning(1);
  mortals.hub.tap(({ channel, envelope }) => {
    if (channel === 'election' && envelope.sender === 'E001') roles.add((envelope.body as ElectionState).role);
  });
  t.ok(
    [...said].some((text) => /mediator\.deal\.gridCurrentA differ.*only watches/.test(text)),
    [...said].join(),
  );
  await mortals.clock.advance(2_000);
  t.same([...roles], ['observer']);
  mortals.kill(String(mortals.gridMaster?.unitId));
  t.ok(await mortals.until(() => mortals.gridMaster !== undefined, 10_000));
  t.not(mortals.gridMaster?.unitId, 'E001', 'it does not lead');
});

t.test('INV-11: policies of strangers, however many, make no unit one of the few that only watch', async (t) => {
  const mortals = new Mortals();
  const faults: string[] = [];
  const roles = new Set<string>();
  await mortals.untilRunning(1);
  mortals.hub.tap(({ channel, envelope }) => {
    if (channel === 'fault') faults.push((envelope.body as Fault).reason);
    if (channel === 'election') roles.add((envelope.body as ElectionState).role);
  });
  for (const stranger of ['E096', 'E097', 'E098', 'E099']) {
    mortals.hub.join(stranger, 'x').publish('policy', '', { hash: 'other', policy: {} });
  }
  await mortals.clock.advance(5_000);
  t.same([...roles].sort(), ['follower', 'leader']);
  t.same(faults, []);
});

t.test('RULE-19: manual mode has the bus for itself: what runs ends in order, and nothing begins', async (t) => {
  const mortals = new Mortals();
  await mortals.untilRunning(1);
  void mortals.unit('E003').operate({ kind: 'mode', value: 'manual' });
  t.ok(await mortals.until(() => Object.values(mortals.modes).every((mode) => mode === 'WAIT'), 5_000));
  await mortals.clock.advance(2_000);
  t.same(mortals.deals, []);
  const refusals = new Set<string>();
  for (const id of ['E001', 'E002', 'E003', 'E004'])
    mortals.unit(id).onDecision(({ refusal }) => refusals.add(refusal?.reason ?? 'none'));
  t.same(await changesWithin(mortals, 60_000, ['E001', 'E002', 'E003', 'E004']), []);
  t.same([...refusals], ['mode.not-autonomous']);
  void mortals.unit('E001').operate({ kind: 'mode', value: 'autonomous' });
  await mortals.untilRunning(1);
});

t.test('RULE-15: the keys in which two policies differ are named', (t) => {
  const ours = { mode: 'stop', range: { min: 1, max: 2 }, members: ['E001'], note: 'x' };
  t.same(differingKeys(ours, { ...ours, range: { max: 2, min: 1 } }), [], 'the order of keys is no difference');
  t.same(differingKeys(ours, { mode: 'stop', range: { min: 1, max: 3 }, members: ['E001', 'E002'], constructor: 1 }), [
    'constructor',
    'members',
    'note',
    'range.max',
  ]);
  t.end();
});
