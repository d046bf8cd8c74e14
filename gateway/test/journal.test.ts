import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { DurableStore } from '../src/adapters/files/durable-store.ts';
import { DealJournal } from '../src/cluster/deal-journal.ts';
import { type Deal, isDeactivated } from '../src/domain/deal.ts';
import { ChaosRun } from '../src/emulation/chaos/chaos-run.ts';
import type { RunResult } from '../src/emulation/chaos/run-result.ts';
import { SeededEntropy } from '../src/ports/entropy.ts';
import { silentLog } from '../src/ports/log.ts';
import { MemoryBusHub } from '../src/ports/memory-bus.ts';
import { VirtualClock } from '../src/ports/virtual-clock.ts';
import { aDeal } from './support/messages.ts';

/** More for a long test of the disk: APIS_KILLS=500. */
const KILLS = Number(process.env.APIS_KILLS ?? 40);
const IS_LONG = KILLS >= 500;
t.setTimeout(IS_LONG ? 3_600_000 : 240_000);

const CHAINS = 4;
const MINUTE = 60_000;

const writer = fileURLToPath(new URL('./support/journal-writer.ts', import.meta.url));
const entropy = new SeededEntropy(Date.now());

/** What the killed processes said was durable. */
interface Acknowledged {
  readonly revisions: Map<string, number>;
  readonly retired: Set<string>;
  readonly reports: string[];
}

/** Runs a writer on what the last one left, and kills it with -9 at a random instant. */
async function killedWriter(directory: string, first: number, acknowledged: Acknowledged): Promise<number> {
  const child = spawn(process.execPath, [writer, directory, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let lines = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, id = '', revision] = line.split(' ');
    if (word === 'put') acknowledged.revisions.set(id, Number(revision));
    if (word === 'retired') acknowledged.retired.add(id);
    if (word === 'report') acknowledged.reports.push(line);
    lines += 1;
    if (lines === 1) void pause(80 * entropy.next()).then(() => child.kill('SIGKILL'));
  }
  return lines;
}

interface OnDisk {
  readonly active: ReadonlyMap<string, Deal>;
  readonly unsettled: ReadonlyMap<string, Deal>;
  readonly ledger: readonly Deal[];
}

/** Everything that stands on the disk; throws for a torn file. */
async function readDisk(directory: string): Promise<OnDisk> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = async (part: RegExp): Promise<readonly Deal[]> =>
    Promise.all(
      paths
        .filter((path) => part.test(path) && path.endsWith('.json'))
        .map(async (path) => JSON.parse(await readFile(path, 'utf8'))),
    );
  for (const backup of paths.filter((path) => path.endsWith('.bak'))) JSON.parse(await readFile(backup, 'utf8'));
  const byId = (deals: readonly Deal[]) => new Map(deals.map((deal) => [deal.dealId, deal]));
  return {
    active: byId(await read(/deals\/active\//)),
    unsettled: byId(await read(/deals\/unsettled\//)),
    ledger: await read(/deals\/\d{4}\/\d\d\/\d\d\//),
  };
}

/** Revision of a deal that was cut off before its activation and then ended: it is not worth a record. */
const ENDED_UNACTIVATED = 11;
const NEVER_ACTIVATED: ReadonlySet<number> = new Set([1, ENDED_UNACTIVATED]);

/** Number of a deal of the writer. */
const numberOf = (dealId: string): number => Number(dealId.replace('deal-', ''));

/**
 * What is wrong with a disk, given what was said to be durable (INV-7). Deals below `longAgo` have outlived two writers:
 * one that was never activated may have been ended by the first and retired by the second, each killed before it could
 * say so, and leaves nothing.
 */
function problems(
  { active, unsettled, ledger }: OnDisk,
  { revisions, retired }: Acknowledged,
  longAgo = 0,
): readonly string[] {
  const found: string[] = [];
  const ids = ledger.map(({ dealId }) => dealId);
  for (const id of ids) if (ids.filter((one) => one === id).length > 1) found.push(`${id} has two records`);
  for (const [id, revision] of revisions) {
    const copy = unsettled.get(id) ?? active.get(id);
    if (copy === undefined && !retired.has(id)) {
      // Retired, and killed before that could be said: then its record tells that it was finished.
      const mayBeGone = revision === ENDED_UNACTIVATED || (revision === 1 && numberOf(id) < longAgo);
      if (!ids.includes(id) && !mayBeGone) found.push(`${id} is lost`);
    } else if (copy !== undefined && copy.revision < revision)
      found.push(`${id} went back from ${revision} to ${copy.revision}`);
    const isFinished = retired.has(id) || (copy !== undefined && isDeactivated(copy));
    if (isFinished && !ids.includes(id) && !NEVER_ACTIVATED.has(revision)) found.push(`${id} has no record`);
  }
  return found;
}

t.test(
  `kill -9 at ${KILLS} random instants: no file is torn, no step and no record lost or doubled (INV-7)`,
  async (t) => {
    const chain = async (kills: number): Promise<{ readonly deals: number; readonly found: readonly string[] }> => {
      const directory = await mkdtemp(join(tmpdir(), 'apis-journal-'));
      const acknowledged: Acknowledged = { revisions: new Map(), retired: new Set(), reports: [] };
      const found: string[] = [];
      for (let kill = 0; kill < kills; kill += 1) {
        // Far enough from the last one's deals: a step that could not be said any more may have been done.
        const lines = await killedWriter(directory, kill * 10_000, acknowledged);
        if (lines === 0) found.push('it wrote nothing');
        found.push(...problems(await readDisk(directory), acknowledged, (kill - 1) * 10_000));
      }
      // A cut-off write is no damage; a killed process never spoils what was there.
      found.push(...acknowledged.reports.filter((line) => !line.startsWith('report leftover ')));
      await rm(directory, { recursive: true });
      return { deals: acknowledged.revisions.size, found };
    };
    const results = await Promise.all(Array.from({ length: CHAINS }, () => chain(Math.ceil(KILLS / CHAINS))));
    t.comment(`${results.reduce((sum, { deals }) => sum + deals, 0)} deals were journalled`);
    t.same(
      results.flatMap(({ found }) => found),
      [],
    );
  },
);

t.test('the check of the disk can fail', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'apis-journal-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const put = async (path: string, content: object | string): Promise<void> => {
    await mkdir(join(directory, path, '..'), { recursive: true });
    await writeFile(join(directory, path), typeof content === 'string' ? content : JSON.stringify(content));
  };
  const ended = { stopDateTime: 'x', deactivateDateTime: 'x', activateDateTime: 'x' };
  await put('deals/active/back.json', aDeal('back', { revision: 2 }));
  await put('deals/unsettled/unrecorded.json', aDeal('unrecorded', { revision: 6, ...ended }));
  await put('deals/2026/01/02/twice.json', aDeal('twice', ended));
  await put('deals/2026/01/03/twice.json', aDeal('twice', ended));
  const revisions = new Map([
    ['back', 3],
    ['unrecorded', 6],
    ['gone', 1],
  ]);
  const found = problems(await readDisk(directory), { revisions, retired: new Set(), reports: [] });
  t.same([...new Set(found)].sort(), [
    'back went back from 3 to 2',
    'gone is lost',
    'twice has two records',
    'unrecorded has no record',
  ]);
  await put('deals/active/torn.json', '{"dealId":');
  await t.rejects(readDisk(directory), SyntaxError);
});

t.test('a journal with a damaged record (INV-7, INV-11)', async (t) => {
  /** A journal whose last process left a deal in two revisions, then somebody spoils its file. */
  const aSpoiltJournal = async (spoil: (path: string) => Promise<void>) => {
    const directory = await mkdtemp(join(tmpdir(), 'apis-journal-'));
    t.teardown(() => rm(directory, { recursive: true }));
    const reports: string[] = [];
    const open = () =>
      new DealJournal({
        bus: new MemoryBusHub(new VirtualClock()).join('E001', 's'),
        store: new DurableStore(directory, ({ kind, path }) => reports.push(`${kind} ${basename(path)}`)),
        log: silentLog,
        saveFinished: async () => {},
        changed: () => {},
      });
    const last = open();
    for (const revision of [1, 2]) await last.put(aDeal('spoilt', { revision }));
    await last.put(aDeal('well', { revision: 1 }));
    await spoil(join(directory, 'deals/active/spoilt.json'));
    const journal = open();
    await journal.load();
    return { journal, reports };
  };
  const copies = (journal: DealJournal): readonly string[] =>
    journal.open().map(({ dealId, revision }) => `${dealId} ${revision}`);

  t.test('takes the backup', async (t) => {
    const { journal, reports } = await aSpoiltJournal((path) => writeFile(path, '{"dealId":"spo'));
    t.same(copies(journal), ['spoilt 1', 'well 1']);
    t.same(reports, ['recovered spoilt.json']);
    t.ok(await journal.put(aDeal('spoilt', { revision: 3 })), 'and goes on from there');
  });

  for (const [what, text] of [
    ['empty', ''],
    ['no deal', '{"revision":7}'],
    ['null', 'null'],
    ['another deal', JSON.stringify(aDeal('other', { revision: 9 }))],
  ] as const) {
    t.test(`does without what is lost (${what}), and begins all the same`, async (t) => {
      const { journal } = await aSpoiltJournal(async (path) => {
        await writeFile(path, text);
        await writeFile(`${path}.bak`, text);
      });
      t.same(copies(journal), ['well 1']);
      t.ok(await journal.put(aDeal('spoilt', { revision: 3 })), 'the partner still has a copy, which is taken');
      t.same(copies(journal), ['well 1', 'spoilt 3']);
    });
  }
});

/** Who makes deals in this run; the third house has nothing to write. */
const PARTIES = ['E002', 'E003'] as const;

/** A community in which a process dies at its write number `skip`; it is back after three seconds. */
const dying = (victim: string, skip: number, when: 'before' | 'after'): Promise<RunResult> =>
  new ChaosRun({
    seed: 1,
    units: 3,
    faults: [{ atMsec: 1, forMsec: 3_000, mishap: { kind: 'crashAtWrite', victim, skip, when } }],
    faultsUntilMsec: 7 * MINUTE,
  }).run();

/** Some of the writes of a deal's life, at each unit, before and after. */
const DEATHS = [3, 8, 13, 18, 23, 28].map((skip, index) => ({
  skip,
  victim: PARTIES[index < 3 ? 0 : 1],
  when: index % 2 === 0 ? ('before' as const) : ('after' as const),
}));

t.test(
  'a unit that dies at a write of its journal: its deals go on or end in order, with one equal record at both (INV-7, INV-10)',
  async (t) => {
    for (const { skip, victim, when } of DEATHS) {
      const { violations, deals, deaths } = await dying(victim, skip, when);
      t.same(violations, [], `${victim} dies ${when} write ${skip}`);
      t.equal(deaths, 1);
      t.ok(deals > 1);
    }
  },
);

t.test(
  'and so at every one of its writes (INV-7, INV-10)',
  { skip: IS_LONG ? false : 'takes minutes; the long form is APIS_KILLS=500' },
  async (t) => {
    for (const victim of PARTIES)
      for (const when of ['before', 'after'] as const) {
        const found: string[] = [];
        let skip = 0;
        for (; ; skip += 1) {
          const { violations, deaths } = await dying(victim, skip, when);
          if (violations.length > 0) found.push(`write ${skip}: ${JSON.stringify(violations)}`);
          if (deaths === 0) break; // there are no more
        }
        t.same(found, [], `${victim} dies ${when} each of ${skip} writes`);
        t.ok(skip > 50);
      }
  },
);
