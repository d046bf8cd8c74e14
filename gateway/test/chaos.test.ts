import t from 'tap';
import { type ChaosWorld, chaos } from '../src/cli/chaos.ts';
import { ChaosWorker } from '../src/cli/chaos-worker.ts';
import { demoHwConfig, demoPolicy } from '../src/config/defaults.ts';
import type { Dcdc, Deal, ElectionState, GridState } from '../src/domain/index.ts';
import { chaosSeed, type SeedReport } from '../src/emulation/chaos/chaos.ts';
import { describeFault, type Mishap, type PlannedFault } from '../src/emulation/chaos/chaos-fault.ts';
import { ChaosNetwork } from '../src/emulation/chaos/chaos-network.ts';
import { ChaosRun } from '../src/emulation/chaos/chaos-run.ts';
import { chaosSetting } from '../src/emulation/chaos/chaos-setting.ts';
import { ChaosStage } from '../src/emulation/chaos/chaos-stage.ts';
import * as checks from '../src/emulation/chaos/checks.ts';
import { EventLog } from '../src/emulation/chaos/event-log.ts';
import { FAULT_NAMES, NOT_YET } from '../src/emulation/chaos/fault-kinds.ts';
import { faultPlan } from '../src/emulation/chaos/fault-plan.ts';
import { type Finding, Patience } from '../src/emulation/chaos/finding.ts';
import { HouseDisk } from '../src/emulation/chaos/house-disk.ts';
import { energyOff, recordsMissing } from '../src/emulation/chaos/ledger-checks.ts';
import { BUS, Mishaps } from '../src/emulation/chaos/mishaps.ts';
import type { Check, HouseMoment, Moment } from '../src/emulation/chaos/moment.ts';
import { busOf, clockOf, deviceOf, ProcessLife, storeOf } from '../src/emulation/chaos/process-life.ts';
import type { Violation } from '../src/emulation/chaos/run-result.ts';
import { shrink } from '../src/emulation/chaos/shrink.ts';
import { Traffic } from '../src/emulation/chaos/traffic.ts';
import { Troubles } from '../src/emulation/chaos/troubles.ts';
import type { DeviceReading } from '../src/ports/index.ts';
import { MemoryBusHub, MemoryStore, SeededEntropy, VirtualClock } from '../src/ports/index.ts';
import { aDischarge } from './support/messages.ts';

const IDS = ['E001', 'E002', 'E003', 'E004'];
const MINUTE = 60_000;

const ACTIVATED = { activateDateTime: '2020/05/01-09:00:02' };
const STARTED = { ...ACTIVATED, warmUpDateTime: '2020/05/01-09:00:03', startDateTime: '2020/05/01-09:00:04' };

// Whole runs take their time on a busy machine.
t.setTimeout(120_000);

t.test('checks.ts: every check passes what is right and finds what is wrong', async (t) => {
  const house = (houseId: string, over: Partial<HouseMoment> = {}): HouseMoment => ({
    houseId,
    mode: 'WAIT',
    toldMode: over.mode ?? 'WAIT',
    isAsTold: true,
    vg: 350,
    ig: 0,
    tmp: 25,
    dvg: 350,
    dig: 0,
    drg: 0,
    demandedA: 0,
    rsoc: 50,
    segment: 0,
    isAwake: true,
    awakeMsec: MINUTE,
    permitUntil: MINUTE,
    deals: [],
    isGridMaster: houseId === 'E001',
    grants: false,
    troubles: new Set(),
    isPinned: false,
    ...over,
  });
  const moment = (houses: readonly HouseMoment[], over: Partial<Moment> = {}): Moment => ({
    at: 30_000,
    policy: demoPolicy(IDS, { gridCurrentA: 2, amountWh: 100 }),
    hwConfig: demoHwConfig(),
    houses,
    busTroubles: new Set(),
    recentLosses: 0,
    calmMsec: MINUTE,
    ...over,
  });
  const reference = (id: string, over: Partial<HouseMoment> = {}): HouseMoment =>
    house(id, { mode: 'VOLTAGE_REFERENCE', dig: 2.3, ...over });
  const found = (check: Check, houses: readonly HouseMoment[], over: Partial<Moment> = {}): readonly Finding[] =>
    check(moment(houses, over));
  const policy = demoPolicy(IDS);
  const acquisitionAndWriteMsec = policy.controller.dataAcquisitionPeriodMsec + 300;

  t.test('INV-1: one voltage reference on a bus; two only with droop, and not for long', async (t) => {
    t.same(found(checks.oneReference, [reference('E001'), house('E002')]), []);
    t.match(found(checks.oneReference, [reference('E001'), reference('E002')]), [
      { invariant: 'INV-1', toleranceMsec: 0, message: /E001 \(droop 0\), E002 \(droop 0\)/ },
    ]);
    const drooped = [reference('E001', { drg: 0.04 }), reference('E002', { drg: 0.04 })];
    t.match(found(checks.oneReference, drooped), [{ subject: 'hand-over', toleranceMsec: 30_000 }]);
    t.match(found(checks.oneReference, [...drooped, reference('E003', { drg: 0.04 })]), [{ toleranceMsec: 0 }]);
    t.match(found(checks.oneReference, [reference('E001'), reference('E002', { drg: 0.04 })]), [{ toleranceMsec: 0 }]);
    t.same(found(checks.oneReference, [reference('E001'), reference('E002', { segment: 1 })]), [], 'a broken line');
    for (const trouble of ['wrongMode', 'duplicate']) {
      const disobeying = { troubles: new Set([trouble]), isAsTold: false };
      const two = (over: Partial<HouseMoment>) =>
        found(checks.oneReference, [reference('E001'), reference('E002', over)]);
      t.match(two(disobeying), [{ toleranceMsec: acquisitionAndWriteMsec }]);
      t.match(two({ ...disobeying, isAsTold: true }), [{ toleranceMsec: 0 }], 'its unit has put it there itself');
      t.match(two({ isAsTold: false }), [{ toleranceMsec: 0 }], 'no fault makes it do so');
    }
  });

  t.test('INV-1: two references that no unit can stop are left to the safe-stop of the orphan (RULE-7)', async (t) => {
    const both = (...houses: readonly HouseMoment[]) => found(checks.oneReference, houses);
    const orphan = (id: string, over: Partial<HouseMoment> = {}) => reference(id, { isAwake: false, ...over });
    const forced = { isAsTold: false, toldMode: 'WAIT', troubles: new Set(['wrongMode']) } as const;
    const pinned = (over: Partial<HouseMoment> = {}) => reference('E002', { ...forced, isPinned: true, ...over });
    const twice = { ...forced, troubles: new Set(['duplicate']) };
    t.same(both(orphan('E001'), pinned()), [], 'the one has no unit, the other obeys none');
    t.same(both(orphan('E001'), orphan('E002', twice)), [], 'neither has one');
    const ordinary = [{ toleranceMsec: acquisitionAndWriteMsec }];
    t.match(both(orphan('E001'), pinned({ isPinned: false })), ordinary, 'from now on it obeys');
    t.match(both(orphan('E001'), reference('E002', twice)), ordinary, 'a write that came twice can be taken back');
    t.match(both(orphan('E001'), pinned(), reference('E003')), ordinary, 'this one has a unit, and obeys');
    t.match(both(orphan('E001'), pinned(), orphan('E003')), ordinary, 'two that are there in order are one too many');
    t.match(both(reference('E001', { ...forced, isPinned: true }), pinned()), ordinary, 'without an orphan');
    const inOrder = pinned({ toldMode: 'VOLTAGE_REFERENCE', isAsTold: true });
    t.match(both(orphan('E001'), inOrder), [{ toleranceMsec: 0 }], 'its unit has put it there itself');
    const shifted = pinned({ toldMode: 'VOLTAGE_REFERENCE' });
    t.match(both(orphan('E001'), shifted), ordinary, 'its unit has put it there, the fault has changed its droop only');
    t.match(both(orphan('E001'), reference('E002')), [{ toleranceMsec: 0 }]);
  });

  t.test('INV-2: out of WAIT only with a permit, a voltage reference for its delay more', async (t) => {
    const out = (over: Partial<HouseMoment>): readonly Finding[] =>
      found(checks.livePermit, [house('E001', { mode: 'CHARGE', ...over })]);
    t.same(out({}), []);
    t.match(out({ permitUntil: 29_999 }), [{ invariant: 'INV-2', toleranceMsec: 300 }]);
    t.match(out({ permitUntil: Number.NEGATIVE_INFINITY }), [{ message: /without any permit/ }]);
    t.same(found(checks.livePermit, [reference('E001', { permitUntil: 28_001 })]), []);
    t.equal(found(checks.livePermit, [reference('E001', { permitUntil: 27_999 })]).length, 1);
    t.same(out({ permitUntil: 0, isAwake: false }), [], 'nothing is asked of a process that is not there');
    t.same(out({ permitUntil: 0, awakeMsec: 100 }), [], 'nor of one that has just begun');
    t.same(out({ permitUntil: 0, troubles: new Set(['noReply']) }), [], 'nor of one whose device does not answer');
  });

  t.test('INV-3: beyond a hard limit WAIT is commanded within one acquisition period and one write', async (t) => {
    const at = (over: Partial<HouseMoment>): readonly Finding[] =>
      found(checks.localSafety, [house('E001', { mode: 'CHARGE', ...over })]);
    t.same(at({}), []);
    for (const [over, message] of [
      [{ vg: 393 }, /vg 393.00/],
      [{ ig: 2.5 }, /ig 2.50/],
      [{ tmp: 46 }, /tmp 46.00/],
      [{ toldMode: 'DISCHARGE' }, /mode CHARGE, told DISCHARGE/],
    ] as const) {
      t.match(at(over), [{ invariant: 'INV-3', message, toleranceMsec: acquisitionAndWriteMsec }]);
    }
    t.same(at({ vg: 393, toldMode: 'WAIT' }), [], 'it was told WAIT');
    t.same(at({ vg: 393, mode: 'WAIT' }), []);
    t.same(at({ vg: 393, troubles: new Set(['stuckMeter']) }), [], 'nobody can see it');
  });

  t.test('INV-4: commanded currents are those of the running deals, and nobody goes on alone', async (t) => {
    const charging = (over: Partial<HouseMoment>): HouseMoment =>
      house('E002', { mode: 'CHARGE', deals: [aDischarge(STARTED)], dig: 2.02, ...over });
    t.same(found(checks.balancedCurrents, [charging({})]), []);
    t.match(found(checks.balancedCurrents, [charging({ dig: 1 })]), [{ invariant: 'INV-4' }]);
    t.match(found(checks.balancedCurrents, [charging({ dig: 2.15 })]), [{ invariant: 'INV-4' }]);
    const liar = house('E001', { troubles: new Set(['meterOffset']) });
    t.same(found(checks.balancedCurrents, [charging({ dig: 2.15 }), liar]), [], 'a meter misleads the compensation');
    t.match(found(checks.balancedCurrents, [charging({ dig: 2.25 }), liar]), [{}], 'which has its bound');
    t.match(found(checks.balancedCurrents, [charging({ deals: [] })]), [{ subject: 'E002 current' }]);
    t.same(found(checks.balancedCurrents, [charging({ deals: [], isAwake: false })]), []);
    const partner = house('E001', { mode: 'VOLTAGE_REFERENCE' });
    t.same(found(checks.partnersTogether, [charging({}), partner]), []);
    t.match(found(checks.partnersTogether, [charging({}), house('E001')]), [{ subject: 'E002 alone' }]);
    t.same(found(checks.partnersTogether, [charging({ deals: [] }), house('E001')]), []);
  });

  t.test('INV-5: nobody charges in one deal and discharges in another', async (t) => {
    const other = aDischarge({ dealId: 'd2', chargeUnitId: 'E001', dischargeUnitId: 'E003' });
    t.same(found(checks.oneDirection, [house('E001', { deals: [aDischarge(), aDischarge({ dealId: 'd3' })] })]), []);
    t.match(found(checks.oneDirection, [house('E001', { deals: [aDischarge(), other] })]), [{ invariant: 'INV-5' }]);
    const over = { ...other, stopDateTime: 'x' };
    t.same(found(checks.oneDirection, [house('E001', { deals: [aDischarge(), over] })]), [], 'a stopped one is over');
  });

  t.test('INV-6: two grid masters for a lease at most', async (t) => {
    t.same(found(checks.oneGridMaster, [house('E001'), house('E002')]), []);
    const two = [house('E001'), house('E002', { isGridMaster: true })];
    t.match(found(checks.oneGridMaster, two), [{ subject: 'grid masters', toleranceMsec: 5_000 }]);
    const granting = [house('E001', { grants: true }), house('E002', { isGridMaster: true, grants: true })];
    t.match(found(checks.oneGridMaster, granting), [{}, { subject: 'granting grid masters', toleranceMsec: 3_000 }]);
    const former = [house('E001', { grants: true }), house('E002', { grants: true })];
    t.same(found(checks.oneGridMaster, former), [], 'what it said in office');
  });

  t.test('INV-9: no more current is demanded of a reference than it can carry', async (t) => {
    const over = (demandedA: number, more: Partial<Moment> = {}): readonly Finding[] =>
      found(checks.demandWithinLimit, [reference('E001', { demandedA })], more);
    const nMinusOne = { ...policy, gridMaster: { ...policy.gridMaster, admission: 'n-1' as const } };
    t.same(over(2.3), []);
    t.match(over(4), [{ invariant: 'INV-9', toleranceMsec: 1_000 }], 'capacity: 1 s after a loss');
    t.match(over(-4, { policy: nMinusOne }), [{ toleranceMsec: 0 }], 'n-1: never');
    t.match(over(4, { policy: nMinusOne, recentLosses: 2 }), [{ toleranceMsec: 1_000 }], 'after two losses');
    for (const kind of ['leak', 'secondVoltageSource', 'trip', 'tripped']) {
      const [one] = over(4, { policy: nMinusOne, busTroubles: new Set([kind]) });
      t.equal(one?.toleranceMsec, acquisitionAndWriteMsec, kind);
    }
    for (const kind of ['batteryLocked', 'overheat']) {
      const [one] = over(4, { policy: nMinusOne, busTroubles: new Set([kind]) });
      t.equal(one?.toleranceMsec, 0, `${kind} excuses nothing before it has tripped a converter`);
    }
    for (const [isAsTold, toleranceMsec] of [
      [false, acquisitionAndWriteMsec],
      [true, 0],
    ] as const) {
      const other = house('E002', { mode: 'CHARGE', troubles: new Set(['duplicate']), isAsTold });
      const [one] = found(checks.demandWithinLimit, [reference('E001', { demandedA: 4 }), other], {
        policy: nMinusOne,
      });
      t.equal(one?.toleranceMsec, toleranceMsec, 'a write that comes twice excuses what it does, not what follows');
    }
  });

  t.test('INV-9: no command and no battery beyond its limit', async (t) => {
    const told = (over: Partial<HouseMoment>): number =>
      found(checks.commandWithinLimit, [house('E001', { mode: 'CHARGE', ...over })]).length;
    t.same([told({ dig: 2.3 }), told({ dig: 2.31 }), told({ dvg: 299 }), told({ dvg: 381 })], [0, 1, 1, 1]);
    t.equal(told({ mode: 'WAIT', dvg: 0 }), 0, 'what a converter in WAIT remembers does not count');
    const charge = (over: Partial<HouseMoment>): number =>
      found(checks.chargeWithinLimit, [house('E001', over)]).length;
    t.equal(charge({ mode: 'DISCHARGE', rsoc: 19 }), 1);
    t.equal(charge({ mode: 'CHARGE', rsoc: 96 }), 1);
    t.equal(charge({ mode: 'CHARGE', rsoc: 19 }), 0);
    t.equal(charge({ mode: 'CHARGE', rsoc: 96, isAwake: false }), 0);
  });

  t.test('INV-10: with nothing broken there is a grid master', async (t) => {
    const nobody = [house('E001', { isGridMaster: false }), house('E002')];
    t.match(found(checks.gridMasterExists, nobody), [{ invariant: 'INV-10' }]);
    t.same(found(checks.gridMasterExists, [house('E001')]), []);
    t.same(found(checks.gridMasterExists, nobody, { calmMsec: 0 }), []);
    t.same(found(checks.gridMasterExists, [...nobody, house('E003', { isAwake: false })]), []);
  });

  t.test('each of them is looked at', async (t) => {
    const all = Object.values(checks).filter((one) => typeof one === 'function');
    t.strictSame(new Set(checks.CHECKS), new Set(all));
  });
});

t.test('finding.ts: what is tolerated for a while is a violation when it lasts', async (t) => {
  const patience = new Patience();
  const finding = (toleranceMsec: number, subject = 'x'): Finding => ({
    invariant: 'INV-3',
    subject,
    message: 'm',
    toleranceMsec,
  });
  t.same(patience.judge([finding(100)], 0), []);
  t.ok(patience.isWaiting);
  t.same(patience.judge([finding(100)], 99), []);
  t.match(patience.judge([finding(100)], 100), [{ invariant: 'INV-3', message: 'm (for 100 ms)', at: 100 }]);
  t.same(patience.judge([], 101), []);
  t.notOk(patience.isWaiting);
  t.same(patience.judge([finding(100)], 102), [], 'a good moment forgets');
  t.same(patience.judge([finding(100), finding(0, 'y')], 103).length, 1, 'some things may never be');
  t.same(patience.judge([finding(500, 'z')], 200), []);
  t.same(patience.judge([finding(10, 'z')], 400), [], 'what excused it at its beginning counts on');
});

t.test('ledger-checks.ts', async (t) => {
  const finished = { ...STARTED, stopDateTime: 'x', deactivateDateTime: 'x', cumulateAmountWh: 100.2 };
  const deal = aDischarge(finished);
  const ledgers = (one?: Deal, two?: Deal) =>
    new Map([
      ['E001', new Map(one === undefined ? [] : [[one.dealId, one]])],
      ['E002', new Map(two === undefined ? [] : [[two.dealId, two]])],
    ]);
  const started = new Map([['d1', deal]]);
  const calm = { imbalanceWh: 0, turnoverWh: 10_000, chargedWh: 100.2, excusedWh: 0 };

  t.test('INV-7: one record at each party, and they are equal', async (t) => {
    t.same(recordsMissing(started, ledgers(deal, deal)), []);
    t.match(recordsMissing(started, ledgers(deal)), [{ invariant: 'INV-7', message: /no record at E002/ }]);
    t.match(recordsMissing(started, ledgers(deal, aDischarge({ ...finished, cumulateAmountWh: 90 }))), [
      { message: /differ: cumulateAmountWh 100.2 \/ 90/ },
    ]);
    const never = aDischarge({ startDateTime: '--' });
    t.same(recordsMissing(new Map([['d1', never]]), ledgers()), [], 'a deal that never began needs none');
  });

  t.test('INV-8: the ledgers say what flowed, and nothing comes from nowhere', async (t) => {
    t.same(energyOff(ledgers(deal, deal), calm), []);
    t.match(energyOff(ledgers(), { ...calm, chargedWh: 0, imbalanceWh: 1 }), [{ subject: 'physics' }]);
    t.match(energyOff(ledgers(deal, deal), { ...calm, chargedWh: 80 }), [{ invariant: 'INV-8', subject: 'ledger' }]);
    t.same(energyOff(ledgers(deal, deal), { ...calm, chargedWh: 80, excusedWh: 20 }), []);
    const much = aDischarge({ ...finished, cumulateAmountWh: 110 });
    t.match(energyOff(ledgers(much, much), { ...calm, chargedWh: 110 }), [{ subject: 'd1' }]);
    const negative = aDischarge({ ...finished, cumulateAmountWh: -10 });
    t.match(energyOff(ledgers(negative), { ...calm, chargedWh: 0 }), [{ subject: 'ledger' }, { subject: 'd1' }]);
  });
});

t.test('traffic.ts', async (t) => {
  const setUp = () => {
    const clock = new VirtualClock();
    const hub = new MemoryBusHub(clock);
    const disk = new HouseDisk(clock);
    const violated: string[] = [];
    const traffic = new Traffic({
      now: () => clock.monotonic(),
      disk: (unitId) => (unitId === 'E001' ? disk : undefined),
      violated: (invariant, _subject, message) => violated.push(`${invariant} ${message}`),
    });
    hub.tap((delivery) => traffic.see(delivery));
    const bus = hub.join('E001', 's1');
    const master = hub.join('E002', 's2');
    const save = async (key: string, record: unknown): Promise<void> => {
      void disk.save(key, record);
      await clock.advance(10);
    };
    const beacon = (beaconNumber: number, term: number): void =>
      bus.publish('election', '', { session: 's1', beacon: beaconNumber, term, role: 'follower' } as ElectionState);
    const grid = (over: Partial<GridState>): void =>
      master.publish('grid', '', {
        gridMasterUnitId: 'E002',
        session: 's2',
        term: 3,
        pass: 1,
        passMsec: 0,
        mode: { value: 'autonomous', term: 0, revision: 0 },
        permitMsec: 5_000,
        granting: true,
        permits: [],
        hasGlobalErrors: false,
        ...over,
      });
    return { clock, hub, disk, violated, traffic, bus, master, save, beacon, grid };
  };

  t.test('INV-7: a term is announced only when it is durable; INV-6: and never taken back', async (t) => {
    const { violated, save, beacon } = setUp();
    beacon(1, 3);
    t.match(violated.splice(0), [/INV-7 E001 announces term 3, its disk says nothing/]);
    await save('vow', { term: 3 });
    beacon(2, 3);
    t.same(violated, []);
    beacon(3, 2);
    t.match(violated, [/INV-6 E001 announces term 2 after 3/]);
  });

  t.test('RULE-1: no permit is longer than from the echoed beacon of the present session', async (t) => {
    const { clock, traffic, save, beacon, grid, hub } = setUp();
    await save('vow', { term: 3 });
    t.equal(traffic.permitUntil('E001', 'CHARGE'), Number.NEGATIVE_INFINITY);
    beacon(1, 3);
    const sentAt = clock.monotonic();
    await clock.advance(1_000);
    const permit = { unitId: 'E001', session: 's1', beacon: 1, modes: ['CHARGE' as const], dealIds: [] };
    grid({ permits: [permit] });
    t.equal(traffic.permitUntil('E001', 'CHARGE'), sentAt + 5_000);
    t.equal(traffic.permitUntil('E001', 'DISCHARGE'), Number.NEGATIVE_INFINITY);
    grid({
      permits: [
        { ...permit, session: 's0', modes: ['DISCHARGE'] },
        { ...permit, beacon: 9, modes: ['DISCHARGE'] },
      ],
    });
    t.equal(traffic.permitUntil('E001', 'DISCHARGE'), Number.NEGATIVE_INFINITY);
    hub.join('E001', 's5').publish('election', '', { session: 's5', beacon: 1, term: 3, role: 'follower' });
    t.equal(traffic.permitUntil('E001', 'CHARGE'), Number.NEGATIVE_INFINITY, 'a new session has none');
  });

  t.test('INV-6: one grid master in a term, and copies that only grow younger', async (t) => {
    const { violated, grid, bus, traffic } = setUp();
    grid({});
    grid({ term: 4, gridMasterUnitId: 'E003' });
    t.same(violated, []);
    grid({ gridMasterUnitId: 'E003' });
    t.match(violated.splice(0), [/INV-6 E002 and E003 are both grid master of term 3/]);
    bus.publish('deal', 'd1', aDischarge({ revision: 3 }));
    bus.publish('deal', 'd1', aDischarge({ revision: 3 }));
    t.same(violated, []);
    t.equal(traffic.startedDeals.size, 0);
    bus.publish('deal', 'd1', aDischarge({ ...STARTED, revision: 2 }));
    t.match(violated, [/INV-6 E001 publishes d1 of \(1, 2\) after \(1, 3\)/]);
    t.equal(traffic.startedDeals.size, 1);
  });

  t.test('INV-7: nobody raises a converter without an activated deal on the disk', async (t) => {
    const { violated, traffic, save } = setUp();
    traffic.wrote('E001', { mode: 'WAIT' });
    traffic.wrote('E001', { dig: 2 });
    t.same(violated, []);
    traffic.wrote('E001', { mode: 'CHARGE' });
    t.match(violated.splice(0), [/INV-7 E001 goes to CHARGE with no activated deal/]);
    await save('deals/active/d1', aDischarge());
    traffic.wrote('E001', { mode: 'CHARGE' });
    t.equal(violated.splice(0).length, 1, 'a created deal is no leave');
    await save('deals/active/d1', aDischarge(ACTIVATED));
    traffic.wrote('E001', { mode: 'CHARGE' });
    t.same(violated, []);
  });

  t.test('INV-6: nobody raises a converter by a command of an older term than promised', async (t) => {
    const { violated, traffic, save, beacon, master, bus } = setUp();
    await save('deals/active/d1', aDischarge(ACTIVATED));
    await save('vow', { term: 3 });
    beacon(1, 2);
    const control = { kind: 'control', device: { command: 'CHARGE', gridCurrentA: 2 }, deals: [] } as const;
    master.publish('command', 'E001/x', control, { term: 2 });
    traffic.wrote('E001', { mode: 'CHARGE' });
    t.same(violated, []);
    beacon(2, 3);
    traffic.wrote('E001', { mode: 'CHARGE' });
    t.match(violated.splice(0), [/INV-6 E001 goes to CHARGE by a command of term 2, it has promised term 3/]);
    bus.publish('reply', 'E002/x', { ok: true });
    traffic.wrote('E001', { mode: 'CHARGE' });
    t.same(violated, [], 'an answered command is over');
  });
});

t.test('process-life.ts: what belongs to a process ends with it', async (t) => {
  const clock = new VirtualClock();
  const hub = new MemoryBusHub(clock);
  const life = new ProcessLife();
  const own = clockOf(clock, life, () => 5_000);
  const bus = busOf(hub.join('E001', 's1'), life);
  const store = storeOf(new MemoryStore(), life);
  const reading = { dcdc: {} as Dcdc, battery: { rsoc: 50 } } satisfies DeviceReading;
  const calls: string[] = [];
  const reply = async (): Promise<Record<string, never>> => {
    calls.push('write');
    return {};
  };
  const device = deviceOf(
    { read: async () => reading, readStatus: reply, setMode: reply, setVoltage: reply, setCurrent: reply },
    life,
  );
  const { signal } = new AbortController();
  const happened: string[] = [];
  const note = (what: string) => (): void => void happened.push(what);
  t.equal(own.now() - clock.now(), 5_000, 'its wall time may be off');
  t.equal(own.monotonic(), clock.monotonic());
  bus.listen('fault', note('heard'));
  own.after(10, note('timer'));
  await store.save('a', 1);
  t.equal(await store.load('a'), 1);
  t.same(await store.list(''), ['a']);
  await store.remove('a');
  await device.setVoltage({ dvg: 1, drg: 0 }, signal);
  await device.setCurrent({ dig: 1 }, signal);
  await device.readStatus(signal);
  await clock.advance(10);
  t.same(happened.splice(0), ['timer']);

  life.freeze();
  t.ok(life.isAlive);
  t.notOk(life.isAwake);
  own.after(10, note('late timer'));
  hub.join('E002', 's2').publish('fault', '1', {} as never);
  void device.read(signal).then(note('reading'));
  await clock.advance(50);
  t.same(happened, [], 'frozen: time goes on without it');
  life.thaw();
  await clock.advance(1);
  t.same(happened.splice(0).sort(), ['heard', 'late timer', 'reading']);

  own.after(10, note('timer of a dead process'));
  void device.setMode({ mode: 'WAIT', dvg: 0, dig: 0, drg: 0 }, signal).then(note('reply to a dead process'));
  life.kill();
  calls.splice(0);
  const said: string[] = [];
  hub.tap(({ channel }) => said.push(channel));
  bus.publish('fault', '2', {} as never);
  bus.retract('fault', '2');
  void device.setMode({ mode: 'CHARGE', dvg: 0, dig: 0, drg: 0 }, signal).then(note('a dead process writes'));
  void Promise.reject(new Error('nobody is there')).catch(() => life.enter(note('entered')));
  await clock.advance(50);
  t.same(happened, []);
  t.same(calls, [], 'a dead process writes nothing');
  t.same(said, []);
});

t.test('house-disk.ts: a process can die before a write and after it', async (t) => {
  const clock = new VirtualClock();
  const disk = new HouseDisk(clock);
  const settled: string[] = [];
  const write = async (key: string): Promise<void> => {
    void disk.save(key, { key }).then(() => settled.push(key));
    await clock.advance(10);
  };
  let deaths = 0;
  const die = (): void => {
    deaths += 1;
  };
  const trap = (when: 'before' | 'after', skip = 0) => ({ when, skip, spring: die });
  await write('a');
  disk.setTrap(trap('before', 1));
  await write('b');
  await write('c');
  disk.setTrap(trap('after'));
  await write('d');
  await write('e');
  t.same(settled, ['a', 'b', 'e']);
  t.equal(deaths, 2);
  t.same(await disk.list(''), ['a', 'b', 'd', 'e']);
  void disk.saveFinished(aDischarge());
  void disk.save('deals/active/d1', aDischarge());
  void disk.remove('a');
  await clock.advance(10);
  t.equal(disk.ledger.get('d1')?.dealId, 'd1');
  t.equal(disk.activeDeals().length, 1);
  t.equal(await disk.load('a'), undefined);
});

t.test('chaos-network.ts: cuts, losses and delays', async (t) => {
  const network = new ChaosNetwork(new SeededEntropy(1));
  t.equal(network.delay('E001', 'E002'), 1);
  const cut = { kind: 'partition', units: ['E001', 'E002'] } as const;
  network.begin(cut);
  t.notOk(network.isWell);
  t.equal(network.delay('E001', 'E003'), undefined);
  t.equal(network.delay('E001', 'E002'), 1);
  network.end(cut);
  network.begin({ kind: 'messageLoss', units: ['E001'], probability: 0.5 });
  network.begin({ kind: 'messageDelay', units: ['E002'], delayMsec: 1_000 });
  const drawn = Array.from({ length: 200 }, () => network.delay('E001', 'E003'));
  const lost = drawn.filter((one) => one === undefined).length;
  t.ok(lost > 60 && lost < 140, `${lost} of 200 lost`);
  const delays = Array.from({ length: 50 }, () => network.delay('E004', 'E002') ?? 0);
  t.ok(Math.max(...delays) > 500 && Math.min(...delays) >= 1);
  t.equal(network.delay('E003', 'E004'), 1);
});

t.test('mishaps.ts: which ends the neighbours learn of, and which they only believe to', async (t) => {
  const stage = new ChaosStage({ seed: 1, units: 3, violated: () => {} });
  const [E001, ...others] = stage.houses;
  E001?.start();
  const mishaps = new Mishaps(stage);
  const told: string[] = [];
  for (const { unitId } of others)
    stage.hub.join(unitId, `s-${unitId}`).onVanished?.((ended) => told.push(`${unitId}: ${ended}`));
  const at = (atMsec: number, mishap: Mishap): PlannedFault => ({ atMsec, forMsec: 500, mishap });
  mishaps.schedule([
    at(1_000, { kind: 'crash', victim: 'E001', endOf: 'process' }),
    at(2_000, { kind: 'crash', victim: 'E001', endOf: 'machine' }),
    at(3_000, { kind: 'network', trouble: { kind: 'messageLoss', units: ['E002'], probability: 0.5 } }),
    at(3_000, { kind: 'crash', victim: 'E001', endOf: 'process' }),
    at(4_000, { kind: 'network', trouble: { kind: 'partition', units: ['E003'], refuses: true } }),
  ]);
  const toldWithin = async (): Promise<readonly string[]> => {
    await stage.clock.advance(1_000);
    return told.splice(0);
  };
  t.strictSame(await toldWithin(), []);
  t.strictSame(await toldWithin(), ['E002: E001', 'E003: E001'], 'a process');
  t.strictSame(await toldWithin(), [], 'a machine');
  t.strictSame(await toldWithin(), ['E003: E001'], 'not where something is wrong on the way');
  t.strictSame(await toldWithin(), ['E003: E001'], 'it lives, behind a cut that refuses');
  t.ok(E001?.life.isAwake);
  stage.close();
});

t.test(
  'mishaps.ts: a locked battery excuses on the bus once it has tripped its converter, and not for long',
  async (t) => {
    const stage = new ChaosStage({ seed: 1, units: 2, violated: () => {} });
    t.teardown(() => stage.close());
    const mishaps = new Mishaps(stage);
    const hot = { kind: 'trip', trip: 'over-temperature' } as const;
    mishaps.schedule([
      { atMsec: 1_000, forMsec: 30_000, mishap: { kind: 'house', victim: 'E001', fault: { kind: 'batteryLocked' } } },
      { atMsec: 20_000, forMsec: 1_000, mishap: { kind: 'house', victim: 'E002', fault: hot } },
    ]);
    const onBus = () => [...mishaps.troubles.at(BUS, stage.clock.monotonic())];
    const energise = (unitId: string) =>
      stage.world
        .device(unitId)
        .setMode({ mode: 'VOLTAGE_REFERENCE', dvg: 350, dig: 2.3, drg: 0 }, new AbortController().signal);
    await stage.clock.advance(2_000);
    t.same([...mishaps.troubles.at('E001', 2_000)], ['batteryLocked']);
    t.same(onBus(), [], 'a converter in WAIT has nothing to trip');
    energise('E001').catch(() => {}); // refused or tripped at once
    await stage.clock.advance(500);
    t.same(onBus(), ['tripped']);
    await stage.clock.advance(3_500);
    t.same(
      [onBus(), [...mishaps.troubles.at('E001', 6_000)]],
      [[], ['batteryLocked']],
      'the fault goes on, its excuse does not',
    );
    energise('E002').catch(() => {});
    await stage.clock.advance(15_000);
    t.same(onBus(), ['trip'], 'a trip by heat is not of an overheated house');
  },
);

t.test('troubles.ts: a healed fault excuses for a moment more', async (t) => {
  const troubles = new Troubles();
  troubles.begin('E001', 'leak');
  t.ok(troubles.at('E001', 1e9).has('leak'));
  troubles.end('E001', 'leak', 1_000);
  t.ok(troubles.at('E001', 3_999).has('leak'));
  t.notOk(troubles.at('E001', 4_000).has('leak'));
  t.equal(troubles.at('E002', 0).size, 0);
});

t.test('fault-plan.ts', async (t) => {
  const plan = (seed: number): readonly PlannedFault[] => faultPlan(seed, IDS, 6 * 60 * MINUTE);
  t.same(plan(17), plan(17), 'the same seed, the same plan');
  t.notSame(plan(17), plan(18));
  for (const seed of [1, 2, 3]) {
    t.ok(plan(seed).every(({ atMsec, forMsec }) => atMsec >= 20_000 && atMsec + forMsec < 6 * 60 * MINUTE));
    t.ok(plan(seed).length > 50, `${plan(seed).length} faults in six hours`);
  }
  const drawn = Array.from({ length: 40 }, (_, seed) => plan(seed)).flat();
  const kinds = new Set(drawn.map(({ mishap }) => (mishap.kind === 'house' ? mishap.fault.kind : mishap.kind)));
  for (const kind of ['noReply', 'trip', 'leak', 'crash', 'crashAtWrite', 'crashAtCommand', 'network', 'mode']) {
    t.ok(kinds.has(kind as never), kind);
  }
  t.same(faultPlan(1, IDS, 60 * MINUTE, []), []);
  for (const name of FAULT_NAMES) t.ok(faultPlan(1, IDS, 1e10, [name]).length > 0, `${name} can be drawn`);
  t.ok(NOT_YET.every((name) => FAULT_NAMES.includes(name)));
  const described = describeFault({ atMsec: 3_723_456, forMsec: 1_500, mishap: { kind: 'crash', victim: 'E001' } });
  t.equal(described, '1:02:03.456 crash {"victim":"E001"} for 1.5 s');
  const ends = new Set(drawn.map(({ mishap }) => ('endOf' in mishap ? mishap.endOf : undefined)));
  t.strictSame(ends, new Set([undefined, 'process', 'machine']), 'neighbours learn of some ends, and not of others');
  t.ok(drawn.some(({ mishap }) => mishap.kind === 'network' && 'refuses' in mishap.trouble && mishap.trouble.refuses));
});

t.test('chaos-setting.ts: both admissions are tried', async (t) => {
  t.equal(chaosSetting(1, 4).policy.gridMaster.admission, 'capacity');
  t.equal(chaosSetting(2, 4).policy.gridMaster.admission, 'n-1');
  t.notSame(...chaosSetting(1, 4).scenarios);
});

t.test('RULE-6: chaos-setting.ts: every way to choose the grid master is tried', async (t) => {
  const seeds = Array.from({ length: 40 }, (_, seed) => seed);
  const drawn = seeds.map((seed) => chaosSetting(seed, 4).policy.gridMaster.gridMasterSelection);
  t.same([...new Set(drawn.map(({ strategy }) => strategy))].sort(), ['anywhere', 'fixed', 'voltageReferenceUnit']);
  t.ok(drawn.every(({ strategy, fixedUnitId }) => (strategy === 'fixed') === (fixedUnitId === 'E004')));
});

t.test('event-log.ts: readable, recent, rounded', async (t) => {
  const log = new EventLog(10_000);
  for (let at = 0; at < 20_000; at += 1) log.add(at, 'E001', 'tick', { at });
  log.add(20_000, 'E002', 'deal.started', { dig: 1.23456, text: 'x'.repeat(500), deep: { vg: 350.00004 } });
  const lines = log.lines(20_000);
  t.equal(lines.length, 10_001);
  t.equal(lines[0], '0:00:10.000  E001   tick  at=10000');
  const other = new EventLog(10_000);
  t.not(other.fingerprint, log.fingerprint);
  for (let at = 0; at < 20_000; at += 1) other.add(at, 'E001', 'tick', { at: at === 1 ? 2 : at });
  const before = other.fingerprint;
  other.add(20_000, 'E002', 'x');
  t.not(other.fingerprint, before);
  t.not(other.fingerprint, log.fingerprint, 'what was forgotten long ago counts');
  t.match(lines.at(-1), /^0:00:20\.000 {2}E002 {3}deal\.started {2}dig=1\.235 {2}text=x{160}… {2}deep=\{"vg":350\}$/);
});

t.test('shrink.ts: few faults that are enough, by the same invariant', async (t) => {
  const faults = Array.from(
    { length: 40 },
    (_, index): PlannedFault => ({
      atMsec: index * 1_000,
      forMsec: 500,
      mishap: { kind: 'crash', victim: `E${index}` },
    }),
  );
  const result = (violation: Finding['invariant'] | undefined) => ({
    seed: 1,
    violations: violation === undefined ? [] : [{ invariant: violation, subject: 's', message: 'm', at: 30_000 }],
    log: [],
    deals: 0,
    faultsInDeals: 0,
    deaths: 0,
    virtualMsec: 0,
    fingerprint: '',
  });
  const victims = (list: readonly PlannedFault[]): string[] =>
    list.map(({ mishap }) => ('victim' in mishap ? mishap.victim : ''));
  const needsBoth = async (list: readonly PlannedFault[]) => {
    const names = victims(list);
    if (names.includes('E3') && names.includes('E17')) return result('INV-1');
    return result(names.includes('E3') ? 'INV-2' : undefined);
  };
  const shrunk = await shrink(result('INV-1'), faults, needsBoth);
  t.same(victims(shrunk.faults), ['E3', 'E17']);
  t.ok(shrunk.trials < 60, `${shrunk.trials} runs`);
  const none = await shrink(result('INV-1'), faults, async () => result('INV-1'));
  t.same(none.faults, [], 'no fault is needed at all');
  const capped = await shrink(result('INV-1'), faults, needsBoth, 3);
  t.equal(capped.trials, 3);
  t.ok(capped.faults.length > 2);
});

t.test(
  'chaos-run.ts: without faults everything holds; with faults, too; a defect is found',
  { timeout: 120_000 },
  async (t) => {
    const calm = await new ChaosRun({ seed: 1, units: 4, faults: [], faultsUntilMsec: 4 * MINUTE }).run();
    t.same(calm.violations, []);
    t.ok(calm.deals > 2);

    t.test(
      'a foreign hand that energises a second converter is a violation of INV-1',
      { timeout: 120_000 },
      async (t) => {
        const faults: readonly PlannedFault[] = [
          {
            atMsec: 120_000,
            forMsec: 60_000,
            // Every command leads to a second reference, WAIT as well, and nobody hears of it: no unit can help that.
            mishap: { kind: 'house', victim: 'E004', fault: { kind: 'wrongMode', mode: 'VOLTAGE_REFERENCE' } },
          },
          {
            atMsec: 121_000,
            forMsec: 50_000,
            mishap: { kind: 'network', trouble: { kind: 'partition', units: ['E004'] } },
          },
        ];
        const found = await new ChaosRun({ seed: 1, units: 4, faults, faultsUntilMsec: 10 * MINUTE }).run();
        t.equal(found.violations[0]?.invariant, 'INV-1');
        t.equal(found.faultsInDeals, 2, 'both fell while current flowed');
        t.match(found.log.join('\n'), /VIOLATION {2}invariant=INV-1/);
        t.match(found.log.join('\n'), /E00\d {3}state {2}mode=VOLTAGE_REFERENCE/);
      },
    );

    t.test(
      'an operator who lowered the mode in a part of the community says run until all of it has heard (RULE-12)',
      { timeout: 120_000 },
      async (t) => {
        const faults: readonly PlannedFault[] = [
          {
            atMsec: 60_000,
            forMsec: 60_000,
            mishap: { kind: 'network', trouble: { kind: 'partition', units: ['E002', 'E003'] } },
          },
          // Said and taken back while the others cannot hear of it, and there is nobody to stamp it.
          { atMsec: 70_000, forMsec: 20_000, mishap: { kind: 'mode', victim: 'E002', value: 'heteronomous' } },
        ];
        const told = await new ChaosRun({ seed: 1, units: 4, faults, faultsUntilMsec: 3 * MINUTE }).run();
        t.same(told.violations, []);
      },
    );
  },
);

t.test('cli: apis chaos', { timeout: 120_000 }, async (t) => {
  const failure: Partial<SeedReport> = {
    violations: [{ invariant: 'INV-3', subject: 's', message: 'E001 goes on', at: 61_000 }],
    shrunk: { faults: ['0:01:00.000 crash'], log: ['0:01:00.500  E001   x'], trials: 7 },
  };
  const go = async (bad: readonly number[], json: boolean) => {
    const out: string[] = [];
    const err: string[] = [];
    let open = 0;
    const world: ChaosWorld = {
      width: 2,
      monotonic: () => 0,
      runner: () => {
        open += 1;
        return {
          run: async (seed, failing) => {
            const [first] = failure.violations ?? [];
            if (bad.includes(seed) && first !== undefined) failing(first);
            return {
              ...{
                seed,
                faults: 3,
                faultsInDeals: 2,
                deals: 5,
                virtualMsec: 3_600_000,
                fingerprint: '',
                violations: [],
              },
              ...(bad.includes(seed) ? failure : {}),
            };
          },
          close: async () => {
            open -= 1;
          },
        };
      },
    };
    const values = { units: 4, hours: 1, seeds: { first: 15, last: 18 }, json };
    const code = await chaos(values, world, { out: (text) => out.push(text), err: (text) => err.push(text) });
    t.equal(open, 0, 'no thread is left');
    return { code, out: out.join(''), err: err.join('') };
  };

  t.test('all is well', async (t) => {
    const { code, out, err } = await go([], false);
    t.equal(code, 0);
    t.equal(
      out,
      '4 runs of 4 units and 1 h: INV-1 to INV-11 held; 12 faults, 67 % of them while current flowed, 20 deals, 0 s\n',
    );
    t.match(err, /chaos: seed 15 ok: 3 faults, 5 deals \(1 of 4\)/);
  });

  t.test('a failure prints its seed, its faults and what happened, and how to see it again', async (t) => {
    const { code, out, err } = await go([17], false);
    t.equal(code, 1);
    t.match(out, /^seed 17 FAILED\n {2}0:01:01\.000 INV-3: E001 goes on$/m);
    t.match(out, /these faults are enough \(found in 7 runs\):\n {4}0:01:00\.000 crash$/m);
    t.match(out, /what happened before:\n {4}0:01:00\.500 {2}E001 {3}x$/m);
    t.match(out, /again: apis chaos --units 4 --hours 1 --seeds 17$/m);
    t.match(out, /FAILED: 1 of 4 seeds \(17\)/);
    t.match(err, /seed 17 FAILED: INV-3 E001 goes on; looking for the faults that are enough\n/, 'at once');
    t.match(err, /seed 17 FAILED: INV-3 E001 goes on \(/);
  });

  t.test('one JSON object', async (t) => {
    const { code, out } = await go([16, 18], true);
    t.equal(code, 1);
    const told = JSON.parse(out);
    t.match(told, { units: 4, hours: 1, seeds: 4, failedSeeds: [16, 18], faults: 12, virtualHours: 4 });
    t.equal(told.failures[0].shrunk.trials, 7);
  });
});

t.test('chaos.ts: some seeds hold, and each tells the same wherever it runs', { timeout: 120_000 }, async (t) => {
  const options = { units: 4, hours: 0.1 };
  const noFailure = ({ message }: Violation): void => {
    t.fail(message);
  };
  const reports: SeedReport[] = [];
  for (let seed = 1; seed <= 3; seed += 1) reports.push(await chaosSeed(seed, options, noFailure));
  for (const { seed, violations, deals } of reports) {
    t.same(violations, [], `seed ${seed}`);
    t.ok(deals > 0);
  }
  t.ok(reports.reduce((sum, { faults }) => sum + faults, 0) > 3);
  t.equal(new Set(reports.map(({ fingerprint }) => fingerprint)).size, 3, 'each seed is another run');

  const worker = new ChaosWorker(options);
  t.teardown(() => worker.close());
  // The other way round, so that each has another one before it; the thread begins with the last.
  const again = reports.slice(-2).toReversed();
  for (const report of again)
    t.same(await worker.run(report.seed, noFailure), report, `seed ${report.seed} in a thread`);
  t.same(await chaosSeed(1, options, noFailure), reports[0], 'after all the others');
});
