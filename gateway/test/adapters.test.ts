import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type HttpDeviceOptions, httpDevice, openHttpDevice } from '../src/adapters/drivers/http-device.ts';
import { writeAtomically } from '../src/adapters/files/atomic-file.ts';
import { DealLogFiles, formatDirectory, lastLoggedDeals } from '../src/adapters/files/deal-log-files.ts';
import type { FileReport } from '../src/adapters/files/durable-file.ts';
import { DurableStore } from '../src/adapters/files/durable-store.ts';
import { FileLocks } from '../src/adapters/files/file-locks.ts';
import { timeHoldingStore } from '../src/adapters/files/time-holding-store.ts';
import { createPinoLog } from '../src/adapters/log/pino-log.ts';
import { readableLine } from '../src/adapters/log/readable-log.ts';
import { LatestValueGate } from '../src/adapters/mesh/latest-value-gate.ts';
import { isTopicKey, parseTopic, topicOf } from '../src/adapters/mesh/mqtt-topics.ts';
import { PacedClock } from '../src/adapters/system/paced-clock.ts';
import { SystemClock } from '../src/adapters/system/system-clock.ts';
import { SystemEntropy } from '../src/adapters/system/system-entropy.ts';
import { ConfigError, DeviceError } from '../src/domain/errors.ts';
import { sleep } from '../src/ports/clock.ts';
import { MemoryStore, type Store } from '../src/ports/store.ts';
import { aDirectory } from './support/directory.ts';
import { aDeal, aUnit } from './support/messages.ts';
import { Running } from './support/process.ts';

const turns = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) await new Promise((resolve) => setImmediate(resolve));
};

t.test('system-clock: a timer that is late lets go first what has arrived meanwhile', async (t) => {
  const clock = new SystemClock();
  const hasAnswered = join(await aDirectory(), 'answered');
  const peer = spawn('sh', ['-c', 'echo ready; read go; echo answer; touch "$0"', hasAnswered], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.teardown(() => peer.kill());
  const lines = createInterface(peer.stdout);
  await once(lines, 'line');
  const heard: string[] = [];
  lines.on('line', (line) => setImmediate(() => heard.push(line))); // as the mesh hands its messages on
  const late = new Promise<void>((resolve) => {
    clock.after(100, () => {
      heard.push('deadline');
      resolve();
    });
  });
  const cancel = clock.after(100, () => heard.push('cancelled'));
  clock.after(90, () => cancel());
  setImmediate(() => {
    peer.stdin.write('go\n');
    const end = performance.now() + 200;
    while (performance.now() < end || !existsSync(hasAnswered)); // timers are looked at next
  });
  await late;
  await once(peer, 'close');
  t.same(heard, ['answer', 'deadline']);
});

t.test('system-clock: timers that are late keep their order, also beside those that are not', async (t) => {
  const clock = new SystemClock();
  const fired: number[] = [];
  const due = [20, 60, 95, 100];
  const all = due.map(
    (delay) => new Promise<void>((resolve) => clock.after(delay, () => resolve(void fired.push(delay)))),
  );
  const cancel = clock.after(30, () => fired.push(30));
  clock.after(10, cancel);
  setImmediate(() => {
    const end = performance.now() + 105; // late by 85, 45, 10 and 5 ms
    while (performance.now() < end);
  });
  await Promise.all(all);
  t.same(fired, due);
  cancel(); // what was taken back already changes nothing
  await sleep(clock, 5);
  t.same(fired, due);
});

t.test('system-clock: timers keep their order and their time, and can be taken back', async (t) => {
  const clock = new SystemClock(540);
  t.equal(clock.zoneOffsetMinutes(), 540, "the site's zone");
  t.equal(new SystemClock().zoneOffsetMinutes(), -new Date().getTimezoneOffset(), "or the machine's");
  t.ok(Math.abs(clock.now() - Date.now()) < 1000);
  const began = clock.monotonic();
  const fired: string[] = [];
  const cancel = clock.after(5, () => fired.push('cancelled'));
  clock.after(0, () => fired.push('at once'));
  t.same(fired, [], 'never synchronously');
  cancel();
  await sleep(clock, 20);
  t.ok(clock.monotonic() - began >= 20, 'never early');
  t.same(fired, ['at once']);
  const far = clock.after(60 * 86_400_000, () => fired.push('in two months'));
  await sleep(clock, 5);
  far();
  t.same(fired, ['at once'], 'a delay beyond the reach of a platform timer does not fire at once');
});

t.test('system-entropy: uniform in [0, 1), and version-4 UUIDs', (t) => {
  const entropy = new SystemEntropy();
  const draws = Array.from({ length: 2000 }, () => entropy.next());
  t.ok(draws.every((draw) => draw >= 0 && draw < 1));
  const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
  t.ok(Math.abs(mean - 0.5) < 0.05, `mean ${mean}`); // 0.05 is 7.7 standard errors
  t.equal(new Set(draws).size, 2000);
  t.match(entropy.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  t.end();
});

/** Wall time that the test moves. */
class Wall {
  msec = 1000;
  readonly now = (): number => this.msec;
}

t.test('paced-clock (architecture §6)', async (t) => {
  const START = Date.UTC(2026, 0, 1);
  const aClock = (speed: number): { clock: PacedClock; wall: Wall } => {
    const wall = new Wall();
    const clock = new PacedClock({ speed, start: START, wall: wall.now });
    t.teardown(() => clock.stop());
    return { clock, wall };
  };

  t.test('time stands still until it is started, and flows between events', async (t) => {
    const { clock, wall } = aClock(60);
    wall.msec += 10;
    t.equal(clock.now(), START);
    clock.start();
    clock.start();
    wall.msec += 10;
    t.equal(clock.monotonic(), 600);
    t.equal(clock.now(), START + 600, 'right when real input arrives between events');
    t.equal(clock.zoneOffsetMinutes(), 0);
    await clock.stop();
    wall.msec += 10;
    t.equal(clock.monotonic(), 0, 'the last event is where it stands');
  });

  t.test('a timer set between events is timed from now', async (t) => {
    const { clock, wall } = aClock(10);
    clock.start();
    wall.msec += 7;
    const seen: number[] = [];
    clock.after(100, () => seen.push(clock.monotonic()));
    wall.msec += 9;
    await turns(5);
    t.same(seen, [], '160 of 170 ms');
    wall.msec += 1;
    clock.after(1e9, () => {}); // wakes the clock, whose real timer does not know of the wall moved by hand
    await turns(5);
    t.same(seen, [170]);
  });

  t.test('every timer fires at its own time and in order, never passed by the clock', async (t) => {
    const { clock, wall } = aClock(1000);
    const seen: string[] = [];
    for (const at of [30, 10, 20]) clock.after(at, () => seen.push(`${at}@${clock.monotonic()}`));
    clock.after(10, () => clock.after(5, () => seen.push(`chained@${clock.monotonic()}`)));
    clock.start();
    wall.msec += 1;
    t.equal(clock.monotonic(), 10, 'a timer that has not fired holds time back');
    await turns(5);
    t.same(seen, ['10@10', 'chained@15', '20@20', '30@30']);
  });

  t.test('a busy process slows time and does not let deadlines pass', async (t) => {
    const { clock, wall } = aClock(10);
    const seen: number[] = [];
    const tick = (): void => {
      seen.push(clock.monotonic());
      wall.msec += 20; // each event costs twice the wall time there is for it
      if (seen.length < 100) clock.after(100, tick);
    };
    clock.after(100, tick);
    clock.start();
    wall.msec += 10;
    await turns(300);
    t.same(
      seen,
      Array.from({ length: 100 }, (_, n) => (n + 1) * 100),
      'no event is skipped, none is late by its own clock',
    );
    t.equal(wall.msec, 1000 + 10 + 100 * 20);
    t.ok(
      clock.monotonic() <= 10_000 + 10 * (250 + 20),
      'half the speed; of what was lost 250 ms of wall time are caught up',
    );
  });

  t.test('after a long sleep of the machine time goes on, it does not jump', async (t) => {
    const { clock, wall } = aClock(1);
    const seen: number[] = [];
    const beat = (): void => {
      seen.push(clock.monotonic());
      clock.after(100, beat);
    };
    clock.after(100, beat);
    clock.start();
    wall.msec += 3_600_000;
    clock.after(1e9, () => {});
    await turns(200);
    t.ok(clock.monotonic() < 2_000_000, 'not an hour of heartbeats at once');
    t.ok(seen.every((at, index) => at === (index + 1) * 100));
  });

  t.test('the speed can be changed, and time neither jumps nor stops', async (t) => {
    const { clock, wall } = aClock(10);
    clock.start();
    wall.msec += 10;
    clock.setSpeed(100);
    t.equal(clock.speed, 100);
    t.equal(clock.monotonic(), 100);
    wall.msec += 10;
    t.equal(clock.monotonic(), 1100);
  });

  t.test('time stands still while the disk works', async (t) => {
    const { clock, wall } = aClock(100);
    clock.start();
    const seen: number[] = [];
    clock.after(1000, () => seen.push(clock.monotonic()));
    wall.msec += 1;
    const write = Promise.withResolvers<void>();
    const slow = { ...new MemoryStore(), load: () => write.promise, save: () => write.promise };
    const store = timeHoldingStore(slow as unknown as Store, clock); // only the methods that are called here
    const saved = Promise.all([store.save('state', {}), store.load('state')]);
    wall.msec += 500;
    await turns(5);
    t.equal(clock.monotonic(), 100);
    t.equal(clock.heldForMsec, 500, 'a supervisor may know');
    clock.setSpeed(50);
    t.equal(clock.monotonic(), 100);
    write.resolve();
    await saved;
    t.equal(clock.monotonic(), 100, 'and goes on from there');
    t.equal(clock.heldForMsec, 0);
    wall.msec += 20;
    clock.after(1e9, () => {});
    await turns(5);
    t.same(seen, [1000]);
    const memory = timeHoldingStore(new MemoryStore(), clock);
    await memory.save('a', 1);
    t.same(await memory.list(''), ['a']);
    await memory.remove('a');
    t.equal(await memory.load('a'), undefined);
    const failed = clock.during(Promise.reject(new Error('disk full')));
    await t.rejects(failed, { message: 'disk full' });
    wall.msec += 2;
    t.equal(clock.monotonic(), 1200, 'a failure lets go of the time, too');
  });

  t.test('in real time: 200 times faster than life', async (t) => {
    const clock = new PacedClock({ speed: 200 });
    t.teardown(() => clock.stop());
    clock.start();
    const began = performance.now();
    await sleep(clock, 20_000);
    const wall = performance.now() - began;
    t.ok(wall >= 99 && wall < 1000, `20 s in ${wall.toFixed()} ms`);
    t.equal(clock.monotonic() >= 20_000, true);
  });
});

t.test('latest-value-gate: at most one value of each key per interval, the newest always arrives', async (t) => {
  const passed: string[] = [];
  const gate = new LatestValueGate<number>(15, (key, value) => passed.push(`${key}${value}`));
  for (const value of [1, 2, 3]) gate.offer('a', value);
  gate.offer('b', 1);
  t.same(passed, ['a1', 'b1']);
  await sleep(new SystemClock(), 25);
  t.same(passed, ['a1', 'b1', 'a3']);
  gate.offer('a', 4);
  gate.flush();
  t.same(passed, ['a1', 'b1', 'a3', 'a4'], 'flush does not wait');
  gate.offer('a', 5);
  t.equal(passed.at(-1), 'a5');
});

t.test('topics are those of architecture §3', (t) => {
  const place = { communityId: 'c', clusterId: 'k', unitId: 'E001' };
  t.equal(topicOf(place, 'unit', ''), 'apis/v1/c/k/E001/unit');
  t.equal(topicOf(place, 'command', 'E002/7'), 'apis/v1/c/k/E001/command/E002/7');
  t.same(parseTopic('apis/v1/c/k/E001/command/E002/7'), { ...place, channel: 'command', key: 'E002/7' });
  for (const other of [
    '',
    'apis/v2/c/k/E001/unit',
    'apis/v1/c/k/E001',
    'apis/v1/c//E001/unit',
    'apis/v1/c/k/E/toString',
  ]) {
    t.equal(parseTopic(other), undefined, other);
  }
  t.same(
    [isTopicKey('a/b'), isTopicKey('a+'), isTopicKey('#'), isTopicKey('\u0000'), isTopicKey('x'.repeat(300))],
    [true, false, false, false, false],
  );
  t.end();
});

t.test('durable-store (architecture §8, INV-7)', async (t) => {
  const aStore = async (): Promise<{ store: DurableStore; directory: string; reports: FileReport[] }> => {
    const directory = join(await aDirectory(), 'E001');
    const reports: FileReport[] = [];
    return { store: new DurableStore(directory, (report) => reports.push(report)), directory, reports };
  };

  t.test('keeps records by key, as the port says', async (t) => {
    const { store, directory, reports } = await aStore();
    t.equal(await store.load('state'), undefined);
    t.same(await store.list(''), []);
    await store.save('state', { term: 3 });
    await store.save('deals/active/D2', { dealId: 'D2' });
    await store.save('deals/active/D1', { dealId: 'D1' });
    t.same(await store.load('state'), { term: 3 });
    t.same(await store.list('deals/active/'), ['deals/active/D1', 'deals/active/D2']);
    t.same(await store.list('deals/active/D2'), ['deals/active/D2']);
    t.same(await store.list(''), ['deals/active/D1', 'deals/active/D2', 'state']);
    await store.save('state', { term: 4 });
    await store.remove('deals/active/D1');
    await store.remove('never/was');
    t.same(await store.list(''), ['deals/active/D2', 'state']);
    t.equal(await store.load('deals/active/D1'), undefined);
    t.same(await new DurableStore(directory, () => {}).load('state'), { term: 4 }, 'another process reads the same');
    t.same((await readdir(directory)).sort(), ['deals', 'state.json', 'state.json.bak'], 'no temp is left');
    t.same(reports, []);
  });

  t.test('a record is what it was when save was called', async (t) => {
    const { store } = await aStore();
    const record = { n: 1 };
    const saved = store.save('state', record);
    record.n = 2;
    await saved;
    t.same(await store.load('state'), { n: 1 });
  });

  t.test(
    'writes of a key are serialised; of those that wait only the newest is written, and all are answered',
    async (t) => {
      const { store, directory } = await aStore();
      await Promise.all(Array.from({ length: 50 }, (_, n) => store.save('state', { n })));
      t.same(await store.load('state'), { n: 49 });
      t.same(JSON.parse(await readFile(join(directory, 'state.json.bak'), 'utf8')), { n: 0 }, 'two writes, not fifty');
      const last = store.save('state', { n: 50 });
      const gone = store.remove('state');
      t.equal(await store.load('state'), undefined, 'load sees what was called before it');
      await Promise.all([last, gone]);
      await Promise.all([store.save('state', { n: 51 }), store.remove('state'), store.save('state', { n: 52 })]);
      t.same(await store.load('state'), { n: 52 });
    },
  );

  t.test('a corrupt file: the backup is used, reported, and the corrupt one kept', async (t) => {
    const { store, directory, reports } = await aStore();
    await store.save('state', { term: 1 });
    await store.save('state', { term: 2 });
    await writeFile(join(directory, 'state.json'), '{"term": 2');
    t.equal(store.isOutdated('state'), false, 'nobody has looked yet');
    t.same(await store.load('state'), { term: 1 });
    t.equal(store.isOutdated('state'), true, 'RULE-16');
    t.match(reports, [{ kind: 'recovered', path: /state\.json$/, message: /backup is used/ }]);
    t.same(await store.load('state'), { term: 1 }, 'again, until a new one is written');
    t.same(await store.list(''), ['state'], 'it is listed, too');
    await store.save('state', { term: 3 });
    t.same(await store.load('state'), { term: 3 });
    t.same(
      JSON.parse(await readFile(join(directory, 'state.json.bak'), 'utf8')),
      { term: 1 },
      'the good backup was not overwritten by the corrupt file',
    );
    t.equal(await readFile(join(directory, 'state.json.corrupt'), 'utf8'), '{"term": 2');
  });

  t.test('when nothing is usable the record is lost, and that is said (RULE-16)', async (t) => {
    const { store, directory, reports } = await aStore();
    await store.save('state', { term: 1 });
    await writeFile(join(directory, 'state.json'), '');
    t.equal(await store.load('state'), undefined);
    t.match(reports, [{ kind: 'lost' }]);
    t.equal(store.isOutdated('state'), true);
    t.equal(store.isOutdated('other'), false);
    await writeFile(join(directory, 'state.json.bak'), 'x');
    t.equal(await store.load('state'), undefined);
    t.match(reports.at(-1), { kind: 'lost' });
  });

  t.test('what a cut-off write left behind is set aside and reported', async (t) => {
    const { store, directory, reports } = await aStore();
    await store.save('state', { term: 1 });
    await writeFile(join(directory, 'state.json.tmp'), '{"ter');
    t.same(await store.load('state'), { term: 1 });
    t.match(reports, [{ kind: 'leftover', message: /cut off/ }]);
    t.equal(await readFile(join(directory, 'state.json.left'), 'utf8'), '{"ter');
  });

  t.test('a write that fails is reported to its caller, and the file stays', async (t) => {
    const { store, directory } = await aStore();
    await store.save('state', { term: 1 });
    await mkdir(join(directory, 'state.json.tmp'));
    await t.rejects(store.save('state', { term: 2 }));
    await rm(join(directory, 'state.json.tmp'), { recursive: true, force: true });
    t.same(await store.load('state'), { term: 1 });
    const failing = join(directory, 'blocked.json');
    await mkdir(failing);
    const [first, second] = await Promise.allSettled([store.save('blocked', 1), store.save('blocked', 2)]);
    t.equal(first.status, 'rejected');
    t.equal(second.status, 'rejected', 'each write is tried for itself');
    await t.rejects(store.load('blocked'), 'a directory in place of a file is no lost record');
  });

  t.test('a key cannot leave the directory', async (t) => {
    const { store } = await aStore();
    for (const key of ['', '../x', 'a/../b', '/etc/x', 'a//b', '.hidden', 'a\\b', 'ä']) {
      await t.rejects(store.load(key), { name: 'InternalError' }, key);
      await t.rejects(store.save(key, {}), { name: 'InternalError' }, key);
    }
    await t.rejects(store.list('../'), { name: 'InternalError' });
  });

  t.test('kill -9 in the middle of writing never tears a record nor loses an acknowledged one', async (t) => {
    const module = new URL('../src/adapters/files/durable-store.ts', import.meta.url).href;
    const script = `
      import { DurableStore } from ${JSON.stringify(module)};
      const store = new DurableStore(process.argv[1], () => {});
      for (let n = 1; ; n += 1) {
        await store.save('state', { n, filling: 'x'.repeat(4000) });
        process.stdout.write(n + '\\n');
      }`;
    for (let round = 0; round < 3; round += 1) {
      const { store, directory, reports } = await aStore();
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', directory], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let acknowledged = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        acknowledged = Number(line);
        if (acknowledged >= 20 + round) child.kill('SIGKILL');
      }
      const record = await store.load('state');
      const n = typeof record === 'object' && record !== null && 'n' in record ? Number(record.n) : 0;
      t.ok(n === acknowledged || n === acknowledged + 1, `read ${n}, acknowledged ${acknowledged}`);
      t.same(
        reports.filter(({ kind }) => kind !== 'leftover'),
        [],
      );
    }
  });
});

t.test('deal-log-files (market §3.9)', async (t) => {
  const done = aDeal('D1', {
    createDateTime: '2026/03/04-23:59:59',
    activateDateTime: '2026/03/05-00:00:01',
    deactivateDateTime: '2026/03/05-00:10:00',
  });
  t.test('by date of creation, with the fields of the original', async (t) => {
    const directory = join(await aDirectory(), 'deals');
    const files = new DealLogFiles({ directory });
    const path = await files.save(done);
    t.equal(path, join(directory, '2026', '03', '04', 'D1.json'));
    const { term: _term, revision: _revision, ...original } = done;
    t.same(JSON.parse(await readFile(path ?? '', 'utf8')), original);
    t.equal(await files.save({ ...done, cumulateAmountWh: 99 }), path, 'a younger record replaces it');
    t.match(JSON.parse(await readFile(path ?? '', 'utf8')), { cumulateAmountWh: 99 });
  });
  t.test('the last records are found, the youngest first, whatever else lies there', async (t) => {
    const directory = join(await aDirectory(), 'deals');
    t.same(await lastLoggedDeals(directory, 3), [], 'no log yet');
    const files = new DealLogFiles({ directory });
    const dates = ['2025/12/31-10:00:00', '2026/03/04-08:00:00', '2026/03/04-09:00:00', '2026/03/05-01:00:00'];
    for (const [index, createDateTime] of dates.entries())
      await files.save({ ...done, dealId: `D${index}`, createDateTime });
    await writeFile(join(directory, '2026/03/04/notes.json'), 'no deal');
    await writeFile(join(directory, '2026/03/04/list.json'), '[]');
    const ids = async (limit: number) => (await lastLoggedDeals(directory, limit)).map(({ dealId }) => dealId);
    t.same(await ids(3), ['D3', 'D2', 'D1']);
    t.same(await ids(9), ['D3', 'D2', 'D1', 'D0']);
  });
  t.test('a deal that never began leaves no file', async (t) => {
    const directory = join(await aDirectory(), 'deals');
    const files = new DealLogFiles({ directory });
    t.equal(await files.save(aDeal('D2')), undefined);
    t.equal(await files.save(aDeal('D3', { activateDateTime: '--' })), undefined);
    await t.rejects(stat(directory), { code: 'ENOENT' });
  });
  t.test("an original's dealLogDirFormat wins, file names as the original's", async (t) => {
    const directory = await aDirectory();
    const files = new DealLogFiles({ dealLogDirFormat: `'${directory}/log/'uuuu'/'MM'/'dd` });
    t.equal(await files.save(done), join(directory, 'log/2026/03/04/D1'));
    t.equal(
      formatDirectory("'{tmpdir}/apis/dealLog/'uuuu'/'MM'/'dd", '2026-03-04T'),
      `${tmpdir()}/apis/dealLog/2026/03/04`,
    );
    t.equal(formatDirectory("yyyy-MM''dd 'o''clock' HH z", '2026-03-04T05'), "2026-03'04 o'clock 05 z");
  });
  t.test('no deal id leads out of the directory', async (t) => {
    const files = new DealLogFiles({ directory: await aDirectory() });
    await t.rejects(files.save({ ...done, dealId: '../x' }), { name: 'InternalError' });
    await t.rejects(files.save({ ...done, createDateTime: 'yesterday' }), { name: 'InternalError' });
  });
});

t.test('pino-log: one JSON line per event, levels by name, secrets hidden', async (t) => {
  const file = join(await aDirectory(), 'log', 'apis.log');
  const log = createPinoLog({ file, level: 'debug', bindings: { unitId: 'E001' } });
  log.info({ dealId: 'D1', amountWh: 100 }, 'deal.started');
  log.child({ room: 'client' }).warn({ config: { account: 'a', password: 'p1' } }, 'centre.refused');
  log.debug({ token: 'p2', a: { b: { secret: 'p3' } } }, 'x');
  log.error({}, 'y');
  log.fatal({}, 'z');
  createPinoLog({ file, level: 'warn' }).info({}, 'not written');
  log.child({ unitId: 'E002' }).info({ unitId: 'E003' }, 'w');
  const text = await readFile(file, 'utf8');
  const lines: Record<string, unknown>[] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.equal(text.match(/"unitId":"E00[123]"/g)?.length, lines.length, 'no key stands twice in a line');
  t.match(lines[0], {
    level: 'info',
    event: 'deal.started',
    unitId: 'E001',
    dealId: 'D1',
    amountWh: 100,
    time: /^20\d\d-/,
  });
  t.match(lines[1], { level: 'warn', room: 'client', config: { account: 'a', password: '[hidden]' } });
  t.notMatch(text, /p[123]"/);
  t.same(
    lines.map((line) => line.level),
    ['info', 'warn', 'debug', 'error', 'fatal', 'info'],
  );
});

t.test('readable-log: what a person at a terminal reads of a line', async (t) => {
  const line = (fields: object): string => readableLine(JSON.stringify(fields));
  t.equal(
    line({
      level: 'info',
      time: '2026-11-28T09:00:03.123Z',
      unitId: 'E001',
      dealId: '0dad8211-1eb5-41df-b944-16c35614cbb1',
      amountWh: 100.02575414886253,
      event: 'deal.finished',
    }),
    '09:00:03 E001 deal.finished dealId 0dad8211 amountWh 100.026\n',
  );
  t.equal(
    line({ level: 'error', time: '2026-11-28T09:00:03Z', message: 'x'.repeat(99), event: 'y' }),
    `09:00:03 !! y message ${'x'.repeat(60)}…\n`,
  );
  t.equal(readableLine('no JSON\n'), 'no JSON\n');
});

/** A driver's server: answers by path, notes what it was asked. */
async function aDriver(test: Pick<typeof t, 'teardown'>, answers: Record<string, unknown>) {
  const asked: string[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    asked.push(request.url ?? '');
    const found = answers[request.url ?? ''] ?? answers[(request.url ?? '').split('?')[0] ?? ''];
    if (found === 'silence') return;
    if (typeof found === 'number') response.writeHead(found).end();
    else if (found === undefined) response.writeHead(404).end('nothing here');
    else response.end(typeof found === 'string' ? found : JSON.stringify(found));
  };
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  test.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const bound = server.address();
  const endpoint = { host: '127.0.0.1', port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
  return { endpoint, asked };
}

t.test('http-device (control §1.6)', async (t) => {
  const { dcdc } = aUnit('E001');
  const emu = { rsoc: 49.88, battery_operation_status: 3, pvc_charge_power: 120.5, ups_output_power: 268.09 };
  const soon = (): AbortSignal => AbortSignal.timeout(2000);
  const setting = { mode: 'DISCHARGE', dvg: 380, dig: 1, drg: 0 } as const;

  t.test('dcdc_emulator: its paths, its numbers, its reply', async (t) => {
    const driver = await aDriver(t, {
      '/get/unit/E001': { dcdc, emu, time: '2026/01/02-03:04:05', oesunit: {} },
      '/get/dcdc/status/E001': { status: dcdc.status, meter: dcdc.meter },
      '/set/dcdc/E001': dcdc,
      '/set/dcdc/voltage/E001': { meter: dcdc.meter, vdis: dcdc.vdis },
      '/set/dcdc/current/E001': { meter: dcdc.meter, param: dcdc.param, status: 'ignored' },
    });
    const device = await openHttpDevice(
      { systemType: 'dcdc_emulator', unitId: 'E001', controller: driver.endpoint },
      soon(),
    );
    t.same(await device.read(soon()), {
      dcdc,
      battery: { rsoc: 49.88, battery_operation_status: 3 },
      emu,
      time: '2026/01/02-03:04:05',
    });
    t.same(await device.readStatus(soon()), { status: dcdc.status, meter: dcdc.meter });
    t.same(await device.setMode(setting, soon()), {
      status: dcdc.status,
      meter: dcdc.meter,
      vdis: dcdc.vdis,
      param: dcdc.param,
    });
    await device.setMode({ mode: 'VOLTAGE_REFERENCE', dvg: 350.5, dig: 2.3, drg: 0.039 }, soon());
    t.same(await device.setVoltage({ dvg: 310, drg: 0 }, soon()), { meter: dcdc.meter, vdis: dcdc.vdis });
    t.same(await device.setCurrent({ dig: 0 }, soon()), { meter: dcdc.meter, param: dcdc.param });
    t.same(driver.asked, [
      '/get/unit/E001',
      '/get/dcdc/status/E001',
      '/set/dcdc/E001?mode=0x0002&dvg=380.0&dig=1.0&drg=0',
      '/set/dcdc/E001?mode=0x0014&dvg=350.5&dig=2.3&drg=0.039',
      '/set/dcdc/voltage/E001?dvg=310.0&drg=0',
      '/set/dcdc/current/E001?dig=0.0',
    ]);
  });

  t.test('dcdc_v1: converter and energy management are asked together, and both must answer', async (t) => {
    const emuDriver = await aDriver(t, { '/1/log/data': emu });
    const controller = await aDriver(t, { '/remote/get': dcdc, '/remote/set': dcdc });
    const v1 = {
      systemType: 'dcdc_v1',
      unitId: 'E001',
      controller: controller.endpoint,
      emuDriver: emuDriver.endpoint,
    } as const;
    const device = httpDevice(v1);
    t.same(await device.read(soon()), { dcdc, battery: { rsoc: 49.88, battery_operation_status: 3 }, emu });
    await device.setMode(setting, soon());
    t.equal(controller.asked.at(-1), '/remote/set?mode=0x0002&dvg=380.0&dig=1.0&drg=0');
    const half = httpDevice({ ...v1, emuDriver: controller.endpoint });
    await t.rejects(half.read(soon()), { name: 'DeviceError', reason: 'device.refused' });
    t.throws(() => httpDevice({ systemType: 'dcdc_v1', unitId: 'E001', controller: controller.endpoint }), {
      name: 'ConfigError',
      message: /connection\.emu_driver: needed/,
    });
  });

  t.test('dcdc_v2: the battery stands among the fields of the converter', async (t) => {
    const driver = await aDriver(t, {
      '/version/get': { comm_interface_version: '2.1' },
      '/all/get': { ...dcdc, rsoc: 12, battery_operation_status: null },
      '/dcdc/set': { ...dcdc },
    });
    const device = await openHttpDevice({ systemType: 'dcdc_v2', unitId: 'E001', controller: driver.endpoint }, soon());
    t.same(await device.read(soon()), { dcdc, battery: { rsoc: 12, battery_operation_status: null } });
    await device.setVoltage({ dvg: 351, drg: 0 }, soon());
    t.equal(driver.asked.at(-1), '/dcdc/set?dvg=351.0&drg=0');
  });

  t.test('dcdc_v2: a driver of another version is not used', async (t) => {
    for (const version of ['1.9', '3.0', '2', 2.1, undefined]) {
      const driver = await aDriver(t, { '/version/get': { comm_interface_version: version } });
      const opening = openHttpDevice({ systemType: 'dcdc_v2', unitId: 'E001', controller: driver.endpoint }, soon());
      await t.rejects(
        opening,
        { name: 'ConfigError', message: /comm_interface_version .*expected 2\.x/ },
        String(version),
      );
    }
  });

  t.test('whatever the driver does wrong is a DeviceError that says what (INV-11)', async (t) => {
    const full = { dcdc, emu, time: 'x' };
    const wrong: readonly [answer: unknown, reason: string, message: RegExp][] = [
      [500, 'device.refused', /HTTP status 500, expected 200/],
      ['<html>', 'device.malformed', /expected a JSON object, got "<html>"/],
      ['[1]', 'device.malformed', /expected a JSON object/],
      ['null', 'device.malformed', /expected a JSON object/],
      [{}, 'device.malformed', /emu: expected Object, got undefined/],
      [
        { ...full, dcdc: { ...dcdc, meter: { ...dcdc.meter, vg: '350' } } },
        'device.malformed',
        /dcdc\.meter\.vg: expected number, got "350"/,
      ],
      [{ ...full, dcdc: { ...dcdc, status: {} } }, 'device.malformed', /dcdc\.status\.status/],
      [
        { ...full, dcdc: { ...dcdc, status: { ...dcdc.status, operationMode: undefined } } },
        'device.malformed',
        /dcdc\.status\.operationMode/,
      ],
      [{ ...full, emu: { ...emu, rsoc: 130 } }, 'device.malformed', /battery\.rsoc: expected <=100, got 130/],
      [{ ...full, emu: {} }, 'device.malformed', /battery\.rsoc/],
      [`{"x":"${'y'.repeat(300_000)}"}`, 'device.no-reply', /over 262144 bytes/],
      ['silence', 'device.no-reply', /aborted|timeout/i],
    ];
    for (const [answer, reason, message] of wrong) {
      const driver = await aDriver(t, { '/get/unit/E001': answer });
      const options: HttpDeviceOptions = { systemType: 'dcdc_emulator', unitId: 'E001', controller: driver.endpoint };
      const error = await httpDevice(options)
        .read(AbortSignal.timeout(answer === 'silence' ? 50 : 2000))
        .catch((one) => one);
      t.type(error, DeviceError);
      t.equal(error.reason, reason, String(error));
      t.match(error.message, message);
    }
    const nobody = httpDevice({
      systemType: 'dcdc_emulator',
      unitId: 'E001',
      controller: { host: '127.0.0.1', port: 1 },
    });
    await t.rejects(nobody.readStatus(soon()), { reason: 'device.no-reply', message: /ECONNREFUSED/ });
    t.notOk(ConfigError.prototype instanceof DeviceError);
  });
});

/** What a user may do who is not root, in a directory of his own. */
async function asNobody(directory: string, act: () => Promise<void>): Promise<void> {
  if (process.getuid?.() !== 0) return act();
  await chown(directory, NOBODY, NOBODY);
  process.seteuid?.(NOBODY);
  try {
    await act();
  } finally {
    process.seteuid?.(0);
  }
}
const NOBODY = 65_534;

t.test(
  'atomic-file: a write that cannot be made durable is refused, and leaves the file as it was (INV-7)',
  async (t) => {
    for (const [what, mode] of [
      ['nobody may write there', 0o500],
      ['nobody may open the directory to sync it', 0o300],
    ] as const) {
      const directory = await aDirectory();
      await writeFile(join(directory, 'state'), 'old', { mode: 0o666 });
      await chmod(directory, mode);
      await asNobody(directory, async () => {
        await t.rejects(writeAtomically(join(directory, 'state'), 'new'), { code: 'EACCES' }, what);
        await t.rejects(new DurableStore(directory, () => {}).save('state', {}), { code: 'EACCES' });
        t.equal(await readFile(join(directory, 'state'), 'utf8'), 'old');
      });
      await chmod(directory, 0o700);
      t.same(await readdir(directory), ['state'], 'nor anything half-made');
    }
  },
);

t.test('file-locks: shared by processes, and given back when one is killed with -9 (control.md §2.1)', async (t) => {
  const directory = await aDirectory();
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const format = join(directory, 'apis.%s.lock');
  const script = fileURLToPath(new URL('support/lock-holder.ts', import.meta.url));
  const holder = new Running(script, [format, 'batteryCapacity.CHARGE']);
  t.teardown(() => holder.child.kill('SIGKILL'));
  await holder.says('out', /CHARGE taken/);

  const locks = new FileLocks(format);
  t.notOk(locks.tryLock('batteryCapacity.CHARGE'), 'another process has it');
  t.ok(locks.tryLock('batteryCapacity.DISCHARGE'), 'the other direction is free');
  t.ok(locks.tryLock('batteryCapacity.DISCHARGE'), 'once more is the same');
  const third = new Running(script, [format, 'batteryCapacity.CHARGE', 'batteryCapacity.DISCHARGE']);
  await third.says('out', /CHARGE refused\n.*DISCHARGE refused/);
  third.child.kill('SIGKILL');
  await third.ended;

  holder.child.kill('SIGKILL');
  await holder.ended;
  t.ok(locks.tryLock('batteryCapacity.CHARGE'), 'the dead hold nothing');
  locks.unlock('batteryCapacity.CHARGE');
  locks.unlock('batteryCapacity.CHARGE');
  const fourth = new Running(script, [format, 'batteryCapacity.CHARGE']);
  t.teardown(() => fourth.child.kill('SIGKILL'));
  await fourth.says('out', /CHARGE taken/);
  t.same((await readdir(directory)).sort(), [
    'apis.batteryCapacity.CHARGE.lock',
    'apis.batteryCapacity.DISCHARGE.lock',
  ]);
  const { size, mode } = await stat(join(directory, 'apis.batteryCapacity.CHARGE.lock'));
  t.same([size, mode & 0o777], [0, 0o666], 'empty, and for the agents of all users');
});

t.test('file-locks: a lock that cannot be made is an error, not a refusal', async (t) => {
  const locks = new FileLocks('{tmpdir}/no-such-directory-of-apis/%s.lock');
  t.throws(() => locks.tryLock('batteryCapacity.CHARGE'), { code: 'ENOENT' });
  const directory = await aDirectory();
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  await writeFile(
    join(directory, 'x.lock'),
    'this is no lock file of ours, and long enough to be told apart '.repeat(20),
  );
  t.throws(() => new FileLocks(join(directory, '%s.lock')).tryLock('x'), /not a database/);
});
