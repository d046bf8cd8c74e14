import t, { type Test } from 'tap';
import type { Deal } from '../src/domain/deal.ts';
import type { CommandBody } from '../src/domain/messages.ts';
import { DealBook } from '../src/grid-master/deal-book.ts';
import { aDeal, type Fate, gridPolicy, ScriptedGrid, UNITS } from './support/scripted-grid.ts';

const ALL_WAIT = Object.fromEntries(UNITS.map((unitId) => [unitId, 'WAIT']));

/** A grid master that has settled. */
async function aGrid(policy = gridPolicy()): Promise<ScriptedGrid> {
  const grid = new ScriptedGrid(policy);
  grid.master.start();
  await grid.run(100);
  return grid;
}

async function started(t: Test, grid: ScriptedGrid, ...deals: readonly Deal[]): Promise<void> {
  for (const deal of deals) {
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 10_000), `${deal.dealId} starts`);
  }
}

/** Nothing is left on the bus, and no rule was broken on the way. */
function safe(t: Test, grid: ScriptedGrid): void {
  t.same(grid.modes, ALL_WAIT, 'every converter is in WAIT');
  t.same(grid.violations, [], 'no rule was broken');
  t.same(grid.grid?.permits, [], 'no permit is left (INV-2)');
}

const since = (grid: ScriptedGrid, count: number): readonly string[] => grid.commands.slice(count);

const isControl = (body: CommandBody, command: string): boolean =>
  body.kind === 'control' && body.device.command === command;

/** Two deals of it together are more than one converter can bear. */
const TWO = { dealGridCurrentA: 2 };

/** Fails the first `times` commands of that name to that unit. */
function failing(
  grid: ScriptedGrid,
  unitId: string,
  command: string,
  fate: Fate,
  times = Number.POSITIVE_INFINITY,
): void {
  let left = times;
  grid.fate = (to, body) => {
    if (to !== unitId || !isControl(body, command) || left <= 0) return 'obey';
    left -= 1;
    return fate;
  };
}

t.test('§13.2.1 a single deal', async (t) => {
  const grid = await aGrid();
  const deal = aDeal('E001', 'E002');
  const began = grid.clock.monotonic();
  grid.add(deal);
  t.ok(await grid.runUntil(() => grid.unit('E002').mode === 'DISCHARGE', 5_000));
  t.ok(grid.clock.monotonic() - began < 300, 'the grid master adds less than 0.3 s to the first current');
  t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
  t.same(grid.commands, [
    'E001 VOLTAGE_REFERENCE',
    'E001 voltageReferenceAuthorization',
    'E002 DISCHARGE 1',
    'E002 WAIT',
    'E001 WAIT',
  ]);
  safe(t, grid);
  const marks = grid.unit('E001').journal.flatMap((one) => Object.keys(one).filter((key) => key.endsWith('DateTime')));
  t.same(
    [...new Set(marks)],
    [
      'requestDateTime',
      'acceptDateTime',
      'createDateTime',
      'activateDateTime',
      'rampUpDateTime',
      'warmUpDateTime',
      'startDateTime',
      'cumulateDateTime',
      'stopDateTime',
      'deactivateDateTime',
    ],
    'all marks in order (§4.1)',
  );
  const record = grid.deal(deal.dealId);
  const overshoot = ((record.cumulateAmountWh ?? 0) - 50) / 50;
  t.ok(overshoot > 0 && overshoot < 0.001, `overshoot ${overshoot}`);
  t.equal(record.compensationTargetVoltageReferenceGridCurrentA, 1);
  t.equal(record.isMaster, undefined);
  t.equal(record.abortReason, undefined);
  t.same(grid.unit('E001').journal.at(-1), grid.unit('E002').journal.at(-1), 'both records are equal (INV-7)');
  t.same(grid.faults, []);
});

t.test('§13.2.2 a second deal that shares the voltage reference', async (t) => {
  const grid = await aGrid();
  const [first, second] = [aDeal('E001', 'E002'), aDeal('E001', 'E003')];
  await started(t, grid, first);
  const count = grid.commands.length;
  await started(t, grid, second);
  t.same(since(grid, count), ['E003 DISCHARGE 1'], 'the reference is there already');
  t.equal(grid.deal(second.dealId).compensationTargetVoltageReferenceGridCurrentA, 2);
  t.equal(grid.deal(second.dealId).isMaster, undefined);
  t.ok(await grid.runUntil(() => grid.isGone(second.dealId)));
  safe(t, grid);
  const total = grid.finished.reduce((sum, deal) => sum + (deal.cumulateAmountWh ?? 0), 0);
  t.ok(Math.abs(total - grid.unit('E001').energyWh) < 0.1, 'the shares add up to what the reference unit got (INV-8)');
});

t.test('§13.2.2 a second deal between two other units', async (t) => {
  const grid = await aGrid();
  const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
  await started(t, grid, first);
  const count = grid.commands.length;
  await started(t, grid, second);
  t.same(since(grid, count), ['E003 CHARGE 1', 'E004 DISCHARGE 1'], 'master side, then slave side');
  t.equal(grid.deal(second.dealId).compensationTargetVoltageReferenceGridCurrentA, 1, 'the reference comes back');
  t.ok(await grid.runUntil(() => grid.finished.length === 2));
  safe(t, grid);
});

t.test('two constant-current sides come in by turns, each marked when its turn comes (S16)', async (t) => {
  const grid = await aGrid();
  const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004', TWO)];
  await started(t, grid, first);
  const count = grid.commands.length;
  const marked: (string | undefined)[] = [];
  grid.fate = (unitId, body) => {
    if (body.kind === 'control' && unitId !== 'E001')
      marked.push(grid.unit('E004').deals.get(second.dealId)?.warmUpDateTime);
    return 'obey';
  };
  await started(t, grid, second);
  t.same(since(grid, count), ['E003 CHARGE 1', 'E004 DISCHARGE 1', 'E003 current 2', 'E004 current 2']);
  t.equal(marked[0], undefined, 'the slave side waits until it is its turn');
  t.ok(marked[1]);
});

t.test('§13.2.3 the master deal ends first', async (t) => {
  t.test('(a) another deal on the same reference unit: nothing moves', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 20 }), aDeal('E001', 'E003')];
    await started(t, grid, first, second);
    const count = grid.commands.length;
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId)));
    t.same(since(grid, count), ['E002 WAIT']);
    t.equal(grid.deal(second.dealId).isMaster, true);
    t.equal(grid.grid?.masterDealId, second.dealId);
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId)));
    safe(t, grid);
  });

  t.test('(b) no other deal there: hand-over quartet, new reference without droop, old one in WAIT', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 20 }), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    const count = grid.commands.length;
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId)));
    t.same(since(grid, count), [
      'E002 WAIT',
      'E001 voltageReferenceWillHandOver',
      'E003 voltageReferenceWillTakeOver',
      'E001 voltageReferenceDidHandOver WAIT',
      'E003 voltageReferenceDidTakeOver',
    ]);
    t.equal(grid.unit('E003').drg, 0);
    t.equal(grid.unit('E001').mode, 'WAIT');
    t.equal(grid.grid?.voltageReferenceUnitId, 'E003');
    t.ok(
      grid.published.some(({ handOver }) => handOver?.from === 'E001' && handOver.to === 'E003'),
      'the hand-over is published (RULE-8)',
    );
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId)));
    safe(t, grid);
  });
});

t.test('§13.2.4 units of large capacity', async (t) => {
  const largeCapacity = (...unitIds: string[]) => gridPolicy({ policy: { largeCapacityUnitIds: unitIds } });

  t.test('on the slave side of the first deal: the sides are exchanged', async (t) => {
    const grid = await aGrid(largeCapacity('E002'));
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    t.same(grid.commands, ['E002 VOLTAGE_REFERENCE', 'E002 voltageReferenceAuthorization', 'E001 CHARGE 1']);
    t.equal(grid.deal(deal.dealId).compensationTargetVoltageReferenceGridCurrentA, -1);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    safe(t, grid);
  });

  t.test('on the master side of a further deal: the reference moves to it', async (t) => {
    const grid = await aGrid(largeCapacity('E003'));
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first);
    const count = grid.commands.length;
    await started(t, grid, second);
    t.same(since(grid, count), [
      'E001 voltageReferenceWillHandOver',
      'E003 voltageReferenceWillTakeOver',
      'E001 voltageReferenceDidHandOver CHARGE 1',
      'E003 voltageReferenceDidTakeOver',
      'E004 DISCHARGE 1',
    ]);
    t.equal(grid.deal(first.dealId).isMaster, undefined);
    t.equal(grid.deal(second.dealId).isMaster, true);
    t.ok(await grid.runUntil(() => grid.finished.length === 2));
    safe(t, grid);
  });

  t.test('on the slave side of a further deal: exchanged and moved', async (t) => {
    const grid = await aGrid(largeCapacity('E004'));
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    t.equal(grid.grid?.voltageReferenceUnitId, 'E004');
    t.same(grid.modes, { E001: 'CHARGE', E002: 'DISCHARGE', E003: 'CHARGE', E004: 'VOLTAGE_REFERENCE' });
    t.ok(await grid.runUntil(() => grid.finished.length === 2));
    safe(t, grid);
  });
});

t.test('§13.2.5 authorisation', async (t) => {
  t.test('fails once: the deal is reset and tries again on an idle bus', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    failing(grid, 'E001', 'voltageReferenceAuthorization', 'refuse', 1);
    await started(t, grid, deal);
    t.equal(grid.deal(deal.dealId).reset?.length, 1);
    t.ok(grid.faults.some((fault) => fault.reason === 'grid.authorisation-failed' && fault.unitId === 'E001'));
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    safe(t, grid);
  });

  t.test('fails three times: the reset limit ends the deal', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    failing(grid, 'E001', 'voltageReferenceAuthorization', 'refuse');
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    const record = grid.deal(deal.dealId);
    t.equal(record.reset?.length, 3);
    t.equal(record.abortReason, 'deal.reset-limit-reached');
    t.equal(record.activateDateTime, '--');
    safe(t, grid);
  });

  t.test('a current on a bus that should be idle counts as failed (RULE-10, S19)', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    grid.leakA = 0.3;
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.match(grid.deal(deal.dealId).reset?.[0]?.reason, /E001 : -0.3 A flow on a bus that should be idle/);
    t.notOk(grid.commands.includes('E001 voltageReferenceAuthorization'));
    safe(t, grid);
  });

  t.test('fails, and the reference does not go to WAIT either: the deal is aborted', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    grid.fate = (to, body) =>
      to === 'E001' && (isControl(body, 'voltageReferenceAuthorization') || isControl(body, 'WAIT'))
        ? 'refuse'
        : 'obey';
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.match(grid.deal(deal.dealId).abortReason, /peer.refused/);
    t.ok(grid.faults.some((fault) => fault.reason === 'deal.stop-failed' && fault.unitId === 'E001'));
    t.same(grid.grid?.permits, [], 'its permit is not renewed, so it goes to WAIT by itself (INV-2)');
    t.ok(grid.commands.includes('E002 WAIT'));
  });
});

t.test('§13.2.6 ramp-up', async (t) => {
  t.test('is watched until the bus has its voltage', async (t) => {
    const grid = await aGrid();
    grid.slewVPerSec = 50;
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 9_000), '7 s of ramp');
    t.same(grid.violations, []);
  });

  t.test('whose fault cannot be told ends the deal all the same', async (t) => {
    const grid = await aGrid();
    grid.slewVPerSec = 1;
    grid.faults.push = () => {
      throw new Error('nobody takes it');
    };
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.match(grid.deal(deal.dealId).abortReason, /nobody takes it/);
    safe(t, grid);
  });

  t.test('that takes too long is a fault of the bus and ends the deal', async (t) => {
    const grid = await aGrid();
    grid.slewVPerSec = 1;
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.match(grid.deal(deal.dealId).abortReason, /grid.ramp-up-timeout/);
    t.match(grid.faults.at(-1), {
      category: 'HARDWARE',
      extent: 'GLOBAL',
      level: 'ERROR',
      reason: 'grid.ramp-up-timeout',
    });
    safe(t, grid);
    const next = aDeal('E003', 'E004');
    grid.slewVPerSec = undefined;
    grid.add(next);
    await grid.run(5_000);
    t.notOk(grid.isStarted(next.dealId), 'nothing begins while the error is sustained (D7)');
    t.ok(await grid.runUntil(() => grid.isStarted(next.dealId), 40_000), 'and then it does (INV-10)');
  });

  t.test('beyond the allowed voltage ends the deal (S21)', async (t) => {
    const grid = await aGrid();
    grid.slewVPerSec = 50;
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    await grid.run(1_000);
    grid.heldV = 400;
    grid.slewVPerSec = undefined;
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 5_000));
    t.equal(grid.deal(deal.dealId).abortReason, 'deal.voltage-too-high');
    safe(t, grid);
  });
});

t.test('deals that reach their amounts together leave one after the other, each with both sides (INV-4)', async (t) => {
  const grid = await aGrid();
  const small = { dealAmountWh: 2 };
  await started(t, grid, aDeal('E001', 'E002'));
  await grid.run(1_000);
  const [second, third] = [aDeal('E003', 'E004', small), aDeal('E003', 'E002', small)];
  await started(t, grid, second, third);
  const count = grid.commands.length;
  grid.latencyMsec = 400; // the one becomes due while the other is being stopped
  t.ok(await grid.runUntil(() => grid.isGone(second.dealId) && grid.isGone(third.dealId), 60_000));
  t.same(since(grid, count), ['E004 WAIT', 'E003 current 1', 'E002 current 1', 'E003 WAIT']);
});

t.test('§13.2.7 limits of charge', async (t) => {
  for (const [unitId, rsoc, reason] of [
    ['E002', 19.9, 'E002 : dischargeUnitLowerLimitRsoc'],
    ['E001', 95.1, 'E001 : chargeUnitUpperLimitRsoc'],
  ] as const) {
    t.test(`${unitId} at ${rsoc} %`, async (t) => {
      const grid = await aGrid();
      const deal = aDeal('E001', 'E002');
      await started(t, grid, deal);
      await grid.run(30_000);
      const count = grid.commands.length;
      grid.unit(unitId).rsoc = rsoc;
      grid.push(unitId);
      t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 2_000));
      t.same(since(grid, count), ['E002 WAIT', 'E001 WAIT'], 'slave side first');
      const record = grid.deal(deal.dealId);
      t.equal(record.abortReason, reason);
      t.ok((record.cumulateAmountWh ?? 0) > 2.9, 'what has flowed is in the record');
      safe(t, grid);
    });
  }
});

t.test('§13.2.8 stop requests', async (t) => {
  t.test('before activation: nothing is touched', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E002', 'E003')];
    await started(t, grid, first);
    const count = grid.commands.length;
    grid.add(second);
    await grid.run(1_000);
    grid.master.requestStop(second.dealId, ['not wanted']);
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId), 1_000));
    t.same(since(grid, count), []);
    t.equal(grid.deal(second.dealId).abortReason, '["not wanted"]');
    t.equal(grid.deal(second.dealId).needToStopReasons, undefined, 'requests live in memory only (§4.12)');
  });

  t.test('during ramp-up', async (t) => {
    const grid = await aGrid();
    grid.slewVPerSec = 10;
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    await grid.run(3_000);
    grid.master.requestStop(deal.dealId, ['a', 'b']);
    grid.master.requestStop(deal.dealId, ['b']);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 1_000));
    t.same(grid.commands, ['E001 VOLTAGE_REFERENCE', 'E002 WAIT', 'E001 WAIT'], 'both sides are told');
    t.equal(grid.deal(deal.dealId).abortReason, '["a","b"]');
    t.equal(grid.deal(deal.dealId).startDateTime, '--');
    safe(t, grid);
  });

  t.test('while running, and for a deal nobody knows', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    grid.master.requestStop('unknown', ['x']);
    grid.master.requestStop(deal.dealId, ['x']);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 1_000));
    safe(t, grid);
  });

  t.test('each reason is written once, beside those of a former grid master, and none after the end', async (t) => {
    const deal = aDeal('E001', 'E002', { needToStopReasons: ['a'] });
    const book = new DealBook(2);
    book.refresh([{ deal, holders: ['E001', 'E002'], endedAt: [] }], 0);
    t.equal(book.requestStop(deal.dealId, ['a']), false);
    t.equal(book.requestStop(deal.dealId, ['a', 'b']), true);
    t.same(book.get(deal.dealId)?.needToStopReasons, ['a', 'b']);
    t.equal(book.requestStop(deal.dealId, ['b']), false);
    book.change(deal.dealId, { deactivateDateTime: '2026/01/01-00:10:00' }, 0);
    t.equal(book.requestStop(deal.dealId, ['c']), false, 'a record that has ended stays as it is (RULE-13)');
  });

  t.test('on the master deal with a successor: the voltage is handed over', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    grid.master.requestStop(first.dealId, ['x']);
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId), 2_000));
    t.equal(grid.grid?.voltageReferenceUnitId, 'E003');
    t.same(grid.modes, { ...ALL_WAIT, E003: 'VOLTAGE_REFERENCE', E004: 'DISCHARGE' });
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId)));
    safe(t, grid);
  });
});

t.test('a stopped voltage reference lingers for the next deal (gridMaster.lingerMsec)', async (t) => {
  const short = { dealAmountWh: 5 };

  async function lingering(t: Test, policy = gridPolicy()): Promise<{ grid: ScriptedGrid; first: Deal }> {
    const grid = await aGrid(policy);
    const first = aDeal('E001', 'E002', short);
    await started(t, grid, first);
    t.ok(await grid.runUntil(() => grid.deal(first.dealId).stopDateTime !== undefined));
    return { grid, first };
  }

  t.test('and goes to WAIT when none comes', async (t) => {
    const { grid, first } = await lingering(t);
    await grid.run(2_800);
    t.equal(grid.unit('E001').mode, 'VOLTAGE_REFERENCE');
    t.same(grid.grid?.permits, [{ unitId: 'E001', modes: ['VOLTAGE_REFERENCE'], dealIds: [first.dealId] }]);
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId), 500));
    safe(t, grid);
  });

  t.test('and stays when it is a party of the next deal, on whichever side', async (t) => {
    for (const next of [aDeal('E001', 'E003'), aDeal('E003', 'E001')]) {
      const { grid, first } = await lingering(t);
      const count = grid.commands.length;
      await started(t, grid, next);
      const slave = next.chargeUnitId === 'E001' ? 'E003 DISCHARGE 1' : 'E003 CHARGE 1';
      t.same(since(grid, count), [slave], 'no ramp, no authorisation');
      t.ok(await grid.runUntil(() => grid.isGone(first.dealId), 50));
      t.equal(grid.deal(next.dealId).isMaster, true);
      t.ok(await grid.runUntil(() => grid.isGone(next.dealId)));
      safe(t, grid);
    }
  });

  t.test('and is handed over when the next deal is between other units', async (t) => {
    const { grid, first } = await lingering(t);
    const count = grid.commands.length;
    const next = aDeal('E003', 'E004');
    await started(t, grid, next);
    t.same(since(grid, count), [
      'E001 voltageReferenceWillHandOver',
      'E003 voltageReferenceWillTakeOver',
      'E001 voltageReferenceDidHandOver WAIT',
      'E003 voltageReferenceDidTakeOver',
      'E004 DISCHARGE 1',
    ]);
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId), 50));
    t.ok(await grid.runUntil(() => grid.isGone(next.dealId)));
    safe(t, grid);
  });

  t.test('with the measured voltage when policy says so', async (t) => {
    const { grid } = await lingering(t, gridPolicy({ gridMaster: { voltageReferenceTakeOverDvg: 'actual' } }));
    grid.unit('E001').dvg = 340;
    const next = aDeal('E003', 'E004');
    await started(t, grid, next);
    t.equal(grid.unit('E003').dvg, 340);
  });

  t.test('and ends at once on a stop request', async (t) => {
    const { grid, first } = await lingering(t);
    grid.master.requestStop(first.dealId, ['x']);
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId), 500));
    t.equal(grid.deal(first.dealId).abortReason, undefined, 'it had its amount');
    safe(t, grid);
  });
});

t.test('queued deals (S24)', async (t) => {
  t.test('a deal against the direction of a running one waits for its end (INV-5)', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E002', 'E003')];
    await started(t, grid, first);
    grid.add(second);
    t.ok(await grid.runUntil(() => grid.isStarted(second.dealId)));
    t.ok(grid.deal(first.dealId).stopDateTime !== undefined);
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId)));
    safe(t, grid);
  });

  t.test('a deal that cannot start in time ends with its reason', async (t) => {
    const base = gridPolicy().gridMaster;
    const grid = await aGrid(gridPolicy({ gridMaster: { deal: { ...base.deal, startTimeoutMsec: 10_000 } } }));
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E002', 'E003')];
    await started(t, grid, first);
    const count = grid.commands.length;
    grid.add(second);
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId), 12_000));
    t.equal(grid.deal(second.dealId).abortReason, 'deal.start-overdue : admission.direction');
    t.same(since(grid, count), [], 'no converter was touched');
    t.equal(grid.modes.E001, 'VOLTAGE_REFERENCE');
  });

  t.test('a deal that the reference cannot bear waits (INV-4, S16)', async (t) => {
    const grid = await aGrid();
    grid.unit('E001').capacityA = 1.5;
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E001', 'E003')];
    await started(t, grid, first);
    grid.add(second);
    await grid.run(5_000);
    t.notOk(grid.isStarted(second.dealId));
    t.ok(await grid.runUntil(() => grid.isStarted(second.dealId)), 'until the first has stopped');
    t.same(grid.violations, []);
  });

  t.test('a deal that one of its parties has not journalled does not exist', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    grid.unit('E002').deals.delete(deal.dealId);
    await grid.run(5_000);
    t.same(grid.commands, []);
  });

  t.test('a deal whose acceptor forgot it before it began is dropped (RULE-14)', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E002', 'E003')];
    await started(t, grid, first);
    grid.add(second);
    await grid.run(1_000);
    grid.unit('E003').deals.delete(second.dealId);
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId)));
    await grid.run(10_000);
    t.notOk(grid.isStarted(second.dealId));
    t.notOk(grid.isGone(second.dealId));
  });
});

t.test('a bus that is not idle before a first deal', async (t) => {
  t.test('is waited for while it decays (S8)', async (t) => {
    const grid = await aGrid();
    grid.busV = 350;
    grid.decayVPerSec = 2;
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    await grid.run(10_000);
    t.same(grid.commands, []);
    t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 20_000), 'below min + 2·sep');
    t.same(grid.faults, []);
  });

  t.test('is a fault when somebody holds it up (S8), told once in a while', async (t) => {
    const grid = await aGrid();
    grid.heldV = 350;
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    await grid.run(70_000);
    t.same(grid.commands, []);
    t.same(
      grid.faults.map((fault) => [fault.reason, fault.level]),
      [
        ['grid.bus-held-up', 'ERROR'],
        ['grid.bus-held-up', 'ERROR'],
      ],
    );
    grid.heldV = 0;
    t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 60_000), 'and trading resumes (INV-10)');
  });

  t.test('is no idle one below the range either, while somebody unheard may hold it (INV-1, RULE-10)', async (t) => {
    for (const lose of [
      (grid: ScriptedGrid) => grid.kill('E004'),
      (grid: ScriptedGrid) => Object.assign(grid.unit('E004'), { isStale: true }),
    ]) {
      const grid = await aGrid();
      grid.heldV = 315; // between the switching threshold and the lowest voltage of a deal: a reference that died in its descent
      lose(grid);
      grid.push('E004');
      const deal = aDeal('E001', 'E002');
      grid.add(deal);
      await grid.run(40_000);
      t.same(grid.commands, []);
      t.match(grid.faults, [{ reason: 'grid.bus-held-up', level: 'ERROR' }]);
      grid.heldV = 0;
      t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 60_000), 'a bus that has fallen is held by nobody');
    }
  });

  t.test('is reported when it settles within the UVLO mask (S9)', async (t) => {
    const grid = await aGrid();
    grid.heldV = 300;
    grid.add(aDeal('E001', 'E002'));
    await grid.run(40_000);
    t.same(grid.commands, []);
    t.match(grid.faults, [{ reason: 'grid.bus-in-uvlo-mask', level: 'WARN' }]);
  });

  t.test(
    'is not energised behind a broken line while a mute converter may hold the other part (INV-1, RULE-10)',
    async (t) => {
      const grid = await aGrid();
      grid.unit('E003').isStale = true;
      grid.unit('E004').vg = 350;
      for (const unitId of ['E003', 'E004']) grid.push(unitId);
      const deal = aDeal('E001', 'E002');
      grid.add(deal);
      await grid.run(10_000);
      t.same(grid.commands, []);
      grid.unit('E003').isStale = false;
      grid.push('E003');
      t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 60_000), 'it is seen in WAIT, so one meter is wrong');
    },
  );

  t.test(
    'is not energised while a unit was never heard and any meter shows that the bus is held (INV-1, RULE-10)',
    async (t) => {
      const grid = await aGrid();
      grid.neverHeard('E004');
      grid.unit('E003').vg = 350; // the part of the bus where E004 may hold the voltage
      grid.push('E003');
      const deal = aDeal('E001', 'E002');
      grid.add(deal);
      await grid.run(10_000);
      t.same(grid.commands, []);
      grid.unit('E003').vg = undefined;
      grid.push('E003');
      t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 60_000), 'who is silent on a dead bus holds nothing');
    },
  );

  t.test('is not energised while a converter is active without an owner (INV-2)', async (t) => {
    const grid = await aGrid();
    grid.unit('E004').mode = 'CHARGE';
    grid.push('E004');
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    await grid.run(40_000);
    t.same(grid.commands, []);
    t.match(grid.faults[0]?.message, /active without a deal: E004/);
    grid.unit('E004').mode = 'WAIT';
    grid.push('E004');
    t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 60_000));
  });
});

t.test('§13.2.9 a command that fails leaves a safe bus and tells both converters', async (t) => {
  const first = ['VOLTAGE_REFERENCE', 'DISCHARGE', 'current'] as const;
  const refusing: Record<(typeof first)[number], string> = {
    VOLTAGE_REFERENCE: 'E001',
    DISCHARGE: 'E002',
    current: 'E002',
  };
  for (const command of first) {
    for (const fate of ['refuse', 'silent', 'deaf'] as const) {
      t.test(`${command}: ${fate}`, async (t) => {
        const grid = await aGrid();
        grid.unit('E002').gain = 0.95;
        failing(grid, refusing[command], command, fate);
        const deal = aDeal('E001', 'E002');
        grid.add(deal);
        t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 120_000));
        t.match(grid.deal(deal.dealId).abortReason, fate === 'refuse' ? /peer.refused/ : /peer.timeout/);
        t.ok(grid.commands.includes('E001 WAIT') && grid.commands.includes('E002 WAIT'));
        t.ok(grid.commands.indexOf('E002 WAIT') < grid.commands.indexOf('E001 WAIT'), 'slave side first');
        safe(t, grid);
      });
    }
  }

  t.test('a record that a party does not journal: nothing is raised (INV-7)', async (t) => {
    const grid = await aGrid();
    grid.fate = (to, body) => (to === 'E002' && body.kind === 'deal.update' ? 'refuse' : 'obey');
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    await grid.run(10_000);
    t.same(grid.commands, ['E002 WAIT', 'E001 WAIT']);
    grid.fate = () => 'obey';
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 5_000), 'the last record is told again until it is taken');
    t.same(grid.unit('E001').journal.at(-1), grid.unit('E002').journal.at(-1));
    safe(t, grid);
  });

  t.test('a reading before anything was touched: the deal is tried again', async (t) => {
    const grid = await aGrid();
    let left = 2;
    grid.fate = (_to, body) => {
      if (body.kind !== 'read') return 'obey';
      left -= 1;
      return left >= 0 ? 'refuse' : 'obey';
    };
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    t.equal(grid.deal(deal.dealId).reset, undefined);
  });

  t.test(
    'a reference that dies while it energises the bus: no other one does before it is out (INV-1, RULE-10)',
    async (t) => {
      const grid = await aGrid();
      grid.slewVPerSec = 5;
      const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
      grid.add(first);
      t.ok(await grid.runUntil(() => grid.modes.E001 === 'VOLTAGE_REFERENCE', 10_000));
      grid.kill('E001');
      grid.add(second);
      await grid.run(7_000);
      t.same(grid.violations, []);
      t.equal(grid.modes.E003, 'WAIT');
      Object.assign(grid.unit('E001'), { mode: 'WAIT', isAlive: true });
      grid.slewVPerSec = undefined;
      grid.push('E001');
      t.ok(await grid.runUntil(() => grid.isStarted(second.dealId), 30_000), 'then trading resumes (INV-10)');
    },
  );

  t.test('WAIT of a process that has begun anew: it is in WAIT and to blame for nothing (RULE-17)', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002', { dealAmountWh: 5 });
    await started(t, grid, deal);
    failing(grid, 'E002', 'WAIT', 'restarted', 1);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.same(grid.faults, []);
    const next = aDeal('E003', 'E002');
    grid.push('E002');
    await started(t, grid, next);
    t.ok(await grid.runUntil(() => grid.isGone(next.dealId)));
    safe(t, grid);
  });

  t.test(
    'a lower current for who has gone to WAIT by itself: there is none any more, and nobody is to blame',
    async (t) => {
      const grid = await aGrid();
      const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E003', 'E002')];
      await started(t, grid, first, second);
      failing(grid, 'E002', 'current', 'atRest');
      t.ok(await grid.runUntil(() => grid.isGone(first.dealId)));
      t.ok(grid.commands.some((command) => command.startsWith('E002 current')));
      t.equal(grid.deal(first.dealId).abortReason, undefined);
      grid.push('E002');
      t.ok(await grid.runUntil(() => grid.isGone(second.dealId)), 'what else it had ends as with any party in WAIT');
      t.notOk(grid.faults.some(({ reason }) => reason === 'deal.stop-failed'));
      const next = aDeal('E003', 'E002', { dealAmountWh: 5 });
      await started(t, grid, next);
      t.ok(await grid.runUntil(() => grid.isGone(next.dealId)));
      safe(t, grid);
    },
  );

  t.test('WAIT of the slave side at the regular end: recorded, blamed on that unit, and its permit ends', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002', { dealAmountWh: 5 });
    await started(t, grid, deal);
    failing(grid, 'E002', 'WAIT', 'refuse');
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.equal(grid.deal(deal.dealId).abortReason, 'deal.stop-failed : E002');
    t.ok(grid.faults.every((fault) => fault.reason === 'deal.stop-failed' && fault.unitId === 'E002'));
    t.same(grid.grid?.permits, []);
    const next = aDeal('E003', 'E004');
    grid.add(next);
    await grid.run(5_000);
    t.notOk(grid.isStarted(next.dealId), 'while it may still be active nothing begins (RULE-10)');
    Object.assign(grid.unit('E002'), { mode: 'WAIT', isUnsettled: true });
    grid.push('E002');
    await grid.run(1_000);
    t.notOk(grid.isStarted(next.dealId), 'nor while a write of it is not settled, though it reads WAIT (RULE-3)');
    grid.unit('E002').isUnsettled = false;
    grid.push('E002');
    t.ok(await grid.runUntil(() => grid.isStarted(next.dealId), 5_000), 'seen in WAIT, trading resumes (INV-10)');
  });
});

t.test(
  '§13.2.9 each fault-injection flag of §4.15: the bus ends safe, no deal is left and none holds a slot',
  async (t) => {
    const steps = [
      ['Activate', 'E001', 'VOLTAGE_REFERENCE'],
      ['Authorize', 'E001', 'voltageReferenceAuthorization'],
      ['WarmUp', 'E002', 'DISCHARGE'],
      ['Compensate', 'E002', 'current'],
      ['Stop', 'E002', 'WAIT'],
      ['Deactivate', 'E001', 'WAIT'],
    ] as const;
    for (const [step, unitId, command] of steps) {
      // Before: the command is refused; after: it is carried out, and nobody hears of it.
      for (const [flag, fate] of [
        [`failBefore${step}`, 'refuse'],
        [`failAfter${step}`, 'silent'],
      ] as const) {
        t.test(flag, async (t) => {
          const grid = await aGrid();
          grid.unit('E002').gain = 0.95;
          const isAtTheEnd = command === 'WAIT';
          failing(grid, unitId, command, fate, isAtTheEnd ? 1 : undefined);
          const deal = aDeal('E001', 'E002', { dealAmountWh: 5 });
          grid.add(deal);
          t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 240_000));
          await grid.run(5_000);
          t.same(
            grid.finished.map(({ dealId }) => dealId),
            [deal.dealId],
            'one record, and no deal is left open',
          );
          for (const id of UNITS) t.same([...grid.unit(id).deals.keys()], [], `${id} holds no slot`);
          if (flag === 'failBeforeDeactivate') {
            t.match(grid.faults.at(-1), { reason: 'deal.stop-failed', unitId: 'E001' });
            t.same(grid.grid?.permits, [], 'it has no leave any more, and goes to WAIT by itself (INV-2)');
            grid.unit('E001').mode = 'WAIT';
          }
          safe(t, grid);
        });
      }
    }
  },
);

t.test('a hand-over that fails (D14)', async (t) => {
  const cases = [
    ['E001', 'voltageReferenceWillHandOver', 'rolled back'],
    ['E003', 'voltageReferenceWillTakeOver', 'rolled back'],
    ['E001', 'voltageReferenceDidHandOver', 'completed'],
    ['E003', 'voltageReferenceDidTakeOver', 'completed'],
  ] as const;
  for (const [unitId, command, outcome] of cases) {
    for (const fate of ['refuse', 'silent'] as const) {
      t.test(`at the end of the master deal, ${command} (${fate}): ${outcome}`, async (t) => {
        const grid = await aGrid();
        const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E003', 'E004')];
        await started(t, grid, first, second);
        failing(grid, unitId, command, fate, 1);
        t.ok(await grid.runUntil(() => grid.isGone(first.dealId)));
        t.equal(grid.deal(first.dealId).abortReason, undefined, 'the deal that ends is not to blame');
        if (outcome === 'completed') {
          t.same(grid.modes, { ...ALL_WAIT, E003: 'VOLTAGE_REFERENCE', E004: 'DISCHARGE' });
          t.equal(grid.unit('E003').drg, 0);
        } else {
          t.equal(grid.deal(second.dealId).abortReason, 'hand-over.rolled-back : E003');
        }
        t.ok(await grid.runUntil(() => grid.isGone(second.dealId)));
        safe(t, grid);
      });
    }

    t.test(`when a deal joins a lingering reference, ${command}: ${outcome}`, async (t) => {
      const grid = await aGrid();
      const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E003', 'E004')];
      await started(t, grid, first);
      t.ok(await grid.runUntil(() => grid.deal(first.dealId).stopDateTime !== undefined));
      failing(grid, unitId, command, 'refuse', 1);
      grid.add(second);
      t.ok(await grid.runUntil(() => grid.isGone(second.dealId)));
      if (outcome === 'rolled back') t.match(grid.deal(second.dealId).abortReason, /hand-over.rolled-back/);
      else t.equal(grid.deal(second.dealId).abortReason, undefined);
      t.ok(await grid.runUntil(() => grid.isGone(first.dealId)));
      safe(t, grid);
    });
  }

  t.test('and cannot be repaired: everything stops in order', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    grid.fate = (to, body) =>
      to === 'E001' && (isControl(body, 'voltageReferenceDidHandOver') || isControl(body, 'WAIT')) ? 'refuse' : 'obey';
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId)));
    await grid.run(100);
    t.match(grid.deal(second.dealId).abortReason, /hand-over.lost/);
    t.ok(grid.commands.includes('E001 scram'), 'the one that does not obey is told in every way');
    t.ok(grid.faults.some((fault) => fault.reason === 'hand-over.lost'));
    safe(t, grid);
  });
});

t.test('modes (control.md §6)', async (t) => {
  for (const mode of ['stop', 'manual'] as const) {
    t.test(`${mode} stops all deals in order: currents together, the voltage last (D22, RULE-19)`, async (t) => {
      const grid = await aGrid();
      const [first, second, third] = [aDeal('E001', 'E002'), aDeal('E003', 'E004'), aDeal('E002', 'E003')];
      await started(t, grid, first, second);
      grid.add(third);
      await grid.run(20_000);
      const count = grid.commands.length;
      const began = grid.clock.monotonic();
      grid.setMode(mode);
      t.ok(await grid.runUntil(() => grid.finished.length === 3, 2_000));
      t.ok(grid.clock.monotonic() - began < 1_000, 'within stopTimeoutMsec');
      t.same(since(grid, count).toSorted(), ['E001 WAIT', 'E002 WAIT', 'E003 WAIT', 'E004 WAIT']);
      t.equal(since(grid, count).at(-1), 'E001 WAIT');
      for (const deal of [first, second, third]) t.equal(grid.deal(deal.dealId).abortReason, `mode.${mode}`);
      t.ok((grid.deal(first.dealId).cumulateAmountWh ?? 0) > 1.9, 'the account is closed');
      safe(t, grid);
      grid.add(aDeal('E001', 'E002'));
      await grid.run(1_000);
      t.equal(grid.finished.length, 4, 'a deal that comes afterwards is refused');
    });
  }

  t.test('stop in the middle of a step: the step raises nothing more (RULE-11)', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    grid.latencyMsec = 200;
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.commands.includes('E001 voltageReferenceAuthorization'), 5_000));
    grid.setMode('stop');
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 5_000));
    t.notOk(grid.commands.includes('E002 DISCHARGE 1'));
    safe(t, grid);
  });

  t.test('stop with a unit that does not obey: SCRAM follows, and the voltage goes down all the same', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    const count = grid.commands.length;
    failing(grid, 'E002', 'WAIT', 'deaf');
    grid.setMode('stop');
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 5_000));
    t.same(since(grid, count), ['E002 WAIT', 'E002 scram', 'E001 WAIT']);
    safe(t, grid);
  });

  t.test('heteronomous lets deals run to their end', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002', { dealAmountWh: 5 });
    await started(t, grid, deal);
    grid.setMode('heteronomous');
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.equal(grid.deal(deal.dealId).abortReason, undefined);
    safe(t, grid);
  });
});

t.test('SCRAM (control.md §7.4)', async (t) => {
  t.test('all currents at once, the voltage as soon as nothing flows', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    const count = grid.commands.length;
    const began = grid.clock.monotonic();
    await Promise.all([grid.master.scram('over-voltage'), grid.run(4_000)]);
    t.same(since(grid, count), ['E002 scram', 'E003 scram', 'E004 scram', 'E001 scram']);
    t.ok(grid.finished.length === 2);
    t.equal(grid.deal(first.dealId).scramReason, '["over-voltage"]');
    t.ok(grid.clock.monotonic() - began >= 0);
    safe(t, grid);
  });

  t.test('the voltage after its delay when a current does not end, and not before', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    grid.fate = (to, body) => (to === 'E002' && body.kind === 'control' ? 'deaf' : 'obey');
    const ended = grid.master.scram('y');
    await grid.run(1_900);
    t.notOk(grid.commands.includes('E001 scram'));
    await grid.run(20_000);
    await ended;
    t.ok(grid.commands.includes('E001 scram'));
    t.equal(grid.modes.E001, 'WAIT');
    t.same(grid.grid?.permits, []);
  });

  t.test(
    'in a hand-over of which one reference dies and is forgotten: the other one is told all the same',
    async (t) => {
      const grid = await aGrid();
      const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
      await started(t, grid, first, second);
      grid.master.requestStop(first.dealId, ['x']);
      t.ok(await grid.runUntil(() => grid.commands.includes('E003 voltageReferenceWillTakeOver'), 2_000));
      grid.fate = (to, body) => {
        grid.latencyMsec = to === 'E003' && body.kind === 'read' ? 80 : 20;
        return 'obey';
      };
      grid.unit('E001').isStale = true;
      grid.push('E001');
      const ended = t.resolves(grid.master.scram('x'));
      await grid.run(140);
      grid.kill('E001');
      await grid.run(30_000);
      await ended;
      t.ok(grid.commands.includes('E003 scram'));
      t.equal(grid.modes.E003, 'WAIT');
    },
  );

  t.test('takes the voltage away when another converter holds it as well (INV-1)', async (t) => {
    const grid = await aGrid();
    await started(t, grid, aDeal('E001', 'E002'));
    grid.fate = (to, body) => (to !== 'E001' && body.kind === 'control' ? 'deaf' : 'obey');
    grid.unit('E003').mode = 'VOLTAGE_REFERENCE';
    const ended = grid.master.scram('x');
    await grid.run(200);
    t.equal(grid.modes.E001, 'VOLTAGE_REFERENCE', 'a current flows yet');
    grid.push('E003');
    await grid.run(300);
    t.equal(grid.modes.E001, 'WAIT', 'and is not waited for beside another voltage');
    await Promise.all([ended, grid.run(20_000)]);
  });

  t.test('does not wait for an orderly stop that is at work', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    const ended = Promise.all([grid.master.stopAll('x'), grid.master.stopAll('again'), grid.master.scram('y')]);
    await grid.run(3_000);
    await ended;
    t.ok(grid.commands.includes('E002 scram'));
    t.ok(grid.isGone(deal.dealId));
    t.equal(grid.finished.length, 1);
    safe(t, grid);
  });

  t.test('with nothing on the bus touches every converter once', async (t) => {
    const grid = await aGrid();
    await Promise.all([grid.master.scram('x'), grid.run(1_000)]);
    t.equal(grid.commands.length, 4);
  });
});

t.test('a grid master that takes over (RULE-4, RULE-8)', async (t) => {
  /** The first grid master goes without a word; `damage` is what happens before the next one starts. */
  async function takenOver(grid: ScriptedGrid, damage: () => void = () => {}): Promise<void> {
    await grid.master.stop();
    damage();
    grid.newMaster(2).start();
    await grid.run(200);
  }

  t.test('carries running deals on, touches nothing, and keeps their account', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    await grid.run(60_000);
    const count = grid.commands.length;
    await takenOver(grid);
    t.same(since(grid, count), []);
    t.equal(grid.grid?.voltageReferenceUnitId, 'E001');
    t.equal(grid.grid?.permits.length, 4, 'permits are renewed');
    t.ok(await grid.runUntil(() => grid.finished.length === 2));
    t.equal(grid.deal(first.dealId).term, 2);
    const amount = grid.deal(first.dealId).cumulateAmountWh ?? 0;
    t.ok(amount > 50 && amount < 50.3, `${amount} Wh`);
    t.ok(Math.abs(grid.unit('E001').energyWh - amount) < 0.6, 'within the resolution of the time texts');
    safe(t, grid);
  });

  t.test(
    'ends a deal of which a side was lowered before the former one could note that (RULE-11, INV-4)',
    async (t) => {
      const grid = await aGrid();
      const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
      await started(t, grid, first, second);
      const [low = ''] = ['E003', 'E004'].filter((unitId) => unitId !== grid.grid?.voltageReferenceUnitId);
      await takenOver(grid, () => {
        grid.unit(low).dig = 0; // in its mode yet: the stop was overtaken by the new term
      });
      t.ok(await grid.runUntil(() => grid.isGone(second.dealId), 20_000));
      t.match(grid.deal(second.dealId).abortReason, /party-lost/);
      t.notOk(grid.isGone(first.dealId), 'the other one goes on');
      t.ok(await grid.runUntil(() => grid.isGone(first.dealId)));
      t.equal(grid.deal(first.dealId).abortReason, undefined);
      safe(t, grid);
    },
  );

  t.test('stops to act when it is stopped itself', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    await grid.run(10);
    await Promise.all([grid.master.stop(), grid.run(1_000)]);
    const count = [grid.commands.length, grid.published.length];
    grid.change('deal');
    await grid.run(20_000);
    t.same([grid.commands.length, grid.published.length], count);
  });

  t.test('RULE-6: gives the office up with no hand-over running, and grants nothing from then on', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 20 }), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    const isCut = (): boolean => grid.grid?.handOver !== undefined && grid.unit('E001').drg > 0;
    t.ok(await grid.runUntil(isCut), 'in the midst of a hand-over');
    let hasStopped = false;
    const stopped = grid.master.stop().then(() => {
      hasStopped = true;
    });
    t.ok(await grid.runUntil(() => hasStopped, 2_000));
    await stopped;
    t.strictSame([grid.unit('E001').mode, grid.unit('E003').mode], ['WAIT', 'VOLTAGE_REFERENCE'], 'it is complete');
    t.equal(grid.unit('E003').drg, 0);
    const published = grid.published.length;
    await grid.run(1_000);
    t.equal(grid.published.length, published);
    grid.newMaster(2).start();
    await grid.run(200);
    t.equal(grid.grid?.voltageReferenceUnitId, 'E003', 'the next one finds it and carries on');
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId)));
    safe(t, grid);
  });

  const half = (grid: ScriptedGrid, marked: readonly [Deal, Deal], step: number): void => {
    const [first, second] = marked;
    const [from, to] = [grid.unit('E001'), grid.unit('E003')];
    const mark = (deal: Deal, isMaster: boolean): void => {
      for (const unit of grid.units.values()) {
        const copy = unit.deals.get(deal.dealId);
        const { isMaster: _, ...rest } = copy ?? deal;
        if (copy !== undefined) unit.deals.set(deal.dealId, isMaster ? { ...rest, isMaster: true } : rest);
      }
    };
    mark(first, true);
    mark(second, true);
    from.drg = 0.039;
    if (step >= 2) Object.assign(to, { mode: 'VOLTAGE_REFERENCE', dvg: 350, drg: 0.039, dig: to.capacityA });
    if (step >= 3) Object.assign(from, { mode: 'CHARGE', drg: 0, dig: 1 });
  };

  for (const step of [1, 2, 3]) {
    t.test(`after step ${step} of a hand-over: one reference without droop is left, deals go on`, async (t) => {
      const grid = await aGrid();
      const deals = [aDeal('E001', 'E002'), aDeal('E003', 'E004')] as const;
      await started(t, grid, ...deals);
      await takenOver(grid, () => half(grid, deals, step));
      await grid.run(1_000);
      const holders = [...grid.units.values()].filter((unit) => unit.mode === 'VOLTAGE_REFERENCE');
      t.equal(holders.length, 1);
      t.equal(holders[0]?.drg, 0);
      t.equal(grid.grid?.voltageReferenceUnitId, holders[0]?.unitId);
      const master = deals.find((deal) => deal.dealId === grid.grid?.masterDealId);
      t.ok(
        [master?.chargeUnitId, master?.dischargeUnitId].includes(holders[0]?.unitId),
        'and it is in the master deal (D13)',
      );
      t.same(
        Object.values(grid.modes).toSorted(),
        ['CHARGE', 'DISCHARGE', 'DISCHARGE', 'VOLTAGE_REFERENCE'],
        'both deals still run',
      );
      t.ok(await grid.runUntil(() => grid.finished.length === 2));
      safe(t, grid);
    });
  }

  t.test('two references, and one does not leave: everything stops (INV-1, RULE-8)', async (t) => {
    const grid = await aGrid();
    const deals = [aDeal('E001', 'E002'), aDeal('E003', 'E004')] as const;
    await started(t, grid, ...deals);
    failing(grid, 'E003', 'voltageReferenceDidHandOver', 'refuse');
    await takenOver(grid, () => half(grid, deals, 2));
    t.notOk(grid.commands.includes('E001 voltageReferenceDidTakeOver'), 'droop stays while there are two');
    await grid.run(1_000);
    t.match(grid.deal(deals[0].dealId).abortReason, /hand-over.lost/);
    safe(t, grid);
  });

  t.test('a second reference without a deal of its own goes to WAIT', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    await takenOver(grid, () => {
      grid.unit('E001').drg = 0.039;
      Object.assign(grid.unit('E003'), { mode: 'VOLTAGE_REFERENCE', dvg: 350, drg: 0.039, dig: 2.3 });
    });
    t.same(grid.modes, { ...ALL_WAIT, E001: 'VOLTAGE_REFERENCE', E002: 'DISCHARGE' });
    t.equal(grid.unit('E001').drg, 0);
  });

  t.test(
    'RULE-3: the last word of a unit that is gone makes it no reference; the one that answers stays',
    async (t) => {
      const grid = await aGrid();
      const [first, second] = [aDeal('E003', 'E004'), aDeal('E001', 'E002')];
      await started(t, grid, first, second);
      t.equal(grid.grid?.voltageReferenceUnitId, 'E003');
      const count = grid.commands.length;
      await takenOver(grid, () => {
        grid.push('E003'); // it still holds the voltage; E001 has taken over since
        Object.assign(grid.unit('E001'), { mode: 'VOLTAGE_REFERENCE', dig: 2.3 });
        grid.unit('E003').mode = 'WAIT';
        grid.kill('E003');
      });
      t.equal(grid.grid?.voltageReferenceUnitId, 'E001');
      t.same(
        since(grid, count).filter((command) => command.startsWith('E001')),
        [],
        'the only reference is not told to leave the voltage',
      );
      t.equal(grid.unit('E001').mode, 'VOLTAGE_REFERENCE');
      t.same(
        [grid.deal(first.dealId).abortReason, grid.deal(second.dealId).abortReason],
        ['deal.party-lost', undefined],
      );
    },
  );

  t.test('a master deal that the reference has no part in gives the mark away', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    await takenOver(grid, () => {
      Object.assign(grid.unit('E001'), { mode: 'CHARGE', dig: 1 });
      Object.assign(grid.unit('E003'), { mode: 'VOLTAGE_REFERENCE', dig: 2.3 });
    });
    t.equal(grid.deal(second.dealId).isMaster, true);
    t.equal(grid.deal(first.dealId).isMaster, undefined);
  });

  t.test('an activated deal without a reference is aborted', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    await takenOver(grid, () => {
      grid.unit('E001').mode = 'WAIT';
    });
    t.equal(grid.deal(deal.dealId).abortReason, 'grid.reference-lost');
    safe(t, grid);
  });

  t.test('a reference that belongs to nobody goes to WAIT, but not in manual mode (RULE-19)', async (t) => {
    for (const mode of ['autonomous', 'manual'] as const) {
      const grid = new ScriptedGrid();
      grid.mode = mode;
      grid.unit('E002').mode = 'VOLTAGE_REFERENCE';
      grid.master.start();
      await grid.run(200);
      t.same(grid.commands, mode === 'manual' ? [] : ['E002 WAIT']);
    }
  });

  for (const [state, marks] of [
    ['activated', {}],
    ['ramped up', { rampUpDateTime: '2026/01/01-00:00:00' }],
  ] as const) {
    t.test(`a first deal that was ${state} goes on from there`, async (t) => {
      const grid = new ScriptedGrid();
      Object.assign(grid.unit('E001'), { mode: 'VOLTAGE_REFERENCE', dig: 2.3 });
      const deal = aDeal('E001', 'E002', {
        ...marks,
        activateDateTime: '2026/01/01-00:00:00',
        isMaster: true,
        compensationTargetVoltageReferenceGridCurrentA: 1,
      });
      grid.add(deal);
      grid.master.start();
      t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 2_000));
      t.same(grid.commands, ['E001 voltageReferenceAuthorization', 'E002 DISCHARGE 1']);
      t.same(grid.violations, []);
    });
  }

  t.test('a further deal whose master side was commanded already goes on from there', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first);
    await grid.master.stop();
    Object.assign(grid.unit('E003'), { mode: 'CHARGE', dig: 1 });
    const at = { activateDateTime: '2026/01/01-00:00:05', compensationTargetVoltageReferenceGridCurrentA: 1 };
    grid.add({ ...second, ...at });
    grid.newMaster(2).start();
    t.ok(await grid.runUntil(() => grid.isStarted(second.dealId), 2_000));
    t.equal(grid.commands.at(-1), 'E004 DISCHARGE 1');
    t.same(grid.violations, []);
  });

  t.test('or had only begun to be: what is left of it comes in first', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004', TWO)];
    await started(t, grid, first);
    await grid.master.stop();
    Object.assign(grid.unit('E003'), { mode: 'CHARGE', dig: 1 });
    const at = { activateDateTime: '2026/01/01-00:00:05', compensationTargetVoltageReferenceGridCurrentA: 1 };
    grid.add({ ...second, ...at });
    grid.newMaster(2).start();
    t.ok(await grid.runUntil(() => grid.isStarted(second.dealId), 2_000));
    t.same(grid.commands.slice(-2), ['E003 current 2', 'E004 DISCHARGE 2']);
    t.same(grid.violations, []);
  });

  t.test('a deal that is lost is ended before another one of its party goes up (INV-4)', async (t) => {
    const grid = await aGrid();
    const [first, lost, next] = [aDeal('E001', 'E002'), aDeal('E003', 'E004'), aDeal('E001', 'E004')];
    await started(t, grid, first, lost);
    await takenOver(grid, () => {
      for (const unitId of ['E003', 'E004']) Object.assign(grid.unit(unitId), { mode: 'WAIT', dig: 0 });
      const at = { activateDateTime: '2026/01/01-00:00:05', compensationTargetVoltageReferenceGridCurrentA: 2 };
      grid.add({ ...next, ...at });
    });
    t.ok(await grid.runUntil(() => grid.isStarted(next.dealId) && grid.isGone(lost.dealId), 2_000));
    t.equal(grid.deal(next.dealId).dischargeUnitCompensatedGridCurrentA, -1);
    t.match(grid.unit('E004'), { mode: 'DISCHARGE', dig: 1 });
  });

  t.test('a deal that one party has lost is aborted on the other side', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    await grid.run(100);
    await takenOver(grid, () => {
      grid.unit('E002').isAlive = false;
      grid.unit('E002').mode = 'WAIT';
      grid.unit('E002').deals.clear();
    });
    await grid.run(1_000);
    t.equal(grid.deal(deal.dealId).abortReason, 'deal.party-lost');
    t.same(grid.modes, ALL_WAIT);
    t.ok(grid.isGone(deal.dealId), 'a party that holds no copy is not waited for');
  });

  t.test('raises nothing while a member is silent, until all old permits have run out', async (t) => {
    const grid = new ScriptedGrid();
    grid.unit('E004').isAlive = false;
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    grid.master.start();
    await grid.run(9_500);
    t.same(grid.commands, []);
    t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 2_000), '5.5 s + 0.5 s + 2 s, and the lease of 2 s');
  });

  t.test('a member that is alive and does not answer delays nothing but the start', async (t) => {
    const grid = new ScriptedGrid();
    grid.fate = (to, body) => (to === 'E004' && body.kind === 'read' ? 'deaf' : 'obey');
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    grid.master.start();
    t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 15_000));
  });
});

t.test('units that go', async (t) => {
  t.test('a party that dies: its deal is aborted, others go on (RULE-9)', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    const began = grid.clock.monotonic();
    grid.unit('E004').mode = 'WAIT';
    grid.kill('E004');
    await grid.run(100);
    t.equal(grid.modes.E003, 'CHARGE', 'the reference has head-room, and its meter has not been heard of yet');
    grid.push('E001');
    t.ok(await grid.runUntil(() => grid.unit('E003').mode === 'WAIT', 1_000));
    t.ok(grid.clock.monotonic() - began < 300, 'its partner is stopped as soon as the reference shows the loss');
    await grid.run(100);
    t.equal(grid.deal(second.dealId).abortReason, 'deal.party-lost');
    t.equal(grid.modes.E001, 'VOLTAGE_REFERENCE');
    t.notOk(grid.isGone(second.dealId), 'the last record waits for the dead party (D10)');
    grid.unit('E004').isAlive = true;
    grid.change('members');
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId), 5_000));
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId)));
    safe(t, grid);
  });

  t.test('a party that is silent and goes on keeps its partner (RULE-9)', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    grid.kill('E004');
    for (let second = 0; second < 12; second += 1) {
      for (const unitId of ['E001', 'E002', 'E003']) grid.push(unitId);
      await grid.run(1_000);
    }
    t.same(grid.modes, { E001: 'VOLTAGE_REFERENCE', E002: 'DISCHARGE', E003: 'CHARGE', E004: 'DISCHARGE' });
    t.same(
      grid.grid?.permits.map(({ unitId }) => unitId),
      ['E001', 'E002', 'E003'],
      'its partner keeps its leave, it does not',
    );
    const third = aDeal('E003', 'E002');
    grid.add(third);
    await grid.run(2_000);
    t.notOk(grid.isStarted(third.dealId), 'nothing else begins meanwhile');
    grid.unit('E004').isAlive = true;
    grid.change('members');
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId)));
    t.equal(grid.deal(second.dealId).abortReason, undefined, 'it is back, and the deal runs to its end');
    t.ok(await grid.runUntil(() => grid.isGone(third.dealId)));
    safe(t, grid);
  });

  t.test('but not beyond its amount, should it never be heard again (INV-10)', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004', { dealAmountWh: 5 })];
    await started(t, grid, first, second);
    grid.kill('E004');
    t.ok(await grid.runUntil(() => grid.deal(second.dealId).deactivateDateTime !== undefined, 120_000));
    t.match(grid.modes, { E001: 'VOLTAGE_REFERENCE', E003: 'WAIT' });
    const amountWh = grid.deal(second.dealId).cumulateAmountWh ?? 0;
    t.ok(amountWh > 4.9 && amountWh < 5.5, `${amountWh} Wh`);
  });

  t.test('a party that is silent loses its partner at once when the reference has no head-room (RULE-9)', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', TWO), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    const began = grid.clock.monotonic();
    grid.kill('E003'); // charged 1 A, which the reference would have to take beside its own 2 A
    t.ok(await grid.runUntil(() => grid.unit('E004').mode === 'WAIT', 1_000));
    t.ok(grid.clock.monotonic() - began < 200);
    t.equal(grid.modes.E001, 'VOLTAGE_REFERENCE');
  });

  t.test(
    'a party whose device is silent loses its partner when the reference shows it, unanswered (RULE-9)',
    async (t) => {
      const grid = await aGrid();
      const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
      await started(t, grid, first, second);
      grid.fate = (to, body) => (to === 'E004' && body.kind !== 'deal.update' ? 'deaf' : 'obey');
      grid.unit('E004').isStale = true;
      grid.push('E004');
      await grid.run(500);
      t.equal(grid.modes.E003, 'CHARGE', 'its current may flow yet');
      Object.assign(grid.unit('E004'), { mode: 'WAIT', dig: 0 });
      grid.push('E001');
      await grid.run(200);
      t.equal(grid.modes.E003, 'WAIT');
      t.equal(grid.deal(second.dealId).abortReason, 'deal.party-lost');
      t.equal(grid.modes.E002, 'DISCHARGE', 'others go on');
      await grid.run(20_000); // until nobody answers for E004 any more
      t.ok(grid.faults.some(({ unitId, reason }) => unitId === 'E004' && reason === 'deal.stop-failed'));
    },
  );

  t.test('a side that has gone and does not say so yet ends its own deal, not those of others (D5, S3)', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    Object.assign(grid.unit('E003'), { mode: 'WAIT', dig: 0, isBehind: true });
    await grid.run(3_000);
    t.match(
      grid.faults.map(({ level, reason }) => `${level} ${reason}`),
      ['WARN grid.balance'],
      'nothing adds up, by a reading from before',
    );
    t.equal(grid.modes.E004, 'DISCHARGE');
    grid.push('E003');
    await grid.run(200);
    t.equal(grid.deal(second.dealId).abortReason, 'deal.party-lost');
    t.match(grid.modes, { E001: 'VOLTAGE_REFERENCE', E002: 'DISCHARGE', E003: 'WAIT', E004: 'WAIT' });
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId)));
    safe(t, grid);
  });

  /** E001 charges 1.5 A from E002 as the reference; of the other deal E004 is mute and goes on discharging 1 A into E003. */
  async function besideAMuteOne(t: Test, amountWh = 50): Promise<{ grid: ScriptedGrid; second: Deal }> {
    const grid = await aGrid();
    const [first, second] = [
      aDeal('E001', 'E002', { dealGridCurrentA: 1.5 }),
      aDeal('E003', 'E004', { dealAmountWh: amountWh }),
    ];
    await started(t, grid, first, second);
    grid.unit('E004').isStale = true;
    failing(grid, 'E004', 'WAIT', 'deaf');
    grid.push('E004');
    return { grid, second };
  }

  t.test(
    'a deal that has to end keeps the partner of a side that goes on, when nobody could bear it (RULE-9)',
    async (t) => {
      for (const isWanted of [true, false]) {
        const { grid, second } = await besideAMuteOne(t, isWanted ? 50 : 0.5);
        if (isWanted) grid.master.requestStop(second.dealId, ['test']);
        t.ok(await grid.runUntil(() => grid.commands.includes('E004 WAIT'), 20_000));
        await grid.run(3_000);
        t.equal(grid.modes.E003, 'CHARGE', 'the reference would have to take 2.5 A');
        Object.assign(grid.unit('E004'), { mode: 'WAIT', dig: 0 });
        grid.push('E001');
        t.ok(
          await grid.runUntil(() => grid.modes.E003 === 'WAIT', 3_000),
          'as soon as it shows that nothing comes any more',
        );
        t.equal(grid.modes.E001, 'VOLTAGE_REFERENCE');
      }
    },
  );

  t.test('and everything stops when that side never lets go (RULE-10)', async (t) => {
    const { grid, second } = await besideAMuteOne(t);
    grid.master.requestStop(second.dealId, ['test']);
    t.ok(await grid.runUntil(() => grid.modes.E001 === 'WAIT', 20_000));
    await grid.run(2_000);
    t.match(grid.deal(second.dealId).abortReason, /nobody can bear/);
    t.equal(grid.modes.E003, 'WAIT');
  });

  t.test('a converter that went to WAIT by itself ends its deal', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    grid.unit('E002').mode = 'WAIT';
    grid.push('E002');
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 2_000));
    t.equal(grid.deal(deal.dealId).abortReason, 'deal.party-lost');
    safe(t, grid);
  });

  t.test('the voltage reference dies: all currents stop together (RULE-7)', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    const count = grid.commands.length;
    grid.unit('E001').mode = 'WAIT';
    grid.kill('E001');
    t.same(grid.published.at(-1)?.permits === undefined, false);
    await grid.run(700);
    t.same(since(grid, count).slice(0, 3).toSorted(), ['E002 WAIT', 'E003 WAIT', 'E004 WAIT']);
    t.same(grid.modes, ALL_WAIT);
    t.equal(grid.deal(first.dealId).abortReason, 'grid.reference-lost');
    t.same(grid.grid?.permits, []);
  });

  t.test('a converter that holds the voltage as well takes the reference down (INV-1, RULE-7)', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    const count = grid.commands.length;
    failing(grid, 'E003', 'WAIT', 'refuse');
    grid.unit('E003').mode = 'VOLTAGE_REFERENCE';
    grid.push('E003');
    t.same(since(grid, count), ['E003 WAIT at once', 'E002 WAIT', 'E004 WAIT'], 'in the moment in which it is seen');
    await grid.run(100);
    t.equal(grid.modes.E001, 'WAIT');
    t.same(
      since(grid, count).filter((one) => one.startsWith('E001')),
      ['E001 WAIT at once'],
    );
    t.ok(grid.faults.some(({ reason, level }) => reason === 'grid.second-reference' && level === 'ERROR'));
    for (const deal of [first, second]) t.match(grid.deal(deal.dealId).abortReason, /^grid\.second-reference/);
  });

  t.test('so does one that comes back as it was seen last: no news, and no pass is waited for (INV-1)', async (t) => {
    const grid = await aGrid();
    await started(t, grid, aDeal('E001', 'E002'), aDeal('E003', 'E004'));
    failing(grid, 'E003', 'WAIT', 'refuse');
    grid.unit('E003').mode = 'VOLTAGE_REFERENCE';
    grid.change = () => {};
    grid.push('E003');
    Reflect.deleteProperty(grid, 'change');
    const count = grid.commands.length;
    grid.change('reading');
    t.same(since(grid, count), ['E003 WAIT at once', 'E002 WAIT', 'E004 WAIT'], 'in the moment in which it is seen');
  });

  t.test('and neither a current nor an account that nobody answers for keeps the reference (INV-1)', async (t) => {
    const grid = await aGrid();
    await started(t, grid, aDeal('E001', 'E002'), aDeal('E003', 'E004'));
    grid.fate = (unitId, body) => (unitId === 'E004' || body.kind === 'read' ? 'deaf' : 'obey');
    grid.hang = (unitId, body) => unitId === 'E003' && isControl(body, 'WAIT');
    grid.unit('E003').mode = 'VOLTAGE_REFERENCE';
    grid.push('E003');
    await grid.run(grid.policy.controller.dataAcquisitionPeriodMsec / 2 + 100);
    t.equal(grid.modes.E001, 'WAIT');
  });

  t.test('a reference side whose device says nothing any more ends its deal', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    grid.unit('E001').isStale = true;
    grid.fate = (to, body) => (to === 'E001' && body.kind === 'read' ? 'refuse' : 'obey');
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 30_000));
    t.match(grid.deal(deal.dealId).abortReason, /device.silent/);
    safe(t, grid);
  });

  t.test('losses that make a deal endless end it after its longest time (S22)', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002', { dealAmountWh: 5 });
    await started(t, grid, deal);
    grid.unit('E001').batteryFactor = 0;
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 5 * 60_000));
    t.equal(grid.deal(deal.dealId).abortReason, 'deal.duration-overdue');
    safe(t, grid);
  });
});

t.test('the voltage follows the deals when policy wants that (§4.14)', async (t) => {
  const wish = { chargeUnitEfficientGridVoltageV: 340, dischargeUnitEfficientGridVoltageV: 336 };
  const enabled = gridPolicy({ gridMaster: { gridVoltageOptimization: { enabled: true } } });

  t.test('once the set of running deals has changed', async (t) => {
    const grid = await aGrid(enabled);
    const deal = aDeal('E001', 'E002', wish);
    await started(t, grid, deal);
    await grid.run(10_000);
    t.same(grid.commands.slice(-3), ['E002 DISCHARGE 1', 'E001 voltage', 'E001 voltage']);
    t.equal(grid.unit('E001').dvg, 338, 'in two steps, none larger than the separation (S25)');
  });

  t.test('and again when the batteries have changed, no faster than a step in a period (S25)', async (t) => {
    const grid = await aGrid(enabled);
    const voltages: [number, number][] = [];
    grid.fate = (_unitId, body) => {
      if (body.kind === 'control' && body.device.command === 'voltage') {
        voltages.push([grid.clock.monotonic(), body.device.gridVoltageV]);
      }
      return 'obey';
    };
    const deal = aDeal('E001', 'E002', wish);
    for (const unitId of ['E001', 'E002']) grid.unit(unitId).efficientV = 352;
    await started(t, grid, deal);
    await grid.run(20_000);
    t.same(voltages, [], 'what the batteries want now counts, and 2 V cannot be told apart');
    for (const unitId of ['E001', 'E002']) grid.unit(unitId).efficientV = 331;
    await grid.run(30_000);
    t.same(
      voltages.map(([, gridVoltageV]) => Math.round(gridVoltageV)),
      [341, 331],
    );
    const [first, second] = voltages.map(([at]) => at);
    t.ok(Number(second) - Number(first) >= enabled.gridMaster.mainLoopPeriodMsec);
  });

  t.test('not while the currents do not add up: what was read before a move says nothing after it (S6)', async (t) => {
    const grid = await aGrid(enabled);
    await started(t, grid, aDeal('E001', 'E002', wish));
    t.ok(await grid.runUntil(() => grid.commands.includes('E001 voltage'), 10_000));
    await grid.run(enabled.gridMaster.mainLoopPeriodMsec - 600); // the second step is near
    const count = grid.commands.length;
    grid.leakA = 1;
    t.ok(await grid.runUntil(() => grid.faults.some(({ level }) => level === 'ERROR'), 10_000));
    t.notOk(since(grid, count).some((command) => command.endsWith('voltage')));
  });

  t.test('and goes on when the reference does not follow', async (t) => {
    const grid = await aGrid(enabled);
    failing(grid, 'E001', 'voltage', 'refuse');
    const deal = aDeal('E001', 'E002', wish);
    await started(t, grid, deal);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.equal(grid.deal(deal.dealId).abortReason, undefined);
    safe(t, grid);
  });
});

t.test('global safety (§5.4)', async (t) => {
  t.test('an imbalance that lasts stops everything; at first it is a warning', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    await grid.run(3_000);
    grid.leakA = 0.6;
    t.ok(await grid.runUntil(() => grid.finished.length === 2, 5_000));
    t.same(
      grid.faults.map((fault) => [fault.reason, fault.level]),
      [
        ['grid.balance', 'WARN'],
        ['grid.balance', 'ERROR'],
      ],
    );
    t.match(grid.deal(first.dealId).abortReason, /^grid.balance : currents of /);
    safe(t, grid);
  });

  t.test('a current without a deal is a fault, and nothing has to be stopped', async (t) => {
    const grid = await aGrid();
    grid.unit('E004').waitCurrentA = 0.5;
    await grid.run(5_000);
    t.match(grid.faults, [
      { reason: 'grid.idle-current', level: 'WARN' },
      { reason: 'grid.idle-current', level: 'ERROR' },
    ]);
    t.same(grid.commands, []);
  });
});

t.test('compensation (§4.7)', async (t) => {
  t.test('corrects the constant-current side until the reference has its current', async (t) => {
    const grid = await aGrid();
    grid.unit('E002').gain = 0.94;
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    t.same(grid.commands.slice(-2), ['E002 DISCHARGE 1', 'E002 current 1.06']);
    t.ok(Math.abs((grid.deal(deal.dealId).chargeUnitCompensatedGridCurrentA ?? 0) - 1) < 0.03);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    safe(t, grid);
  });

  t.test('does not take the current of a side that has let go unseen for that of a new deal (INV-4)', async (t) => {
    const grid = await aGrid();
    await started(t, grid, aDeal('E001', 'E002'));
    grid.unit('E002').gain = 0;
    const second = aDeal('E001', 'E003');
    grid.add(second);
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId), 10_000));
    t.match(grid.deal(second.dealId).abortReason, /deal.compensation-failed : E001 carries .* instead of 1 A/);
  });

  for (const [title, gain] of [
    ['saturates (S14)', 0.8],
    ['does not converge', 0.95],
  ] as const) {
    t.test(`that ${title} ends the deal`, async (t) => {
      const base = gridPolicy().gridMaster;
      const driftAllowanceA = gain === 0.8 ? 0.03 : 0.000_001;
      const currentCompensation = { ...base.currentCompensation, driftAllowanceA };
      const grid = await aGrid(gridPolicy({ gridMaster: { currentCompensation } }));
      grid.unit('E002').gain = gain;
      const deal = aDeal('E001', 'E002');
      grid.add(deal);
      t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 10_000));
      t.match(grid.deal(deal.dealId).abortReason, /deal.compensation-failed/);
      t.match(grid.faults, [{ category: 'HARDWARE', extent: 'GLOBAL', level: 'WARN' }]);
      safe(t, grid);
    });
  }

  t.test(
    'measures once more than it may correct, then gives up (§13.1: 0.05, 0.04, 0.035, 0.031 with 3 trials)',
    async (t) => {
      const grid = await aGrid();
      const errors = [0.05, 0.04, 0.035, 0.031];
      const deal = aDeal('E001', 'E002');
      grid.fate = (unitId, body) => {
        const isMeasurement = unitId === 'E001' && body.kind === 'read' && grid.unit('E002').mode === 'DISCHARGE';
        const errorA = isMeasurement ? errors.shift() : undefined;
        if (errorA !== undefined) grid.unit('E002').gain = (1 + errorA) / grid.unit('E002').dig;
        return 'obey';
      };
      grid.add(deal);
      t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
      t.same(errors, [], 'four measurements');
      t.equal(grid.commands.filter((one) => one.startsWith('E002 current')).length, 3, 'three corrections');
      t.match(grid.deal(deal.dealId).abortReason, /compensation-failed.* 1\.031 A instead of 1 A/);
      safe(t, grid);
    },
  );

  t.test('needs none when the constant-current side is the reference side', async (t) => {
    const grid = await aGrid(gridPolicy({ gridMaster: { voltageReferenceSide: 'dischargeUnit' } }));
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    t.same(grid.commands, ['E002 VOLTAGE_REFERENCE', 'E002 voltageReferenceAuthorization', 'E001 CHARGE 1']);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    safe(t, grid);
  });

  t.test('without a target the deal ends', async (t) => {
    const grid = new ScriptedGrid();
    Object.assign(grid.unit('E001'), { mode: 'VOLTAGE_REFERENCE', dig: 2.3 });
    Object.assign(grid.unit('E002'), { mode: 'DISCHARGE', dig: 1 });
    const at = '2026/01/01-00:00:00';
    const deal = aDeal('E001', 'E002', { activateDateTime: at, warmUpDateTime: at, isMaster: true });
    grid.add(deal);
    grid.master.start();
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 2_000));
    t.match(grid.deal(deal.dealId).abortReason, /deal.compensation-failed/);
    safe(t, grid);
  });
});

t.test('a reference that drifts is brought back while the deals run (S15)', async (t) => {
  t.test('by the constant-current side, within its bounds, and the shares follow', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    await started(t, grid, deal);
    const before = grid.commands.length;
    grid.unit('E002').gain = 0.95;
    await grid.run(3_000);
    t.same(grid.commands.slice(before), [], 'what the allowance covers is left alone');
    grid.unit('E002').gain = 0.85;
    await grid.run(1_900);
    t.same(grid.commands.slice(before), [], 'a moment may be anything');
    t.ok(await grid.runUntil(() => grid.commands.length > before, 30_000));
    t.same(grid.commands.slice(before), ['E002 current 1.1'], 'ten percent and no more');
    await grid.run(100);
    t.ok(Math.abs(Number(grid.deal(deal.dealId).chargeUnitCompensatedGridCurrentA) - 0.935) < 1e-6);
    await grid.run(30_000);
    t.equal(grid.commands.length, before + 1, 'balanced anew');
    grid.unit('E002').gain = 0.7;
    await grid.run(30_000);
    t.equal(grid.commands.length, before + 1, 'nothing is left to correct with, and the deal runs on');
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.equal(grid.deal(deal.dealId).abortReason, undefined);
    safe(t, grid);
  });

  t.test('back to what was agreed, not to what a correction at its bound had to leave (INV-4)', async (t) => {
    const grid = await aGrid();
    await started(t, grid, aDeal('E001', 'E002'));
    grid.unit('E002').gain = 0.75;
    const before = grid.commands.length;
    t.ok(await grid.runUntil(() => grid.commands.length > before, 30_000));
    await grid.run(100);
    grid.unit('E002').gain = 1.05; // what took the current is gone
    t.ok(await grid.runUntil(() => grid.commands.length > before + 1, 30_000));
    t.equal(grid.commands[before], 'E002 current 1.1');
    t.match(grid.commands[before + 1], /^E002 current 0\.945/);
    await grid.run(30_000);
    t.equal(grid.commands.length, before + 2, 'and there it stays');
  });

  t.test(
    'an orphan that takes from the bus is no drift: no side of a deal is moved for it (INV-4, RULE-10)',
    async (t) => {
      const grid = await aGrid();
      const deal = aDeal('E001', 'E002');
      await started(t, grid, deal);
      const before = grid.commands.length;
      Object.assign(grid.unit('E003'), { mode: 'CHARGE', dig: 1, isAlive: false });
      await grid.run(900);
      t.same(grid.commands.slice(before), []);
    },
  );

  t.test('once in a period, and not at all where nothing can be adjusted or nobody obeys', async (t) => {
    for (const [referenceSide, fate] of [
      ['dischargeUnit', 'obey'],
      ['chargeUnit', 'refuse'],
    ] as const) {
      const grid = await aGrid(
        gridPolicy({ gridMaster: { deal: { ...gridPolicy().gridMaster.deal, referenceSide } } }),
      );
      const deal = aDeal('E001', 'E002');
      await started(t, grid, deal);
      if (fate === 'refuse') failing(grid, 'E002', 'current', 'refuse');
      const before = grid.commands.length;
      grid.unit('E002').gain = 0.8;
      await grid.run(11_000);
      t.ok(
        grid.commands.length - before <= (fate === 'refuse' ? 3 : 0),
        `${referenceSide}: ${grid.commands.length - before}`,
      );
      t.notOk(grid.isGone(deal.dealId) || grid.deal(deal.dealId).abortReason, 'the deal runs on');
    }
  });
});

t.test('RULE-5: without a majority nothing is raised and no permit is renewed', async (t) => {
  t.test('between two deals', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first);
    grid.hasQuorum = false;
    const before = grid.commands.length;
    grid.add(second);
    await grid.run(3_000);
    t.same(since(grid, before), []);
    t.same([grid.grid?.granting, grid.grid?.permits], [false, []]);
    grid.hasQuorum = true;
    t.ok(await grid.runUntil(() => grid.isStarted(second.dealId), 5_000), 'and goes on with it');
  });

  t.test('on the way up, which goes on when it is heard again', async (t) => {
    const grid = await aGrid();
    grid.slewVPerSec = 100;
    const deal = aDeal('E001', 'E002');
    grid.add(deal);
    await grid.run(1_000);
    grid.hasQuorum = false;
    await grid.run(8_000);
    t.same(grid.commands, ['E001 VOLTAGE_REFERENCE'], 'the voltage is there, and is not put to the proof');
    t.ok(grid.deal(deal.dealId).rampUpDateTime);
    grid.hasQuorum = true;
    t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 5_000));
  });

  t.test('in the middle of a step, whose deal is then given up', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    grid.fate = (_unitId, body) => {
      if (body.kind === 'deal.update') grid.hasQuorum = false; // the intent is written, nothing is raised yet
      return 'obey';
    };
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 60_000));
    t.notOk(grid.commands.some((one) => one.includes('VOLTAGE_REFERENCE')));
    t.match(grid.deal(deal.dealId).abortReason, /permits of older terms may be alive, or no majority hears/);
    safe(t, grid);
  });
});

t.test('RULE-7: a stop in order leaves the voltage to currents that nobody can be told to end', async (t) => {
  const delayMsec = gridPolicy().controller.scramVoltageReferenceDelayMsec;
  const cutOff = async (endsAfterMsec: number | undefined): Promise<number> => {
    const grid = await aGrid();
    await started(t, grid, aDeal('E001', 'E002'));
    grid.unit('E002').isAlive = false; // not heard, and in DISCHARGE all the same
    if (endsAfterMsec !== undefined)
      grid.clock.after(endsAfterMsec, () => Object.assign(grid.unit('E002'), { mode: 'WAIT' }));
    const from = grid.clock.monotonic();
    void grid.master.stopAll('grid-master.quorum-lost');
    t.ok(await grid.runUntil(() => grid.unit('E001').mode === 'WAIT', 10_000));
    return grid.clock.monotonic() - from;
  };
  const [neverMsec, soonMsec] = [await cutOff(undefined), await cutOff(200)];
  t.ok(neverMsec >= delayMsec && neverMsec < delayMsec + 500, `for its delay: ${neverMsec} ms`);
  t.ok(soonMsec >= 200 && soonMsec < 600, `or until its own meter shows that they are gone: ${soonMsec} ms`);
});

t.test(
  'RULE-7: a reference without a current of its own stays for currents that balance each other unseen',
  async (t) => {
    for (const [what, afterMsec] of [
      ['the quorum is lost at once', 0],
      ['it is lost when the deals have been given up already', 400],
    ] as const) {
      const grid = await aGrid();
      await started(t, grid, aDeal('E001', 'E002'), aDeal('E003', 'E004'));
      t.equal(grid.modes.E001, 'VOLTAGE_REFERENCE');
      const rest = (unitIds: readonly string[]) => () => {
        for (const unitId of unitIds) grid.unit(unitId).mode = 'WAIT';
      };
      grid.clock.after(200, rest(['E002']));
      grid.clock.after(300, () => grid.push('E001'));
      grid.clock.after(1_200, rest(['E003', 'E004']));
      for (const unitId of ['E002', 'E003', 'E004']) grid.unit(unitId).isAlive = false;
      if (afterMsec > 0) grid.change('members');
      await grid.run(afterMsec);
      const stopped = grid.master.stopAll('grid-master.quorum-lost');
      await grid.run(1_100 - afterMsec);
      t.match(grid.modes, { E001: 'VOLTAGE_REFERENCE', E002: 'WAIT', E003: 'CHARGE', E004: 'DISCHARGE' }, what);
      t.equal(grid.currentA('E001'), 0, 'its own meter shows nothing');
      await Promise.all([stopped, grid.run(5_000)]);
      t.equal(grid.modes.E001, 'WAIT');
      safe(t, grid);
    }
  },
);

t.test('a pass that hangs: nothing is granted any more and the office is given up (Q9, Q10)', async (t) => {
  const grid = await aGrid(gridPolicy({ gridMaster: { gridVoltageOptimization: { enabled: true } } }));
  grid.hang = (_unitId, body) => isControl(body, 'voltage');
  await started(t, grid, aDeal('E001', 'E002', { chargeUnitEfficientGridVoltageV: 340 }));
  await grid.run(119_000);
  t.same(grid.faults, []);
  t.equal(grid.grid?.permits.length, 2);
  await grid.run(2_000);
  t.match(grid.faults, [{ category: 'LOGIC', extent: 'GLOBAL', level: 'ERROR', reason: 'grid-master.pass-hung' }]);
  t.same([grid.grid?.granting, grid.grid?.permits], [false, []]);
  await grid.run(60_000);
  t.equal(grid.faults.length, 1, 'told once');
});

t.test('the discharging side as the reference for energy', async (t) => {
  const base = gridPolicy().gridMaster;
  const grid = await aGrid(gridPolicy({ gridMaster: { deal: { ...base.deal, referenceSide: 'dischargeUnit' } } }));
  const deal = aDeal('E001', 'E002');
  await started(t, grid, deal);
  t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
  const amount = grid.deal(deal.dealId).cumulateAmountWh ?? 0;
  t.ok(amount > 50 && amount < 50.05, `${amount} Wh`);
  t.ok(Math.abs(amount + grid.unit('E002').energyWh) < 0.01, 'what has left its battery (INV-8)');
});

t.test('the mean overshoot stays below 0.5 % with slow pushes and slow devices', async (t) => {
  const grid = await aGrid();
  grid.latencyMsec = 300;
  const deal = aDeal('E001', 'E002', { dealAmountWh: 20 });
  await started(t, grid, deal);
  t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
  const overshoot = ((grid.deal(deal.dealId).cumulateAmountWh ?? 0) - 20) / 20;
  t.ok(overshoot > 0 && overshoot < 0.005, `${overshoot}`);
});

t.test('a step that hangs is cut off: its deal ends, the pass goes on', async (t) => {
  const grid = await aGrid();
  const deal = aDeal('E001', 'E002');
  let hangs = true;
  grid.hang = (to, body) => hangs && to === 'E002' && isControl(body, 'DISCHARGE');
  grid.add(deal);
  await grid.run(30_000);
  t.ok((grid.grid?.passMsec ?? 0) > 20_000, 'a pass that hangs shows in its age (Q10)');
  hangs = false;
  t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 60_000));
  t.match(grid.deal(deal.dealId).abortReason, /did not end within 60000 ms/);
  safe(t, grid);
});

t.test('readings that show nothing new share a pass; news has its own, at once', async (t) => {
  const grid = await aGrid();
  await grid.run(20_000);
  const beats = grid.published.length;
  await grid.runUntil(() => grid.published.length > beats); // the next heartbeat is half a second away
  /** Looks, each of which tells the bus, within so long. */
  const looksIn = async (msec: number): Promise<number> => {
    const before = grid.published.length;
    await grid.run(msec);
    return grid.published.length - before;
  };
  for (let readings = 0; readings < 20; readings += 1) {
    grid.change('reading');
    t.equal(await looksIn(10), 0);
  }
  t.equal(await looksIn(49), 0);
  t.equal(await looksIn(2), 1, 'after a quarter of a second');
  grid.change('reading');
  grid.change('unit');
  t.equal(await looksIn(1), 1);
});

t.test('a community that throws fails the pass, not the grid master', async (t) => {
  const grid = await aGrid();
  grid.brokenCommunity = true;
  grid.change('unit');
  await grid.run(100);
  t.match(grid.faults, [{ reason: 'grid-master.pass-failed', category: 'LOGIC', extent: 'GLOBAL', level: 'ERROR' }]);
  grid.brokenCommunity = false;
  const deal = aDeal('E001', 'E002');
  grid.add(deal);
  t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 40_000));
});

t.test('what rarely happens', async (t) => {
  const at = { activateDateTime: '2026/01/01-00:00:00', isMaster: true } as const;
  const lingering = { ...at, warmUpDateTime: at.activateDateTime, startDateTime: at.activateDateTime };

  t.test('a lingering deal without its reference does not let others in', async (t) => {
    const grid = new ScriptedGrid();
    const first = aDeal('E001', 'E002', { ...lingering, stopDateTime: at.activateDateTime });
    const second = aDeal('E003', 'E004');
    grid.add(first, second);
    grid.master.start();
    t.ok(await grid.runUntil(() => grid.isStarted(second.dealId), 5_000));
    t.equal(grid.commands[0], 'E003 VOLTAGE_REFERENCE', 'the bus was built anew');
    t.ok(grid.isGone(first.dealId));
    t.same(grid.violations, []);
  });

  t.test('a running deal taken over without a readable time goes on with what it has', async (t) => {
    const grid = new ScriptedGrid();
    Object.assign(grid.unit('E001'), { mode: 'VOLTAGE_REFERENCE', dig: 2.3 });
    Object.assign(grid.unit('E002'), { mode: 'DISCHARGE', dig: 1 });
    const deal = aDeal('E001', 'E002', { ...lingering, cumulateAmountWh: 49.9, cumulateDateTime: 'NA' });
    grid.add(deal);
    grid.master.start();
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 10_000));
    t.ok((grid.deal(deal.dealId).cumulateAmountWh ?? 0) < 50.1);
  });

  t.test('a further deal whose master side never got its command is aborted, the others go on', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first);
    await grid.master.stop();
    const { isMaster: _, ...marks } = at;
    grid.add({ ...second, ...marks });
    grid.newMaster(2).start();
    t.ok(await grid.runUntil(() => grid.isGone(second.dealId), 2_000));
    t.match(grid.deal(second.dealId).abortReason, /device.wrong-mode/);
    t.same(grid.modes, { ...ALL_WAIT, E001: 'VOLTAGE_REFERENCE', E002: 'DISCHARGE' });
  });

  t.test('a reference that leaves the voltage before its authorisation: reset', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    let left = 1;
    grid.fate = (to, body) => {
      if (to === 'E001' && body.kind === 'read' && body.what === 'status' && left > 0) {
        left -= 1;
        grid.unit('E001').mode = 'WAIT';
      }
      return 'obey';
    };
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.isStarted(deal.dealId), 10_000));
    t.match(grid.deal(deal.dealId).reset?.[0]?.reason, /E001 : E001 does not hold the voltage/);
  });

  t.test('the last reading fails: the deal ends with the last word', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002', { dealAmountWh: 5 });
    await started(t, grid, deal);
    grid.fate = (_to, body) => (grid.modes.E002 === 'WAIT' && body.kind === 'read' ? 'refuse' : 'obey');
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.ok((grid.deal(deal.dealId).cumulateAmountWh ?? 0) > 5);
    t.ok(grid.lines.some((line) => line.event === 'deal.last-reading-failed'));
    safe(t, grid);
  });

  t.test('a successor whose party does not journal is given up, and the voltage goes down', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    grid.fate = (to, body) => (to === 'E004' && body.kind === 'deal.update' && body.deal.isMaster ? 'refuse' : 'obey');
    t.ok(await grid.runUntil(() => grid.finished.length === 2));
    t.match(grid.deal(second.dealId).abortReason, /hand-over.rolled-back : E003/);
    safe(t, grid);
  });

  t.test('stop in the middle of a hand-over takes both references down', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    grid.latencyMsec = 200;
    t.ok(await grid.runUntil(() => grid.commands.includes('E003 voltageReferenceWillTakeOver')));
    grid.setMode('stop');
    t.ok(await grid.runUntil(() => grid.finished.length === 2, 5_000));
    t.notOk(grid.commands.some((command) => command.startsWith('E001 voltageReferenceDidHandOver')));
    safe(t, grid);
  });

  t.test('a member that is there and does not answer is told of once, until that changes', async (t) => {
    const grid = await aGrid();
    const told = (): readonly unknown[] =>
      grid.lines.filter(({ event }) => event === 'grid-master.members-silent').map(({ fields }) => fields.silent);
    const comeBackMute = async (...muteIds: readonly string[]): Promise<void> => {
      grid.fate = (to, body) => (muteIds.includes(to) && body.kind === 'read' ? 'refuse' : 'obey');
      for (const unitId of muteIds) grid.kill(unitId);
      await grid.run(5_000);
      for (const unitId of UNITS) grid.unit(unitId).isAlive = true;
      grid.change('members');
      await grid.run(20_000);
    };
    await comeBackMute('E004');
    t.same(told(), [['E004']]);
    await comeBackMute('E003', 'E004');
    t.same(told(), [['E004'], ['E003', 'E004']]);
    await comeBackMute();
    await comeBackMute('E004');
    t.same(told(), [['E004'], ['E003', 'E004'], ['E004']], 'again, when it was heard in between');
  });

  t.test('an abort that loses the hand-over stops everything', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    grid.unit('E001').isStale = true;
    grid.fate = (to, body) => {
      const isDown = isControl(body, 'voltageReferenceDidHandOver') || isControl(body, 'WAIT');
      const isSilent = body.kind === 'read' && !grid.lines.some(({ event }) => event === 'deal.aborted');
      return to === 'E001' && (isSilent || isDown) ? 'refuse' : 'obey';
    };
    t.ok(await grid.runUntil(() => grid.finished.length === 2, 60_000));
    await grid.run(100);
    t.match(grid.deal(second.dealId).abortReason, /deal.abort-failed : hand-over/);
    safe(t, grid);
  });

  t.test('RULE-10: the reference stays while nobody could bear what a lost converter goes on pushing', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', TWO), aDeal('E003', 'E004', TWO)];
    await started(t, grid, first, second);
    grid.unit('E002').isAlive = false;
    grid.change('members');
    grid.master.requestStop(first.dealId, ['test']);
    await grid.run(4_000);
    t.match(grid.modes, { E001: 'VOLTAGE_REFERENCE', E003: 'CHARGE', E004: 'DISCHARGE' });
    t.equal(grid.deal(first.dealId).deactivateDateTime, undefined, 'the deal waits, stopped and with its reason');
    t.match(grid.deal(first.dealId), { abortReason: '["test"]', stopDateTime: String });
    t.match(
      grid.grid?.permits.map(({ unitId }) => unitId),
      ['E001', 'E003', 'E004'],
      'the reference keeps its leave',
    );
    Object.assign(grid.unit('E002'), { mode: 'WAIT', dig: 0 }); // its permit has run out there
    t.ok(await grid.runUntil(() => grid.deal(first.dealId).deactivateDateTime !== undefined, 5_000));
    t.equal(grid.unit('E003').mode, 'VOLTAGE_REFERENCE', 'now it is handed over');
    t.equal(grid.deal(second.dealId).abortReason, undefined);
  });

  t.test('RULE-10: a lost converter that never leaves the bus ends everything', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', TWO), aDeal('E003', 'E004', TWO)];
    await started(t, grid, first, second);
    grid.unit('E002').isAlive = false;
    grid.change('members');
    grid.master.requestStop(first.dealId, ['test']);
    t.ok(await grid.runUntil(() => grid.deal(second.dealId).deactivateDateTime !== undefined, 20_000));
    t.match(grid.deal(second.dealId).abortReason, /nobody can take the voltage over/);
    await grid.run(100);
    t.match(grid.modes, { E001: 'WAIT', E003: 'WAIT', E004: 'WAIT' });
  });

  t.test('a reading that fails once does not end a deal', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002', { dealAmountWh: 5 });
    await started(t, grid, deal);
    let left = 2;
    grid.fate = (_to, body) => {
      if (body.kind !== 'read' || left <= 0) return 'obey';
      left -= 1;
      return 'refuse';
    };
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId)));
    t.equal(left, 0);
    t.equal(grid.deal(deal.dealId).abortReason, undefined);
  });

  t.test('a stop that comes while a failed deal is being aborted takes over', async (t) => {
    const grid = await aGrid();
    const deal = aDeal('E001', 'E002');
    failing(grid, 'E002', 'DISCHARGE', 'refuse');
    grid.latencyMsec = 200;
    grid.add(deal);
    t.ok(await grid.runUntil(() => grid.commands.includes('E002 WAIT'), 10_000));
    grid.setMode('stop');
    t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 5_000));
    t.equal(grid.deal(deal.dealId).abortReason, 'mode.stop');
    safe(t, grid);
  });

  t.test('or while such a deal hands the voltage over', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002'), aDeal('E003', 'E004')];
    await started(t, grid, first, second);
    const isAborting = (): boolean => grid.lines.some(({ event }) => event === 'deal.aborted');
    grid.unit('E001').isStale = true;
    grid.fate = (unitId, { kind }) => {
      grid.unit('E001').isStale = !isAborting();
      return unitId === 'E001' && kind === 'read' && !isAborting() ? 'refuse' : 'obey';
    };
    grid.latencyMsec = 200;
    t.ok(await grid.runUntil(() => grid.commands.includes('E003 voltageReferenceWillTakeOver'), 60_000));
    grid.setMode('stop');
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId) && grid.isGone(second.dealId), 5_000));
    t.notOk(
      grid.faults.some(({ reason }) => reason === 'deal.abort-failed'),
      'overtaken, not failed',
    );
    safe(t, grid);
  });

  t.test('while the cluster has a global error nothing begins, and what runs goes on (D7)', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E003', 'E004')];
    await started(t, grid, first);
    grid.hasGlobalErrors = true;
    grid.add(second);
    t.ok(await grid.runUntil(() => grid.isGone(first.dealId)));
    t.notOk(grid.isStarted(second.dealId));
    t.equal(grid.deal(first.dealId).abortReason, undefined);
    grid.hasGlobalErrors = false;
    t.ok(await grid.runUntil(() => grid.isStarted(second.dealId), 5_000));
  });

  t.test('a slave side that dies while its deal lingers is not waited for', async (t) => {
    const grid = await aGrid();
    const [first, second] = [aDeal('E001', 'E002', { dealAmountWh: 5 }), aDeal('E003', 'E002')];
    await started(t, grid, first, second);
    t.ok(await grid.runUntil(() => grid.deal(first.dealId).stopDateTime !== undefined));
    grid.unit('E002').mode = 'WAIT';
    grid.kill('E002');
    t.ok(await grid.runUntil(() => Object.values(grid.modes).every((mode) => mode === 'WAIT'), 2_500));
  });

  t.test(
    'RULE-6: the office is offered when the last command is answered, and not if it was withdrawn before',
    async (t) => {
      for (const isWithdrawn of [false, true]) {
        const grid = await aGrid(
          gridPolicy({ gridMaster: { gridMasterSelection: { strategy: 'voltageReferenceUnit' } } }),
        );
        const deal = aDeal('E002', 'E003');
        grid.updateMsec = 1_000;
        grid.kill('E004');
        await started(t, grid, deal);
        await grid.run(3_200);
        // Calm from here on: the transfer begins while what was moved in the first 5 s is being journalled.
        grid.unit('E004').isAlive = true;
        grid.push('E004');
        const isBegun = (): boolean => grid.lines.some(({ event }) => event === 'grid-master.transfer-begun');
        t.ok(await grid.runUntil(isBegun, 10_000));
        t.same(grid.offers, [], 'a command is on its way');
        if (isWithdrawn) {
          grid.master.requestStop(deal.dealId, ['test']);
          t.ok(await grid.runUntil(() => grid.isGone(deal.dealId), 20_000));
        } else await grid.run(1_000);
        t.same(grid.offers, isWithdrawn ? [] : ['E002']);
      }
    },
  );

  t.test('deals without a wish leave the voltage alone', async (t) => {
    const grid = await aGrid(gridPolicy({ gridMaster: { gridVoltageOptimization: { enabled: true } } }));
    await started(t, grid, aDeal('E001', 'E002'));
    await grid.run(1_000);
    t.notOk(grid.commands.includes('E001 voltage'));
  });

  t.test('a grid master that was never started can be stopped', async (t) => {
    await new ScriptedGrid().master.stop();
    t.pass();
  });
});
