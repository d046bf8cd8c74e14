import { appendFile, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { aDeal, aGrid, aUnit } from '../../gateway/test/support/messages.ts';
import { Archive } from '../src/lib/archive.ts';
import type { CommunityState, UnitEntry } from '../src/lib/community.ts';
import { DealArchive, KEPT_DEALS } from '../src/lib/deal-archive.ts';
import { HistoryFiles } from '../src/lib/history-files.ts';
import {
  communitySeconds,
  type HistoryRow,
  housePoints,
  inOrder,
  lineOf,
  parseRow,
  rowOf,
  sampleOf,
} from '../src/lib/house-history.ts';
import { newsOf } from '../src/lib/news-of.ts';
import { PAGES, PARTS_OF } from '../src/lib/page-message.ts';
import { RefusalBook } from '../src/lib/refusal-book.ts';

const NOON = Date.UTC(2026, 0, 2, 12) / 1000;
const MIDNIGHT = NOON + 12 * 3600;
const timeText = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().slice(0, 19).replaceAll('-', '/').replace('T', '-');

const anEntry = (unitId: string, at: number, rsoc = 50, more: Partial<UnitEntry> = {}): UnitEntry => ({
  online: true,
  seenAt: 0,
  unit: { ...aUnit(unitId, rsoc), time: timeText(at) },
  ...more,
});
const aState = (at: number, rsoc = 50, more: Partial<CommunityState> = {}): CommunityState => ({
  units: { E001: anEntry('E001', at, rsoc) },
  deals: [],
  faults: [],
  ...more,
});
const SAMPLE = [50, 800, 300, null, 704, 350.1, 2.01];
const row = (t: number, rsoc = 50): HistoryRow => ({ t, houses: { E001: [rsoc, ...SAMPLE.slice(1)] } });
const folder = async (t: { teardown(done: () => Promise<void>): void }): Promise<string> => {
  const path = await mkdtemp(join(tmpdir(), 'apis-history-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
};

t.test('house-history', async (t) => {
  t.test('a sample is what the unit says of its house, rounded; meters that are not there are null', async (t) => {
    t.same(sampleOf(anEntry('E001', NOON)), SAMPLE);
  });
  t.test('a house that is silent or has old values leaves a gap', async (t) => {
    t.equal(sampleOf(anEntry('E001', NOON, 50, { online: false })), undefined);
    t.equal(sampleOf(anEntry('E001', NOON, 50, { unit: { ...aUnit('E001'), stale: true } })), undefined);
    t.equal(sampleOf({ online: true, seenAt: 0 }), undefined);
  });
  t.test('a row has the time of the youngest reading of a living house', async (t) => {
    const units = {
      E001: anEntry('E001', NOON),
      E002: anEntry('E002', NOON + 5),
      E003: anEntry('E003', NOON + 99, 50, { online: false }),
    };
    t.equal(communitySeconds(units), NOON + 5);
    t.match(rowOf(units), { t: NOON + 5, houses: { E001: SAMPLE, E002: SAMPLE } });
    t.same(Object.keys(rowOf(units)?.houses ?? {}), ['E001', 'E002']);
    t.equal(rowOf({}), undefined);
    t.equal(rowOf({ E001: anEntry('E001', NOON, 50, { unit: { ...aUnit('E001'), time: 'soon' } }) }), undefined);
    t.equal(rowOf({ E001: anEntry('E001', NOON, 50, { unit: { ...aUnit('E001'), stale: true } }) }), undefined);
  });
  t.test('rows come back from their lines as they were', async (t) => {
    t.same(parseRow(lineOf(row(NOON))), row(NOON));
  });
  t.test('a line that is none, or was cut short, is passed over (INV-11)', async (t) => {
    const line = lineOf(row(NOON));
    for (const broken of ['', 'null', '7', '{}', '{"t":"x"}', line.slice(0, -3)])
      t.equal(parseRow(broken), undefined, broken);
    t.same(parseRow(`{"t":${NOON},"E001":[1,2],"E002":"x","E003":[1,2,3,4,5,6,"7"]}`)?.houses, {});
    fc.assert(
      fc.property(fc.string(), (text) => parseRow(text) === undefined || true),
      { numRuns: 200 },
    );
  });
  t.test('where a clock was set back, what lies beyond is not the past any more', async (t) => {
    const rows = [row(10), row(20), row(30), row(15), row(25)];
    t.same(
      inOrder(rows).map(({ t }) => t),
      [10, 15, 25],
    );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 })), (times) => {
        const kept = inOrder(times.map((one) => row(one))).map((one) => one.t);
        return kept.every((one, index) => index === 0 || one > (kept[index - 1] ?? 0)) && kept.at(-1) === times.at(-1);
      }),
    );
  });
  t.test('points are those of one house within the span', async (t) => {
    const rows = [row(NOON - 4000, 1), row(NOON - 60, 2), row(NOON, 3), row(NOON + 60, 4)];
    const points = housePoints(rows, 'E001', NOON, 3600);
    t.same(points.times, [NOON - 60, NOON]);
    t.same(points.series.rsocPercent, [2, 3]);
    t.same(points.series.importW, [null, null]);
    t.same(housePoints(rows, 'E009', NOON, 3600).times, []);
  });
  t.test('a long past is thinned to means, and gaps stay gaps', async (t) => {
    const day = Array.from({ length: 1440 }, (_, minute) => row(NOON + minute * 60, minute % 2 === 0 ? 40 : 60));
    const holey = day.filter(({ t }) => t < NOON + 36_000 || t > NOON + 50_000);
    const points = housePoints(holey, 'E001', NOON + 86_400, 86_400);
    t.ok(points.times.length <= 361 && points.times.length > 250, `${points.times.length} points`);
    t.ok(points.series.rsocPercent.slice(1, -1).every((one) => one !== null && Math.abs(one - 50) <= 10));
    const widest = Math.max(...points.times.slice(1).map((one, index) => one - (points.times[index] ?? one)));
    t.ok(widest > points.gapSeconds, 'the hole is wider than what counts as connected');
    t.ok(points.gapSeconds >= 240 && points.gapSeconds < 2000);
  });
  t.test('means leave out what is not known', async (t) => {
    const rows = Array.from({ length: 1000 }, (_, index) => row(NOON + index));
    const points = housePoints(rows, 'E001', NOON + 1000, 1000);
    t.ok(points.series.importW.every((one) => one === null));
    t.ok(points.series.busV.every((one) => one === 350.1));
  });
  t.test('a fast clock leaves wide steps, which are no gaps', async (t) => {
    const rows = Array.from({ length: 20 }, (_, index) => row(NOON + index * 1000));
    t.ok(housePoints(rows, 'E001', NOON + 20_000, 86_400).gapSeconds > 1000);
  });
});

t.test('history-files', async (t) => {
  t.test('one file per day of the community’s time; a range reads over midnight', async (t) => {
    const path = await folder(t);
    const files = new HistoryFiles(path);
    for (const at of [MIDNIGHT - 120, MIDNIGHT - 60, MIDNIGHT, MIDNIGHT + 60]) await files.append(row(at));
    t.same((await readdir(path)).sort(), ['2026-01-02.ndjson', '2026-01-03.ndjson']);
    t.equal((await files.rows(MIDNIGHT - 3600, MIDNIGHT + 3600)).length, 4);
    t.equal((await files.rows(MIDNIGHT, MIDNIGHT + 3600)).length, 2);
    t.same(await files.rows(MIDNIGHT + 86_400 * 3, MIDNIGHT + 86_400 * 4), [], 'days that nobody wrote are empty');
  });
  t.test('a new process goes on where the old one ended, also behind a line that a power loss has cut', async (t) => {
    const path = await folder(t);
    await new HistoryFiles(path).append(row(NOON));
    await appendFile(join(path, '2026-01-02.ndjson'), '{"t":17673');
    const files = new HistoryFiles(path);
    await files.append(row(NOON + 60));
    await files.append(row(NOON + 120));
    t.same(
      (await files.rows(NOON, NOON + 200)).map(({ t }) => t),
      [NOON, NOON + 60, NOON + 120],
    );
  });
  t.test('is bounded: the days least lately written go, other files stay', async (t) => {
    const path = await folder(t);
    await writeFile(join(path, 'notes.txt'), '');
    const days = ['2025-01-01', '2030-01-01', '2026-01-01'];
    for (const [index, day] of days.entries()) {
      await writeFile(join(path, `${day}.ndjson`), '');
      await utimes(join(path, `${day}.ndjson`), 1000 + index, 1000 + index);
    }
    await new HistoryFiles(path, { days: 3, bytesPerDay: 1000 }).append(row(NOON));
    t.same((await readdir(path)).sort(), ['2026-01-01.ndjson', '2026-01-02.ndjson', '2030-01-01.ndjson', 'notes.txt']);
  });
  t.test('is bounded: a full day takes no more', async (t) => {
    const path = await folder(t);
    const files = new HistoryFiles(path, { days: 8, bytesPerDay: 200 });
    for (let index = 0; index < 20; index += 1) await files.append(row(NOON + index * 60));
    t.ok((await readFile(join(path, '2026-01-02.ndjson'), 'utf8')).length < 300);
  });
  t.test('a folder that cannot be read rejects instead of showing nothing', async (t) => {
    const path = await folder(t);
    await writeFile(join(path, 'file'), '');
    await t.rejects(new HistoryFiles(join(path, 'file')).rows(NOON, NOON), { code: 'ENOTDIR' });
    await t.rejects(new HistoryFiles(join(path, 'file', 'x')).append(row(NOON)));
  });
});

const over = (dealId: string, more: object = {}) =>
  aDeal(dealId, { startDateTime: 's', deactivateDateTime: '2026/01/02-03:10:00', ...more });

t.test('deal-archive', async (t) => {
  t.test(
    'keeps finished deals over a restart, the newest copy of each, in the order in which they ended',
    async (t) => {
      const path = join(await folder(t), 'sub', 'deals.ndjson');
      const first = new DealArchive();
      await first.add([over('early')]);
      await first.open(path);
      await first.add([over('a'), aDeal('open'), over('b', { revision: 2 })]);
      await first.add([over('a'), over('b', { revision: 1 }), over('b', { revision: 3, cumulateAmountWh: 7 })]);
      const second = new DealArchive();
      await second.open(path);
      t.same(
        second.deals().map(({ dealId }) => dealId),
        ['early', 'a', 'b'],
      );
      t.equal(second.deals().at(-1)?.cumulateAmountWh, 7);
    },
  );
  t.test('is bounded in memory and on disk', async (t) => {
    const path = join(await folder(t), 'deals.ndjson');
    const archive = new DealArchive();
    await archive.open(path);
    for (let index = 0; index < 2 * KEPT_DEALS + 5; index += 1) await archive.add([over(`d${index}`)]);
    t.equal(archive.deals().length, KEPT_DEALS);
    t.equal(archive.deals().at(-1)?.dealId, `d${2 * KEPT_DEALS + 4}`);
    t.ok((await readFile(path, 'utf8')).split('\n').length <= KEPT_DEALS + 10);
  });
  t.test('lines that are no deals, or were cut short, are passed over and mended (INV-11)', async (t) => {
    const path = join(await folder(t), 'deals.ndjson');
    await writeFile(path, `${JSON.stringify(over('a'))}\nnull\n{"dealId":1}\n{"dealId":"x"}\n{"dealId":"cut`);
    const archive = new DealArchive();
    await archive.open(path);
    t.same(
      archive.deals().map(({ dealId }) => dealId),
      ['a'],
    );
    await archive.add([over('b')]);
    const again = new DealArchive();
    await again.open(path);
    t.same(
      again.deals().map(({ dealId }) => dealId),
      ['a', 'b'],
    );
  });
  t.test('a file that cannot be read rejects', async (t) => t.rejects(new DealArchive().open(await folder(t))));
});

t.test('archive', async (t) => {
  t.test('notes a row per minute of the community’s time, and finished deals once', async (t) => {
    const root = await folder(t);
    const warnings: string[] = [];
    const archive = new Archive(root, (message) => warnings.push(message));
    archive.note('', aState(NOON));
    for (const [second, rsoc] of [
      [0, 50],
      [20, 51],
      [59, 52],
      [61, 53],
      [125, 54],
    ] as const)
      archive.note('E001', aState(NOON + second, rsoc, { deals: [over('a')] }));
    await archive.settled();
    const points = await archive.house('E001', NOON + 130, 3600);
    t.same(points.series.rsocPercent, [50, 53, 54]);
    t.same(
      archive.finishedDeals().map(({ dealId }) => dealId),
      ['a'],
    );
    t.same((await readdir(join(root, 'E001'))).sort(), ['finished-deals.ndjson', 'houses']);

    const next = new Archive(root, (message) => warnings.push(message));
    next.note('E001', aState(NOON + 200, 60));
    t.same(
      (await next.house('E001', NOON + 200, 3600)).series.rsocPercent,
      [50, 53, 54, 60],
      'a restart keeps the plot',
    );
    t.equal(next.finishedDeals().length, 1, 'and the deals');
    t.same(warnings, []);
  });
  t.test('a clock that was set back is followed at once', async (t) => {
    const archive = new Archive(await folder(t), t.fail);
    archive.note('E001', aState(NOON, 50));
    archive.note('E001', aState(NOON - 7200, 20));
    t.same((await archive.house('E001', undefined, 3600)).series.rsocPercent, [20]);
  });
  t.test('without a disk the pages have no past, and it is told once', async (t) => {
    const root = await folder(t);
    await writeFile(join(root, 'E001'), '');
    const warnings: string[] = [];
    const archive = new Archive(root, (message) => warnings.push(message));
    archive.note('E001', aState(NOON, 50, { deals: [over('a')] }));
    archive.note('E001', aState(NOON + 60, 51));
    t.same((await archive.house('E001', NOON + 60, 3600)).times, []);
    t.equal(archive.finishedDeals().length, 1, 'what is in memory is shown');
    t.equal(warnings.length, 1);
  });
  t.test('nobody can ask for more than a week, and a silent community has no past', async (t) => {
    const archive = new Archive(await folder(t), t.fail);
    t.equal((await archive.house('E001', undefined, 1e12)).spanSeconds, 7 * 86_400);
    t.equal((await archive.house('E001', undefined, -5)).spanSeconds, 60);
  });
});

t.test('refusal-book', async (t) => {
  const envelope = { id: 'i', sender: 's', session: 's', term: 1, time: 0 };
  const request = (unitId: string, key: string, amountWh = 500) =>
    ({
      channel: 'request',
      key,
      unitId,
      envelope: { ...envelope, body: { unitId, type: 'charge', amountWh, dateTime: `at ${key}`, dealGridCurrentA: 2 } },
    }) as const;
  const refusal = (unitId: string, key: string, reason: string, numbers = {}) =>
    ({
      channel: 'accept',
      key,
      unitId,
      envelope: { ...envelope, body: { unitId, refusal: { reason, numbers } } },
    }) as const;

  t.test('tells who refused whom and why; the same no again is counted and moves to the end', async (t) => {
    const book = new RefusalBook();
    book.hear(request('E001', 'n1'));
    book.hear(refusal('E002', 'n1', 'slots.busy', { taken: 1, slots: 1 }));
    book.hear(refusal('E003', 'n1', 'errors.local'));
    book.hear(request('E001', 'n2', 700));
    book.hear(refusal('E002', 'n2', 'slots.busy', { taken: 2, slots: 2 }));
    t.match(book.notes(), [
      { requestUnitId: 'E001', acceptUnitId: 'E003', count: 1 },
      {
        acceptUnitId: 'E002',
        count: 2,
        at: 'at n2',
        wanted: { type: 'charge', amountWh: 700 },
        refusal: { numbers: { taken: 2 } },
      },
    ]);
  });
  t.test('accepts, other messages and answers to requests that nobody heard are none', async (t) => {
    const book = new RefusalBook();
    book.hear(refusal('E002', 'unheard', 'slots.busy'));
    book.hear(request('E001', 'n1'));
    book.hear({
      channel: 'accept',
      key: 'n1',
      unitId: 'E002',
      envelope: { ...envelope, body: { unitId: 'E002' } },
    } as never);
    book.hear({ channel: 'grid', key: '', unitId: 'E001', envelope: { ...envelope, body: aGrid('E001') } } as never);
    t.same(book.notes(), []);
  });
  t.test('is bounded', async (t) => {
    const book = new RefusalBook();
    for (let index = 0; index < 400; index += 1) {
      book.hear(request(`E${index}`, `n${index}`));
      book.hear(refusal('X', `n${index}`, 'errors.local'));
    }
    book.hear(refusal('Y', 'n0', 'errors.local'));
    t.equal(book.notes().length, 60);
    t.equal(book.notes().at(-1)?.requestUnitId, 'E399', 'a request of long ago is forgotten');
  });
});

t.test('news-of keeps what has changed, and all of it now and then', async (t) => {
  const news = newsOf(3);
  t.same(news({ a: 1, b: [2] }), { a: 1, b: [2] });
  t.same(news({ a: 1, b: [3] }), { b: [3] });
  t.same(news({ a: 1, b: [3] }), {});
  t.same(news({ a: 1, b: [3] }), { a: 1, b: [3] }, 'every third time');
});

t.test('every page has its parts', async (t) => {
  for (const page of PAGES) t.ok(PARTS_OF[page].length > 0, page);
});
