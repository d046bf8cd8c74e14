import fc from 'fast-check';
import t from 'tap';
import { aBirth, aDeal, aGrid, aMode, aUnit } from '../../gateway/test/support/messages.ts';
import type { CommunityState, UnitEntry } from '../src/lib/community.ts';
import { ROLES, type Role, type WidgetConnection } from '../src/lib/widget-message.ts';
import { communityView } from '../src/widgets/community/community-view.ts';
import { dealView, openDeals } from '../src/widgets/community/deal-view.ts';
import { houseOutline, panelOutline } from '../src/widgets/community/house-shape.ts';
import { houseView } from '../src/widgets/community/house-view.ts';
import { assignLanes, laneCount } from '../src/widgets/community/lanes.ts';
import { arrangementFor, type Box, HOUSE, laneAt, layoutOf, SMALL_HOUSE } from '../src/widgets/community/layout.ts';
import { notableFaults } from '../src/widgets/community/notable-faults.ts';
import { flowPoints, laneMiddle, roundedPath } from '../src/widgets/community/paths.ts';
import { skyOf } from '../src/widgets/community/sky.ts';
import { wirePath } from '../src/widgets/community/wires.ts';
import { clockText } from '../src/widgets/shared/clock-text.ts';
import { connectionNote } from '../src/widgets/shared/connection-note.ts';
import { dashboard } from '../src/widgets/shared/dashboard.ts';
import {
  amperes,
  duration,
  percent,
  signedAmperes,
  volts,
  wattHours,
  wattHoursOf,
  watts,
} from '../src/widgets/shared/format.ts';
import { lightness } from '../src/widgets/shared/lightness.ts';
import { mayOperate } from '../src/widgets/shared/may-operate.ts';

const anEntry = (unitId: string, more: Partial<UnitEntry> = {}): UnitEntry => ({
  online: true,
  seenAt: 0,
  unit: aUnit(unitId),
  mode: aMode(),
  ...more,
});

const aState = (more: Partial<CommunityState> = {}): CommunityState => ({
  units: { E001: anEntry('E001'), E002: anEntry('E002') },
  deals: [],
  faults: [],
  ...more,
});

/** A unit whose converter is in the mode of `code`, at a bus voltage. */
const inMode = (unitId: string, code: string, vg: number): UnitEntry => {
  const unit = aUnit(unitId);
  const { status, meter } = unit.dcdc;
  return anEntry(unitId, {
    unit: { ...unit, dcdc: { ...unit.dcdc, status: { ...status, status: code }, meter: { ...meter, vg } } },
  });
};

const STARTED = { activateDateTime: 'a', rampUpDateTime: 'r', warmUpDateTime: 'w', startDateTime: 's' };

t.test('format', async (t) => {
  t.test('every number carries its unit, known or not', async (t) => {
    t.equal(watts(812.4), '812 W');
    t.equal(watts(12_345), '12.3 kW');
    t.equal(watts(-12_345), '−12.3 kW');
    t.equal(volts(350.16), '350.2 V');
    t.equal(percent(63.4), '63 %');
    t.equal(amperes(2), '2.0 A');
    t.equal(wattHours(264.4), '264 Wh');
    t.equal(wattHours(2.34), '2.3 Wh');
    t.equal(wattHours(0), '0 Wh');
    t.equal(wattHoursOf(264, 500), '264 of 500 Wh');
    for (const unknown of [undefined, Number.NaN, Number.POSITIVE_INFINITY]) t.equal(watts(unknown), '– W');
    t.equal(wattHours(undefined), '– Wh');
  });
  t.test('currents show their direction, and nothing is ever "-0" (control.md §0)', async (t) => {
    t.equal(signedAmperes(2), '+2.0 A');
    t.equal(signedAmperes(-2), '−2.0 A');
    t.equal(signedAmperes(-0.01), '0.0 A');
    t.equal(signedAmperes(0.01), '0.0 A');
    t.equal(signedAmperes(undefined), '– A');
    fc.assert(fc.property(fc.double({ min: -5, max: 5, noNaN: true }), (value) => !/^-0\.0 /.test(amperes(value))));
  });
  t.test('durations read as people say them', async (t) => {
    t.equal(duration(20), 'less than 1 min');
    t.equal(duration(12 * 60), '12 min');
    t.equal(duration(3 * 3600 + 5 * 60), '3 h 05 min');
    t.equal(duration(59.7 * 60), '1 h 00 min');
  });
});

t.test('clock-text, sky', async (t) => {
  t.same(clockText('2020/06/21-12:40:05'), { time: '12:40', date: 'Sunday, 21 Jun 2020' });
  for (const unknown of [undefined, 'soon']) t.same(clockText(unknown), { time: '–:–', date: 'time not known' });
  const skies = ['02', '06', '12', '18', '22'].map((hour) => skyOf(`2020/06/21-${hour}:00:00`));
  t.same(skies, ['night', 'dawn', 'day', 'dusk', 'night'], 'the sky follows the community’s time of day');
  t.equal(skyOf(undefined), 'day');
  t.equal(skyOf('soon'), 'day');
});

t.test('lightness tells dark themes from light ones', async (t) => {
  t.ok(lightness('255, 255, 255') > 0.99);
  t.equal(lightness('0,0,0'), 0);
  t.ok(lightness('') > 0.99, 'without a theme the page is white');
  t.ok(lightness('24,32,44') < 0.45);
});

t.test('connection-note says when the page does not show the present', async (t) => {
  const connected: WidgetConnection = { state: 'connected', unitId: 'E001', role: 'operator' };
  t.match(connectionNote(undefined, 0), /first news/);
  t.equal(connectionNote(connected, 0), undefined);
  t.match(connectionNote(connected, 5000), /No news from Node-RED/);
  t.match(connectionNote({ ...connected, state: 'noGateway' }, 0), /gateway of E001/);
  t.match(connectionNote({ ...connected, state: 'disconnected', unitId: '' }, 0), /Not connected to the gateway:/);
});

t.test('may-operate: an operator, and nobody before it is known who looks', async (t) => {
  const as = (role: Role): boolean => mayOperate({ state: 'connected', unitId: 'E001', role });
  t.same([mayOperate(undefined), ...ROLES.map(as)], [false, true, false, false]);
});

t.test('dashboard refuses a page that is none', async (t) => {
  const socket = { emit: () => {} };
  const track = () => {};
  t.same(dashboard(socket, track), { socket, track });
  t.throws(() => dashboard(undefined, track), /Dashboard 2/);
  t.throws(() => dashboard(socket, undefined), /Dashboard 2/);
});

t.test('house-view', async (t) => {
  t.test('shows what the unit says of itself', async (t) => {
    const unit = { ...aUnit('E001', 63), dcdc: { ...aUnit('E001').dcdc, powermeter: { p2: 57 } } };
    const house = houseView('E001', anEntry('E001', { unit }), aGrid('E001'));
    t.match(house, {
      unitId: 'E001',
      name: 'House E001',
      presence: 'live',
      rsocPercent: 63,
      solarW: 800,
      loadW: 300,
      importW: 57,
      mode: 'CHARGE',
      modeText: 'Charging',
      gridCurrentA: 2.01,
      isGridMaster: true,
      isVoltageReference: false,
    });
    t.notHas(house, 'ownMode');
  });
  t.test('a silent house is offline, one with old values stale; neither holds the bus', async (t) => {
    const offline = houseView('E001', { ...inMode('E001', '0x0014', 350), online: false }, undefined);
    t.match(offline, { presence: 'offline', isVoltageReference: false, isGridMaster: false });
    t.equal(
      houseView('E001', anEntry('E001', { unit: { ...aUnit('E001'), stale: true } }), undefined).presence,
      'stale',
    );
  });
  t.test('a house that has only been born shows its name and no numbers', async (t) => {
    const { unit: _unit, ...entry } = anEntry('E001', { birth: aBirth('E001') });
    const house = houseView('E001', entry, undefined);
    t.match(house, { name: 'House E001', presence: 'stale', modeText: 'Unknown' });
    t.equal(house.rsocPercent, undefined);
    t.equal(houseView('E009', { online: true, seenAt: 0 }, undefined).name, 'E009');
  });
  t.test('codes beyond the four modes are shown in the device’s own words', async (t) => {
    const house = houseView('E001', inMode('E001', '0x0099', 350), undefined);
    t.equal(house.modeText, 'Heteronomy CV');
    t.equal(house.mode, undefined);
  });
  t.test('a local mode is shown (control.md §6)', async (t) => {
    const unit = aUnit('E001');
    const local = { ...unit.apis.operation_mode, local: 'stop' as const };
    const entry = anEntry('E001', { unit: { ...unit, apis: { ...unit.apis, operation_mode: local } } });
    t.equal(houseView('E001', entry, undefined).ownMode, 'force-stop');
  });
});

t.test('deal-view', async (t) => {
  t.test('a started deal flows, with progress and time left at the present power', async (t) => {
    const deal = aDeal('d', { ...STARTED, cumulateAmountWh: 30, dealAmountWh: 100, isMaster: true });
    const view = dealView(deal, 350);
    t.match(view, { from: 'E002', to: 'E001', phase: 'Exchanging', isFlowing: true, isMaster: true, progress: 0.3 });
    t.equal(view.remainingSeconds, (70 / 700) * 3600);
  });
  t.test('no time is promised while nothing flows', async (t) => {
    for (const deal of [aDeal('d'), aDeal('d', { activateDateTime: 'a' })]) {
      t.match(dealView(deal, 350), { phase: 'Preparing', isFlowing: false, progress: 0, remainingSeconds: undefined });
    }
    t.equal(dealView(aDeal('d', STARTED), undefined).remainingSeconds, undefined, 'unknown voltage, unknown power');
    const asked = dealView(aDeal('d', { ...STARTED, needToStopReasons: ['soft stop'] }), 350);
    t.match(asked, { phase: 'Stopping', isFlowing: true, remainingSeconds: undefined });
    t.match(dealView(aDeal('d', { ...STARTED, stopDateTime: 'x' }), 350), { phase: 'Stopping', isFlowing: false });
  });
  t.test('progress never passes the end, and an amount of nothing is no progress', async (t) => {
    t.equal(dealView(aDeal('d', { ...STARTED, cumulateAmountWh: 101, dealAmountWh: 100 }), 350).progress, 1);
    t.equal(dealView(aDeal('d', { dealAmountWh: 0 }), 350).progress, 0);
  });
  t.test('deals that are over are gone; the oldest stands first', async (t) => {
    const late = aDeal('a', { createDateTime: '2026/01/02-04:00:00' });
    const early = aDeal('b', { createDateTime: '2026/01/02-03:00:00' });
    const same = aDeal('c', { createDateTime: '2026/01/02-04:00:00' });
    const over = aDeal('x', { deactivateDateTime: 'x' });
    t.same(
      openDeals([same, late, over, early]).map((deal) => deal.dealId),
      ['b', 'a', 'c'],
    );
  });
});

t.test('community-view', async (t) => {
  t.test('an unheard community is an empty picture', async (t) => {
    const view = communityView({ units: {}, deals: [], faults: [] });
    t.match(view, { houses: [], deals: [], isBusOn: false, hasGlobalErrors: false });
    t.notHas(view, 'globalMode');
    t.notHas(view, 'busVoltageV');
    t.notHas(view, 'clock');
  });
  t.test('the voltage reference says what the bus has (INV-1)', async (t) => {
    const units = { E001: inMode('E001', '0x0041', 340), E002: inMode('E002', '0x0014', 350.2) };
    t.match(communityView(aState({ units })), { busVoltageV: 350.2, isBusOn: true });
  });
  t.test('without one, the middle of what live houses measure', async (t) => {
    const units = {
      E001: inMode('E001', '0x0000', 0.4),
      E002: inMode('E002', '0x0000', 0.6),
      E003: inMode('E003', '0x0000', 0.5),
      E004: { ...inMode('E004', '0x0014', 350), online: false },
    };
    t.match(communityView(aState({ units })), { busVoltageV: 0.5, isBusOn: false });
  });
  t.test('the mode with the highest stamp is the community’s (architecture.md §3)', async (t) => {
    const stamped = (value: 'stop' | 'heteronomous', term: number, revision: number) => ({
      ...aMode(),
      global: { value, term, revision },
    });
    const units = {
      E001: anEntry('E001', { mode: stamped('heteronomous', 2, 1) }),
      E002: anEntry('E002', { mode: stamped('stop', 2, 2) }),
    };
    t.equal(communityView(aState({ units, grid: aGrid('E001') })).globalMode, 'force-stop');
    const grid = aGrid('E001', { mode: { value: 'manual', term: 3, revision: 1 } });
    t.equal(communityView(aState({ units, grid })).globalMode, 'manual');
  });
  t.test('sums count live houses and flowing deals only', async (t) => {
    const units = { ...aState().units, E003: anEntry('E003', { online: false }) };
    const deals = [aDeal('d', STARTED), aDeal('e')];
    const { totals } = communityView(aState({ units, deals }));
    t.same(totals, { solarW: 1600, loadW: 600, importW: 0, tradedW: 2 * 350.1 });
  });
  t.test('houses stand in the order of their ids, whatever was heard first', async (t) => {
    const units = { E010: anEntry('E010'), E002: anEntry('E002') };
    t.same(
      communityView(aState({ units })).houses.map((house) => house.unitId),
      ['E002', 'E010'],
    );
  });
  t.test('the clock is that of the youngest reading; global errors are passed on', async (t) => {
    const young = { ...aUnit('E002'), time: '2026/01/02-09:00:00' };
    const units = { E001: anEntry('E001'), E002: anEntry('E002', { unit: young }) };
    const view = communityView(aState({ units, grid: aGrid('E001', { hasGlobalErrors: true }) }));
    t.equal(view.clock, '2026/01/02-09:00:00');
    t.equal(view.hasGlobalErrors, true);
  });
});

t.test('notable-faults: the last five that matter, newest first', async (t) => {
  const aFault = (n: number, level: 'WARN' | 'ERROR' | 'FATAL') => ({
    unitId: 'E001',
    category: 'HARDWARE' as const,
    extent: 'LOCAL' as const,
    level,
    reason: 'r',
    message: `${n}`,
    at: 'now',
  });
  const faults = [1, 2, 3, 4, 5, 6].map((n) => aFault(n, n === 2 ? 'FATAL' : 'ERROR'));
  const shown = notableFaults([...faults, aFault(7, 'WARN')]);
  t.same(
    shown.map((fault) => fault.message),
    ['6', '5', '4', '3', '2'],
  );
});

t.test('lanes', async (t) => {
  t.test('a deal keeps its lane while it runs, and a free lane is used again', async (t) => {
    const first = assignLanes(new Map(), ['a', 'b', 'c']);
    t.same(
      [...first],
      [
        ['a', 0],
        ['b', 1],
        ['c', 2],
      ],
    );
    const second = assignLanes(first, ['b', 'c', 'd']);
    t.same(
      [...second],
      [
        ['b', 1],
        ['c', 2],
        ['d', 0],
      ],
    );
    t.equal(laneCount(second), 3);
    t.equal(laneCount(new Map()), 1, 'an idle bus still has room for a lane');
  });
  t.test('no two deals ever share a lane', async () => {
    const ids = fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'));
    fc.assert(
      fc.property(ids, ids, (before, after) => {
        const lanes = assignLanes(assignLanes(new Map(), before), after);
        return new Set(lanes.values()).size === after.length && lanes.size === after.length;
      }),
    );
  });
});

const overlap = (a: Box, b: Box): boolean => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

t.test('layout', async (t) => {
  t.test('phones get an upright bus, laptops one row, many houses two rows', async (t) => {
    t.equal(arrangementFor(340, 4), 'column');
    t.equal(arrangementFor(340, 1), 'row');
    t.equal(arrangementFor(1200, 4), 'row');
    t.equal(arrangementFor(700, 4), 'rows');
    t.equal(arrangementFor(1200, 7), 'rows');
  });
  t.test('houses never cover each other or the bus, and stay inside the picture', async () => {
    const anyWidth = fc.integer({ min: 320, max: 1900 });
    fc.assert(
      fc.property(anyWidth, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 6 }), (width, count, lanes) => {
        const { houses, pipe, width: whole, height } = layoutOf(width, count, lanes);
        const clear = houses.every((house, i) => houses.every((other, j) => i === j || !overlap(house, other)));
        const inside = houses.every(({ x, y, w, h }) => x >= 0 && y >= 0 && x + w <= whole + 0.001 && y + h <= height);
        return houses.length === count && clear && inside && houses.every((house) => !overlap(house, pipe));
      }),
    );
  });
  t.test('every lane lies inside the bus', async () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 320, max: 1900 }),
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 1, max: 6 }),
        (width, count, lanes) => {
          const layout = layoutOf(width, count, lanes);
          const { x, y, w, h } = layout.pipe;
          const [low, high] = layout.arrangement === 'column' ? [x, x + w] : [y, y + h];
          return Array.from({ length: lanes }, (_, lane) => laneAt(layout, lane, lanes)).every(
            (at) => at > low && at < high,
          );
        },
      ),
    );
  });
  t.test(
    'the note on the bus covers no deal where all houses stand in one row, and stays inside the picture',
    async (t) => {
      for (const lanes of [1, 2, 3, 6]) {
        const layout = layoutOf(1000, 4, lanes);
        const [noteY = 0, halfNote, halfFlow] = [layout.busTextY, 14, 4];
        t.ok(laneAt(layout, lanes - 1, lanes) + halfFlow < noteY - halfNote, `${lanes} lanes`);
        t.ok(noteY + halfNote < layout.height);
      }
      t.equal(layoutOf(326, 4, 1).busTextY, undefined, 'an upright bus has it on top');
    },
  );
  t.test('on a phone nothing is wider than the screen', async (t) => {
    t.equal(layoutOf(326, 4, 3).width, 326);
  });
  t.test('too many houses make the picture wider than the screen rather than the houses too narrow', async (t) => {
    const layout = layoutOf(700, 40, 1);
    t.ok(layout.width > 700);
    t.ok(layout.houses.every((house) => house.w >= SMALL_HOUSE.minWidth));
  });
  t.test('twenty houses stand on a laptop without scrolling, small ones', async (t) => {
    const layout = layoutOf(1000, 20, 1);
    t.equal(layout.width, 1000);
    t.equal(layout.size, SMALL_HOUSE);
    t.equal(layoutOf(1000, 4, 1).size, HOUSE);
  });
});

t.test('paths', async (t) => {
  t.test('a flow leaves the giving house, follows its lane, and enters the taking one', async (t) => {
    for (const width of [340, 800, 1200]) {
      const layout = layoutOf(width, 4, 1);
      const points = flowPoints(layout, 1, 3, 0, 1);
      t.same(points[0], layout.ports[1], `${layout.arrangement}: begins at the port`);
      t.same(points.at(-1), layout.ports[3], `${layout.arrangement}: ends at the port`);
      const along = laneAt(layout, 0, 1);
      const { x, y } = laneMiddle(points);
      t.equal(layout.arrangement === 'column' ? x : y, along, `${layout.arrangement}: the label is on the lane`);
    }
  });
  t.test('a deal with a house that is not in the picture has no way', async (t) => {
    const layout = layoutOf(1200, 2, 1);
    t.same(flowPoints(layout, -1, 1, 0, 1), []);
    t.same(flowPoints(layout, 0, 7, 0, 1), []);
    t.same(laneMiddle([]), { x: 0, y: 0, length: 0 });
    t.equal(roundedPath([], 4), '');
  });
  t.test('corners are round, also where points fall together', async (t) => {
    const corner = roundedPath(
      [
        { x: 0, y: 0 },
        { x: 10, y: 0 },
        { x: 10, y: 10 },
      ],
      4,
    );
    t.equal(corner, 'M0.0 0.0 L6.0 0.0 Q10.0 0.0 10.0 4.0 L10.0 10.0');
    t.notMatch(
      roundedPath(
        [
          { x: 1, y: 1 },
          { x: 1, y: 1 },
          { x: 1, y: 1 },
        ],
        4,
      ),
      'NaN',
    );
  });
  t.test('every house is wired to the bus', async (t) => {
    for (const width of [340, 800, 1200]) {
      const layout = layoutOf(width, 4, 2);
      for (const index of [0, 1, 2, 3]) t.match(wirePath(layout, index), /^M[\d.]+ [\d.]+ L[\d.]+ [\d.]+$/);
      t.equal(wirePath(layout, 9), '');
    }
  });
});

t.test('house-shape draws closed outlines at every size', async (t) => {
  for (const width of [120, 172, 300]) {
    t.match(houseOutline(width, HOUSE.height, HOUSE.roof), /^M.* Z$/);
    t.notMatch(panelOutline(SMALL_HOUSE.minWidth, SMALL_HOUSE.roof), /NaN|Infinity/);
    t.equal(panelOutline(width, HOUSE.roof).split('Z').length - 1, 3, 'three panels');
    t.notMatch(houseOutline(width, HOUSE.height, HOUSE.roof) + panelOutline(width, HOUSE.roof), 'NaN');
  }
});
