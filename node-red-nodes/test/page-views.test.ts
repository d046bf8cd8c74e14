import { readdirSync, readFileSync } from 'node:fs';
import type { KnownFault } from '@apis-edge/gateway/client';
import type { ScenarioNow } from '@apis-edge/gateway/domain';
import fc from 'fast-check';
import t from 'tap';
import { DEAL_TABLE } from '../../gateway/src/grid-master/deal-table.ts';
import { aDeal, aGrid, aUnit } from '../../gateway/test/support/messages.ts';
import type { UnitEntry } from '../src/lib/community.ts';
import type { PageParts } from '../src/lib/page-message.ts';
import { ADVICE_EN } from '../src/widgets/pages/advice-en.ts';
import { ADVICE_JA } from '../src/widgets/pages/advice-ja.ts';
import { barOf, currentScale } from '../src/widgets/pages/bars.ts';
import { dealsView, SHOWN_DEALS } from '../src/widgets/pages/deals-view.ts';
import { emulatorView, faultAt, isEmulation } from '../src/widgets/pages/emulator-view.ts';
import { endOfDeal, reasonText } from '../src/widgets/pages/end-of-deal.ts';
import { adviceLanguage, faultAdvice } from '../src/widgets/pages/fault-advice.ts';
import { HOUSE_FAULTS } from '../src/widgets/pages/fault-choices.ts';
import { faultsView } from '../src/widgets/pages/faults-view.ts';
import { gridPageView } from '../src/widgets/pages/grid-page-view.ts';
import { chosenHouse, housePageView } from '../src/widgets/pages/house-page-view.ts';
import { isSetBack, noPoints, withPresent } from '../src/widgets/pages/live-points.ts';
import {
  extentOf,
  gapsOf,
  nearestIndex,
  niceTicks,
  pathOf,
  rangeOf,
  stretches,
  tickTexts,
  timeText,
  timeTicks,
} from '../src/widgets/pages/plot.ts';
import { refusalText } from '../src/widgets/pages/refusal-texts.ts';
import { scenarioText } from '../src/widgets/pages/scenario-text.ts';
import { milliseconds, points, price, seconds, shortTime } from '../src/widgets/shared/format.ts';
import { noDealText } from '../src/widgets/shared/texts.ts';

const anEntry = (unitId: string, ig = 2, vg = 350, more: Partial<UnitEntry> = {}): UnitEntry => {
  const unit = aUnit(unitId);
  const meter = { ...unit.dcdc.meter, ig, vg };
  return { online: true, seenAt: 0, unit: { ...unit, dcdc: { ...unit.dcdc, meter } }, ...more };
};
const STARTED = { activateDateTime: 'a', startDateTime: '2026/01/02-03:00:20' };
const over = (dealId: string, more: object = {}) =>
  aDeal(dealId, { ...STARTED, deactivateDateTime: '2026/01/02-03:10:02', cumulateAmountWh: 100, ...more });

t.test('format of the further pages: units on every number', async (t) => {
  t.equal(points(1000), '1000 points');
  t.equal(points(12.34), '12.3 points');
  t.equal(points(undefined), '– points');
  t.equal(price(10), '10 points/Wh');
  t.equal(price(0.125), '0.13 points/Wh');
  t.equal(price(undefined), 'no price');
  t.equal(milliseconds(0), 'less than 1 ms');
  t.equal(milliseconds(3), '3 ms');
  t.equal(milliseconds(1234), '1.2 s');
  t.equal(seconds(420), '0.4 s');
  t.equal(shortTime('2020/05/15-09:37:05'), '15 May 09:37');
  t.equal(shortTime('2020/13/15-09:37:05'), '15 13 09:37');
  t.equal(shortTime('soon'), 'soon');
});

t.test('end-of-deal', async (t) => {
  t.test('says how it ended and why (control.md §4.1)', async (t) => {
    t.match(endOfDeal(over('d')), { outcome: 'complete', why: /whole amount/ });
    t.match(endOfDeal(over('d', { cumulateAmountWh: 40, needToStopReasons: ['stopped by a person'] })), {
      outcome: 'early',
      why: 'stopped by a person',
    });
    t.match(endOfDeal(over('d', { cumulateAmountWh: 40 })), { outcome: 'early', why: /No reason/ });
    t.match(endOfDeal(over('d', { abortDateTime: 'x', abortReason: 'peer.timeout : E002 is silent' })), {
      outcome: 'aborted',
      why: 'E002 is silent (peer.timeout).',
    });
    t.match(endOfDeal(over('d', { scramDateTime: 'x', scramReason: '["over-voltage","again"]' })), {
      outcome: 'emergency',
      why: 'over-voltage again',
    });
    t.match(endOfDeal(aDeal('d', { deactivateDateTime: 'x', activateDateTime: '--' })), { outcome: 'unused' });
    t.match(endOfDeal(aDeal('d', { ...STARTED, abortDateTime: '--', deactivateDateTime: 'x' })), { outcome: 'early' });
  });
  t.test('limits of charge read as sentences (control.md §4.9)', async (t) => {
    t.equal(
      reasonText('E001 : dischargeUnitLowerLimitRsoc'),
      'E001 has reached the lowest charge at which it may give.',
    );
    t.equal(reasonText('E003 : chargeUnitUpperLimitRsoc'), 'E003 has reached the highest charge at which it may take.');
    t.equal(reasonText(''), 'No reason was recorded.');
    t.equal(reasonText('{"a":1}'), '{"a":1}', 'what is no list stays as it is');
  });
  t.test('what the grid master records reads as sentences (control.md §4.1)', async (t) => {
    const ends = DEAL_TABLE.filter(({ action }) => action === 'abort').map(({ when }) => when);
    // These two bring a text of their own.
    const codes = ends.filter((when) => !['stop-requested', 'charge-limit-reached'].includes(when));
    for (const when of new Set(codes)) {
      const recorded = when === 'start-overdue' ? 'deal.start-overdue : bus not ready' : `deal.${when}`;
      t.match(reasonText(recorded), /^[A-Z][^:]+\.$/, when);
      t.notMatch(reasonText(recorded), /deal\./, when);
    }
    t.equal(reasonText('["mode.stop"]'), 'The community was stopped.');
    t.equal(reasonText('["device.stale : fault of E001"]'), 'The device of E001 failed (device.stale).');
    t.equal(
      reasonText('["safety.heavy-alarm : fault of E004"]'),
      'E004 stopped for its own safety (safety.heavy-alarm).',
    );
    t.equal(reasonText('["grid.balance : fault of E002"]'), 'A fault that E002 reported (grid.balance).');
    t.equal(reasonText('hand-over.rolled-back : E003'), 'E003 could not take the voltage over.');
    t.equal(reasonText('stopped by a person : at home'), 'stopped by a person : at home', 'people are quoted');
  });
});

t.test('refusal-texts', async (t) => {
  const text = (reason: string, numbers = {}): string => refusalText({ reason, numbers });
  t.test('every reason that a unit answers with is a sentence with its numbers (market.md §2.5, §2.7)', async (t) => {
    t.equal(
      text('slots.busy', { taken: 2, slots: 2 }),
      'Its converter is busy: it carries 2 of at most 2 deals at once.',
    );
    t.match(text('mode.not-autonomous', { mode: 'heteronomous' }), /“Soft stop”/);
    t.match(text('mode.not-autonomous', {}), /not known/);
    t.match(
      text('scenario.no-rule', { status: 'low', type: 'discharge', storedWh: 812.4 }),
      /“low” \(812 Wh stored\).* not give/,
    );
    t.match(
      text('amount.at-limit', { type: 'charge', limitWh: 2000, storedWh: 2100, committedWh: 0 }),
      /take until 2000 Wh/,
    );
    t.match(
      text('amount.below-minimum', { amountWh: 3, amountMinWh: 100 }),
      /offer 3 Wh only; the smallest deal is 100 Wh/,
    );
    t.match(text('scenario.no-status', { storedWh: 'unknown' }), /an unknown amount/);
    t.match(text('direction.conflict', { role: 'chargeUnit' }), /is charging/);
    t.match(text('direction.conflict', { role: 'dischargeUnit' }), /is discharging/);
    t.match(text('backoff.waiting', { remainingMsec: 4200, failures: 2 }), /5 s more after 2/);
  });
  t.test('all known reasons say something, whatever numbers come with them (INV-11)', async (t) => {
    const codes = [
      'errors.local',
      'errors.global',
      'grid-master.unreachable',
      'unit-data.missing',
      'scenario.missing',
      'scenario.no-window',
      'amount.wrong-side-of-limit',
      'amount.no-deal',
      'current.no-deal',
      'rsoc.force-stop',
      'battery.in-use',
      'pair.not-addressed',
      'pair.bound-to-other',
      'type.unknown',
      'message.malformed',
      'time.unreadable',
    ];
    for (const code of codes) t.match(text(code), /^(It|A fault|Less|The|With|Its|At) .*\.$/, code);
  });
  t.test('a code of a newer unit is shown as it came', async (t) => {
    t.equal(text('weather.bad', { wind: 12, from: 'west' }), 'weather.bad (wind 12, from west)');
    t.equal(refusalText({ reason: 'weather.bad' } as never), 'weather.bad');
  });
});

t.test('where no deal runs, nobody is told to wait for one that cannot begin', async (t) => {
  for (const mode of [undefined, 'run'] as const) t.match(noDealText(mode), /Houses begin one when/);
  for (const mode of ['soft-stop', 'force-stop', 'manual'] as const) t.match(noDealText(mode), /none begins.*“Run”/);
});

t.test('deals-view', async (t) => {
  t.test('an unheard community shows nothing', async (t) => {
    t.same(dealsView({}), { running: [], finished: [], accounts: [], refusals: [] });
  });
  t.test('running deals have progress, time left, and the points so far', async (t) => {
    const openDeals = [aDeal('d', { ...STARTED, cumulateAmountWh: 30 }), aDeal('free', { pointPerWh: null })];
    const { running } = dealsView({ units: { E001: anEntry('E001') }, openDeals });
    t.match(running[0], {
      dealId: 'd',
      progress: 0.3,
      points: 300,
      pointPerWh: 10,
      made: /^E001 asked to .* up to \d+ Wh, 10 points\/Wh; E002 could .* up to \d+ Wh, 10 points\/Wh\.$/,
      phase: 'Exchanging',
    });
    t.ok((running[0]?.remainingSeconds ?? 0) > 0);
    t.notHas(running[1], 'points');
  });
  t.test('finished deals stand newest first, at most a page full', async (t) => {
    const finishedDeals = Array.from({ length: 80 }, (_, index) => over(`d${index}`));
    const { finished } = dealsView({ finishedDeals });
    t.equal(finished.length, SHOWN_DEALS);
    t.match(finished[0], { dealId: 'd79', from: 'E002', to: 'E001', seconds: 600, points: 1000, outcome: 'complete' });
  });
  t.test('a time that cannot be, or is missing, is not shown', async (t) => {
    const finishedDeals = [
      over('a', { deactivateDateTime: '--' }),
      over('b', { deactivateDateTime: '2025/01/01-00:00:00' }),
    ];
    for (const deal of dealsView({ finishedDeals }).finished) t.notHas(deal, 'seconds');
  });
  t.test('who gives earns and who takes pays; points are neither made nor lost', async (t) => {
    const finishedDeals = [
      over('a'),
      over('b', { dischargeUnitId: 'E001', chargeUnitId: 'E003', pointPerWh: 2 }),
      over('c', { pointPerWh: null }),
    ];
    const { accounts } = dealsView({ finishedDeals });
    t.match(accounts, [
      { unitId: 'E001', gaveWh: 100, tookWh: 200, earnedPoints: 200, paidPoints: 1000 },
      { unitId: 'E002', gaveWh: 200, tookWh: 0, earnedPoints: 1000, paidPoints: 0 },
      { unitId: 'E003', gaveWh: 0, tookWh: 100, earnedPoints: 0, paidPoints: 200 },
    ]);
    const sum = (key: 'gaveWh' | 'tookWh' | 'earnedPoints' | 'paidPoints'): number =>
      accounts.reduce((total, one) => total + one[key], 0);
    t.equal(sum('gaveWh'), sum('tookWh'));
    t.equal(sum('earnedPoints'), sum('paidPoints'));
  });
  t.test('refusals name both houses, what was wanted and why, the latest first', async (t) => {
    const note = {
      requestUnitId: 'E001',
      acceptUnitId: 'E002',
      refusal: { reason: 'errors.local', numbers: {} },
      at: 'x',
      count: 3,
    };
    const refusals = [note, { ...note, acceptUnitId: 'E003', wanted: { type: 'charge', amountWh: 499.6 } }];
    const view = dealsView({ refusals }).refusals;
    t.match(view, [
      { refuser: 'E003', wanted: 'to take up to 500 Wh', why: 'It has a fault of its own.', count: 3 },
      { refuser: 'E002', wanted: '' },
    ]);
    t.match(dealsView({ refusals: [{ ...note, wanted: { type: 'swap', amountWh: 1 } }] }).refusals[0]?.wanted, /swap/);
  });
});

const aFault = (faultId: string, more: Partial<KnownFault> = {}): KnownFault => ({
  faultId,
  unitId: 'E001',
  category: 'HARDWARE',
  extent: 'LOCAL',
  level: 'ERROR',
  reason: 'safety.over-voltage',
  message: 'vg 412 V > 410 V',
  at: '2026/01/02-03:00:00',
  ...more,
});

t.test('faults-view', async (t) => {
  t.test(
    'open are those that nobody has acknowledged; what holds the trade stands first, then the newest',
    async (t) => {
      const view = faultsView([
        aFault('fatal', { level: 'FATAL', extent: 'GLOBAL' }),
        aFault('old', { at: '2026/01/02-02:00:00' }),
        aFault('again', { at: '2026/01/02-01:00:00', count: 4, lastAt: '2026/01/02-05:00:00' }),
        aFault('warning', { level: 'WARN', at: '2026/01/02-09:00:00' }),
        aFault('done', { acknowledgedAt: '2026/01/02-04:00:00', at: '2026/01/02-00:30:00' }),
      ]);
      t.same(
        view.open.map(({ faultId }) => faultId),
        ['fatal', 'again', 'old'],
      );
      t.match(view.open[0], { holdsTrade: true, concerns: 'the whole community', levelText: 'Fatal' });
      t.match(view.open[1], { holdsTrade: false, count: 4, concerns: 'this house' });
      t.same(
        view.acknowledged.map(({ faultId }) => faultId),
        ['done'],
      );
      t.same(
        view.all.map(({ faultId }) => faultId),
        ['warning', 'again', 'fatal', 'old', 'done'],
      );
    },
  );
  t.test('an acknowledged fatal fault holds the trade no more', async (t) => {
    const view = faultsView([aFault('x', { level: 'FATAL', acknowledgedAt: 'now' })]);
    t.equal(view.acknowledged[0]?.holdsTrade, false);
    t.same(view.open, []);
  });
  t.test('what several houses tell of one fault is one, and anybody’s acknowledgement counts', async (t) => {
    const view = faultsView([
      aFault('x', { count: 3 }),
      aFault('x', { acknowledgedAt: 'now' }),
      aFault('x', { count: 2 }),
    ]);
    t.equal(view.all.length, 1);
    t.match(view.all[0], { count: 3, acknowledgedAt: 'now' });
    t.equal(
      faultsView([aFault('x'), aFault('x', { at: '2026/01/03-00:00:00' })]).all.length,
      2,
      'an old id with another time is another fault',
    );
  });
});

t.test('fault-advice: the longest beginning that fits, and never nothing', async (t) => {
  t.match(faultAdvice({ reason: 'safety.over-voltage', level: 'ERROR' }), /nothing else feeds the bus/);
  t.match(faultAdvice({ reason: 'safety.something-new', level: 'ERROR' }), /hardware file/);
  t.match(faultAdvice({ reason: 'grid-master.pass-failed', level: 'ERROR' }), /takes over/);
  t.match(faultAdvice({ reason: 'grid.pass', level: 'ERROR' }), /safe state/);
  t.match(faultAdvice({ reason: 'odd', level: 'FATAL' }), /acknowledge/);
  t.match(faultAdvice({ reason: 'odd', level: 'WARN' }), /nothing to do/);
  t.match(faultAdvice({ reason: 'odd', level: 'STRANGE' as never }), /acknowledge/);
});

/** Codes of commands, refusals and log lines that look like reasons of faults; none of them is raised as one. */
const NO_FAULTS: ReadonlySet<string> = new Set([
  ...['deal.adopted', 'deal.aborted', 'deal.finished', 'deal.half-ended', 'deal.propose', 'deal.rebalanced'],
  ...['deal.started', 'deal.stop', 'deal.stopped', 'deal.unknown', 'deal.update', 'deal.never-started'],
  ...['device.aborted', 'device.attempt-failed', 'device.busy', 'device.closed', 'device.no-permit'],
  ...['device.superseded', 'device.type'],
  ...['grid.command', 'grid.global-errors', 'grid.no-reading', 'grid.scram', 'grid.stop', 'grid.voltage-not-moved'],
  ...['grid.voltage-reference-moved'],
]);

/** Every reason of these families that stands in the gateway's source, and those of the global checks. */
function raisedReasons(): readonly string[] {
  const source = new URL('../../gateway/src/', import.meta.url);
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const texts = files.map((name) => readFileSync(new URL(name, source), 'utf8'));
  const literals = texts.flatMap((text) =>
    [...text.matchAll(/'((?:safety|device|deal|grid)\.[a-z]+(?:-[a-z]+)*)'/g)].flatMap(([, code]) => code ?? []),
  );
  const checks = texts.flatMap((text) =>
    [...text.matchAll(/\bcheck: '([a-z-]+)'/g)].map(([, check]) => `grid.${check}`),
  );
  return [...new Set([...literals, ...checks])].filter((code) => !NO_FAULTS.has(code));
}

t.test('fault-advice: every reason that the gateway raises has its text in both languages', async (t) => {
  const reasons = raisedReasons();
  t.ok(reasons.length > 60 && reasons.includes('device.checkpoint') && reasons.includes('grid.balance'), 'it looks');
  const own = (reason: string): boolean => Object.hasOwn(ADVICE_EN, reason) || reason.startsWith('deal.');
  t.same(
    reasons.filter((reason) => !own(reason)),
    [],
    'each has a text of its own; a deal that ended needs no other than its family’s',
  );
  for (const reason of reasons) {
    const [english, japanese] = (['en', 'ja'] as const).map((to) => faultAdvice({ reason, level: 'ERROR' }, to));
    t.notMatch(english, /[\u3040-\u9fff]/, reason);
    t.match(japanese, /[\u3040-\u9fff]/, reason);
  }
  t.same(Object.keys(ADVICE_JA), Object.keys(ADVICE_EN));
  t.equal(faultAdvice({ reason: 'odd', level: 'FATAL' }, 'ja'), faultAdvice({ reason: 'odd', level: 'UNKNOWN' }, 'ja'));
});

t.test('fault-advice: the browser’s language decides, English where there is no other', async (t) => {
  t.same(['ja', 'ja-JP', 'JA', 'jav', 'en-GB', ''].map(adviceLanguage), ['ja', 'ja', 'ja', 'en', 'en', 'en']);
});

t.test('grid-page-view', async (t) => {
  const news = (more = {}, heardAgoMsec = 100) => ({ state: aGrid('E002', more), heardAgoMsec });
  const aParts = (more: Partial<PageParts> = {}): Partial<PageParts> => ({
    units: { E001: anEntry('E001', 2.01, 349.2), E002: anEntry('E002', -1.99, 350.2) },
    openDeals: [aDeal('d', STARTED)],
    grid: news(),
    ...more,
  });
  t.test('adds the currents up and tells how much of the rest the meters may be off (INV-4)', async (t) => {
    const view = gridPageView(aParts());
    t.ok(Math.abs((view.sumA ?? 9) - 0.02) < 1e-9);
    t.ok(Math.abs(view.meterErrorA - 0.06) < 1e-9);
    t.ok(Math.abs((view.spreadV ?? 0) - 1) < 1e-9);
    t.equal(view.isBusOn, true);
  });
  t.test('shows what deals come to and what a house has room for', async (t) => {
    const [first, second] = gridPageView(aParts()).houses;
    t.match(first, { agreedA: 2, deals: 1, limitA: 2, dealsAtOnce: 1, currentA: 2.01, busV: 349.2 });
    t.match(second, { agreedA: -2, isGridMaster: true });
    const idle = gridPageView(aParts({ openDeals: [] })).houses[0];
    t.match(idle, { agreedA: 0, deals: 0, dealsAtOnce: 1 });
    t.notHas(idle, 'limitA', 'without a deal nobody tells its current');
  });
  t.test('houses that are silent count for nothing', async (t) => {
    const units = {
      E001: anEntry('E001'),
      E002: anEntry('E002', -9, 300, { online: false }),
      E003: { online: true, seenAt: 0 },
    };
    const view = gridPageView(aParts({ units }));
    t.equal(view.sumA, 2);
    t.notHas(view, 'spreadV');
    t.match(view.houses[2], { presence: 'stale' });
    t.notHas(gridPageView({}), 'sumA');
  });
  t.test('a grid master that is late or grants nothing is told', async (t) => {
    t.match(gridPageView(aParts()).master, { unitId: 'E002', term: 1, pass: 1, passMsec: 3, isLate: false, notes: [] });
    t.equal(gridPageView(aParts({ grid: news({}, 3000) })).master?.isLate, true);
    const troubled = { granting: false, hasGlobalErrors: true, handOver: { from: 'E001', to: 'E002' } };
    t.match(gridPageView(aParts({ grid: news(troubled) })).master?.notes, [
      /from E001 to E002/,
      /grants nothing/,
      /no new deals/,
    ]);
    t.notHas(gridPageView(aParts({ grid: null })), 'master');
  });
  t.test('permits are shown at their houses', async (t) => {
    const permits = [{ unitId: 'E001', session: 's', beacon: 1, modes: ['CHARGE' as const], dealIds: [] }];
    const { houses } = gridPageView(aParts({ grid: news({ permits }) }));
    t.same(
      houses.map(({ permit }) => permit),
      [['CHARGE'], []],
    );
  });
});

t.test('bars', async (t) => {
  const house = {
    unitId: 'E001',
    name: '',
    presence: 'live',
    modeText: '',
    isVoltageReference: false,
    isGridMaster: false,
    agreedA: 0,
    deals: 0,
    permit: [],
  } as const;
  t.equal(currentScale([]), 1, 'noise never fills the screen');
  t.equal(
    currentScale([
      { ...house, currentA: -3, limitA: 4 },
      { ...house, agreedA: -5 },
    ]),
    5,
  );
  t.same(barOf(2, 4), { left: '50.00%', width: '25.00%' });
  t.same(barOf(-4, 4), { left: '0.00%', width: '50.00%' });
  t.same(barOf(0.04, 4).width, '0.00%', 'what a meter says of nothing is no bar');
  t.same(barOf(99, 4), { left: '50.00%', width: '50.00%' }, 'never beyond the end');
});

t.test('house-page-view', async (t) => {
  t.test('the chosen house, else the page’s own, else the first', async (t) => {
    t.equal(chosenHouse(['E001', 'E002'], 'E002', 'E001'), 'E002');
    t.equal(chosenHouse(['E001', 'E002'], 'gone', 'E002'), 'E002');
    t.equal(chosenHouse(['E001', 'E002'], null, ''), 'E001');
    t.equal(chosenHouse([], null, 'E001'), undefined);
  });
  t.test('tiles carry their units; an unheard house has none', async (t) => {
    const units = { E002: anEntry('E002'), E001: anEntry('E001', -1.5, 349) };
    const view = housePageView({ units }, 'E001');
    t.same(
      view.choices.map(({ unitId }) => unitId),
      ['E001', 'E002'],
    );
    t.same(
      view.tiles.map(({ value }) => value),
      ['50 %', '800 W', '300 W', '– W', '704 W', '349.0 V', '−1.5 A'],
    );
    t.same(housePageView({ units }, 'E009').tiles, []);
    t.match(view.will, { mode: 'Run', modeWhy: /follows the community/, scenario: { title: 'Nothing now' } });

    t.same(housePageView({}, undefined), { choices: [], tiles: [] });
    t.equal(housePageView({ units: { E001: { online: true, seenAt: 0 } } }, 'E001').tiles[0]?.value, '– %');
  });
});

t.test('scenario-text: what a house asks for and agrees to, with numbers', async (t) => {
  const rule = { limitWh: 3600, pointPerWh: 10 };
  const now = { from: '06:00', to: '22:00', status: 'excess' };
  const table: readonly [scenario: ScenarioNow | undefined, title: string, text: string][] = [
    [undefined, 'Nothing now', 'Its scenario says nothing about this time.'],
    [{ from: '06:00', to: '22:00' }, 'No level', 'Neither asks for energy nor gives any. Holds from 06:00 to 22:00.'],
    [
      { ...now, request: { discharge: rule } },
      'excess',
      'Asks to give down to 3600 Wh stored, 10 points/Wh. Holds from 06:00 to 22:00.',
    ],
    [
      { ...now, accept: { charge: { limitWh: 4320, pairUnitId: 'E002' }, discharge: rule } },
      'excess',
      'Agrees to take up to 4320 Wh stored, no price, with E002 only; or to give down to 3600 Wh stored, 10 points/Wh. Holds from 06:00 to 22:00.',
    ],
  ];
  for (const [scenario, title, text] of table) {
    const shown = scenarioText(scenario);
    t.equal(shown.title, title);
    t.equal(shown.sentences.join(' '), text);
  }
});

t.test('emulator-view', async (t) => {
  const house = { houseId: 'E001', unitId: 'E001', rsoc: 50, capacityWh: 4800, pvW: 900, loadW: 300, faults: ['leak'] };
  const branches = [
    { branch: 'E001-E002', isBroken: true },
    { branch: 'E002-E003', isBroken: false },
  ];
  const state = { time: 0, speed: 60, houses: [house, { ...house, houseId: 'H2', faults: ['meteorite'] }], branches };

  t.test('tells what is broken in words, and how it is mended', async (t) => {
    const view = emulatorView(state, { E001: anEntry('E001') });
    t.match(view.houses[0], { rsocPercent: 50, storedWh: 2400, broken: [{ title: 'Leak of 0.7 A on the bus' }] });
    t.same(view.houses[0]?.broken[0]?.target, { kind: 'leak', houseId: 'E001' });
    t.equal(view.houses[1]?.broken[0]?.title, 'meteorite', 'what is not known is shown as it came');
    t.match(view.brokenLines, [{ title: 'Line cut between E001 and E002', target: { branch: 'E001-E002' } }]);
    t.same(view.wholeLines, ['E002-E003']);
  });
  t.test('the present speed is among those to choose from', async (t) => {
    t.same(emulatorView(state).speeds, [1, 10, 60, 300]);
    t.same(emulatorView({ ...state, speed: 42 }).speeds, [1, 10, 42, 60, 300]);
  });
  t.test('a choice becomes a fault at its place', async (t) => {
    t.same(faultAt(HOUSE_FAULTS[0], 'E003'), { kind: 'noReply', houseId: 'E003' });
    t.same(faultAt(undefined, 'E001-E002'), { kind: 'lineBreak', branch: 'E001-E002' });
    const kinds = HOUSE_FAULTS.map(({ fault }) => fault.kind);
    t.equal(new Set(kinds).size, kinds.length, 'every kind once: it is how a fault is found again');
  });
  t.test('a reason why there is none is no emulation', async (t) => {
    for (const news of [null, undefined, { problem: 'a real device' }]) t.notOk(isEmulation(news));
    t.ok(isEmulation(state));
  });
});

t.test('live-points', async (t) => {
  const sample = (value: number) => [value, null, null, null, null, null, null];
  t.test('the present moves the last point until it is a step away', async (t) => {
    let points = noPoints('E001', 3600);
    for (const at of [100, 105, 107, 140, 141]) points = withPresent(points, at, sample(at));
    t.same(points.times, [100, 140, 141]);
    t.same(points.series.rsocPercent, [100, 140, 141]);
    t.same(points.series.busA, [null, null, null]);
    t.equal(withPresent(points, 141, sample(0)), points, 'nothing is later than now');
  });
  t.test('old points leave, and their number stays bounded', async () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 300 }), (steps) => {
        let points = noPoints('E001', 3600);
        let at = 0;
        for (const step of steps) {
          at += step;
          points = withPresent(points, at, sample(at));
        }
        const { times, series } = points;
        const isOrdered = times.every((one, index) => index === 0 || one > (times[index - 1] ?? 0));
        return isOrdered && times.length === series.busV.length && times.length <= 722 && (times[0] ?? at) >= at - 3600;
      }),
    );
  });
  t.test('after a long silence only the present is left', async (t) => {
    const points = withPresent(withPresent(noPoints('E001', 60), 100, sample(1)), 1000, sample(2));
    t.same(points.times, [1000]);
  });
  t.test('a clock that was set back is noticed', async (t) => {
    const points = withPresent(noPoints('E001', 3600), 1000, sample(1));
    t.equal(isSetBack(points, 500), true);
    t.equal(isSetBack(points, 990), false);
    t.equal(isSetBack(noPoints('E001', 60), 0), false);
  });
});

t.test('plot', async (t) => {
  t.test('ticks are round and cover every value', async (t) => {
    t.same(niceTicks({ from: 0, to: 100 }, 4), [0, 25, 50, 75, 100]);
    t.same(niceTicks({ from: 349.06, to: 350.15 }, 3), [349, 349.5, 350, 350.5]);
    fc.assert(
      fc.property(fc.integer({ min: -100_000, max: 100_000 }), fc.integer({ min: 1, max: 100_000 }), (from, width) => {
        const ticks = niceTicks({ from, to: from + width }, 4);
        return (ticks[0] ?? 1e9) <= from && (ticks.at(-1) ?? -1e9) >= from + width && ticks.length <= 8;
      }),
    );
  });
  t.test('ticks of one scale have the same digits, and a minus sign', async (t) => {
    t.same(tickTexts([349, 349.5, 350]), ['349.0', '349.5', '350.0']);
    t.same(tickTexts([-1000, 0, 1000]), ['−1000', '0', '1000']);
    t.same(tickTexts([]), []);
  });

  t.test('extents cover the values and what is always shown; a flat line gets air', async (t) => {
    t.same(extentOf([1, null, 3]), { from: 1, to: 3 });
    t.same(extentOf([350], { from: 0, to: 400 }), { from: 0, to: 400 });
    t.same(extentOf([5, 5]), { from: 4, to: 6 });
    t.same(extentOf([350, 351], undefined, 10), { from: 345.5, to: 355.5 }, 'noise does not fill the plot');
    t.same(extentOf([0, 350], undefined, 10), { from: 0, to: 350 });
    t.same(extentOf([]), { from: 0, to: 1 });
  });
  t.test('times are round, and not too many', async (t) => {
    t.same(timeTicks({ from: 3600, to: 7200 }, 5), [3600, 4500, 5400, 6300, 7200]);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2e9 }), fc.integer({ min: 300, max: 7 * 86_400 }), (from, span) => {
        const ticks = timeTicks({ from, to: from + span }, 6);
        return ticks.length <= 7 && ticks.every((one) => one >= from && one <= from + span);
      }),
    );
    t.ok(timeTicks({ from: 0, to: 1e8 }, 4).length <= 5, 'also beyond the steps of the table');
    t.equal(timeText(Date.UTC(2020, 4, 15, 9, 5) / 1000), '09:05');
    t.equal(timeText(Date.UTC(2020, 4, 15, 9, 5) / 1000, true), '15 May 09:05');
  });
  t.test('lines break at gaps and at what is not known', async (t) => {
    const parts = stretches([0, 60, 120, 900, 960, 1020], [1, 2, null, 4, 5, null], 180);
    t.same(
      parts.map((part) => part.map(({ t }) => t)),
      [
        [0, 60],
        [900, 960],
      ],
    );
    t.same(stretches([0, 60, 900], [1, 2, 3], 180).length, 2);
    t.same(stretches([0], [], 180), []);
  });
  t.test('gaps are marked, also before the first point and after the last', async (t) => {
    const range = { from: 0, to: 1000 };
    t.same(gapsOf([300, 360, 800, 990], 100, range), [
      { from: 0, to: 300 },
      { from: 360, to: 800 },
      { from: 800, to: 990 },
    ]);
    t.same(gapsOf([], 100, range), [range]);
    t.same(gapsOf([-50, 20], 1000, range), []);
  });
  t.test('the range begins where something is known, and is never too short', async (t) => {
    t.same(rangeOf([], 10_000, 3600), { from: 6400, to: 10_000 });
    t.same(rangeOf([8000], 10_000, 3600), { from: 8000, to: 10_000 });
    t.same(rangeOf([9990], 10_000, 3600), { from: 9990, to: 10_290 }, 'a plot that begins is filled from the left');
    t.same(rangeOf([1], 10_000, 3600), { from: 6400, to: 10_000 });
  });
  t.test('the nearest point is found', async (t) => {
    t.equal(nearestIndex([0, 10, 20], 14), 1);
    t.equal(nearestIndex([0, 10, 20], 16), 2);
    t.equal(nearestIndex([], 5), undefined);
  });
  t.test('paths are drawn from left to right; a single point is a dot', async (t) => {
    const same = (value: number): number => value;
    t.equal(
      pathOf(
        [
          { t: 0, value: 1 },
          { t: 2, value: 3 },
        ],
        same,
        same,
      ),
      'M0.0 1.0L2.0 3.0',
    );
    t.equal(pathOf([{ t: 4, value: 5 }], same, same), 'M4.0 5.0h0.1');
    t.equal(pathOf([], same, same), '');
  });
});
