import t from 'tap';
import type { UnitData } from '../src/domain/index.ts';
import {
  collectingLog,
  Deadline,
  gaussian,
  type LogLine,
  MemoryBusHub,
  MemoryStore,
  SeededEntropy,
  silentLog,
  sleep,
  VirtualClock,
  withDeadline,
} from '../src/ports/index.ts';
import { aDischarge } from './support/messages.ts';

t.test('virtual-clock.ts', async (t) => {
  t.test('fires in the order of due time, then of arrival', async (t) => {
    const clock = new VirtualClock(1_000);
    const seen: string[] = [];
    for (const [name, delay] of [
      ['c', 30],
      ['a', 10],
      ['b', 10],
      ['d', 30],
    ] as const) {
      clock.after(delay, () => seen.push(`${name}@${clock.now()}`));
    }
    await clock.advance(100);
    t.strictSame(seen, ['a@1010', 'b@1010', 'c@1030', 'd@1030']);
    t.equal(clock.monotonic(), 100);
  });

  t.test('order holds for many timers in any order of arrival', async (t) => {
    const clock = new VirtualClock();
    const entropy = new SeededEntropy(7);
    const seen: number[] = [];
    for (let i = 0; i < 500; i += 1) {
      const delay = Math.floor(entropy.next() * 200);
      clock.after(delay, () => seen.push(delay));
    }
    await clock.advance(200);
    t.equal(seen.length, 500);
    t.strictSame(
      seen,
      [...seen].sort((a, b) => a - b),
    );
  });

  t.test('a cancelled timer never fires, and cancelling twice does nothing', async (t) => {
    const clock = new VirtualClock();
    const cancel = clock.after(5, () => t.fail('fired'));
    cancel();
    cancel();
    t.equal(clock.nextAt(), undefined);
    t.equal(await clock.step(), false);
  });

  t.test('cancelled timers, however many, leave the others in their order, and never count twice', async (t) => {
    const clock = new VirtualClock();
    const entropy = new SeededEntropy(11);
    const seen: number[] = [];
    const timers = Array.from({ length: 400 }, (_, index) => {
      const delay = Math.floor(entropy.next() * 100);
      return { index, delay, cancel: clock.after(delay, () => seen.push(index)) };
    });
    await clock.advance(20);
    const isCancelled = ({ index }: { readonly index: number }): boolean => index % 5 !== 0;
    for (const timer of timers) if (isCancelled(timer)) timer.cancel(); // those that have fired are cancelled in vain
    for (const timer of timers) if (isCancelled(timer)) timer.cancel();
    clock.after(50, () => seen.push(-1));
    await clock.advance(100);
    const byTime = timers.toSorted((a, b) => a.delay - b.delay || a.index - b.index);
    t.strictSame(
      seen.filter((index) => index >= 0),
      byTime.filter((timer) => timer.delay <= 20 || !isCancelled(timer)).map(({ index }) => index),
    );
    t.ok(seen.includes(-1));
    t.equal(clock.nextAt(), undefined);
  });

  t.test('everything that follows from an event settles before the next one', async (t) => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.after(1, () => {
      void (async () => {
        for (let i = 0; i < 20; i += 1) await Promise.resolve();
        seen.push('deep');
      })();
    });
    clock.after(2, () => seen.push('next'));
    await clock.advance(2);
    t.strictSame(seen, ['deep', 'next']);
  });

  t.test('so does what was begun before time goes on, whoever lets it go on', async (t) => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.after(1, () => seen.push('event'));
    await new Promise<void>((resolve) =>
      setImmediate(() => {
        void (async () => {
          for (let i = 0; i < 20; i += 1) await Promise.resolve();
          seen.push('begun');
        })();
        void clock.advance(1).then(resolve);
      }),
    );
    t.strictSame(seen, ['begun', 'event']);
  });

  t.test('runUntil stops at the condition, or at its limit', async (t) => {
    const clock = new VirtualClock();
    let count = 0;
    const again = (): void => {
      count += 1;
      clock.after(10, again);
    };
    clock.after(10, again);
    t.equal(await clock.runUntil(() => count === 3, 1_000), true);
    t.equal(clock.monotonic(), 30);
    t.equal(await clock.runUntil(() => count === 100, 50), false);
    t.equal(clock.monotonic(), 80);
  });

  t.test('gives the event loop a turn now and then', async (t) => {
    const clock = new VirtualClock();
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    const again = (): void => {
      clock.after(1, again);
    };
    again();
    await clock.advance(12_000);
    t.equal(turned, true);
    t.equal(await clock.runUntil(() => false, 6_000), false);
  });
});

t.test('clock.ts', async (t) => {
  t.test('sleep ends after its time, or at once when aborted', async (t) => {
    const clock = new VirtualClock();
    const slept = sleep(clock, 100).then(() => clock.monotonic());
    const stop = new AbortController();
    const aborted = t.rejects(sleep(clock, 100, stop.signal), { message: 'enough' });
    const uninterrupted = sleep(clock, 20, new AbortController().signal);
    await clock.advance(50);
    await uninterrupted;
    stop.abort(new Error('enough'));
    await aborted;
    await t.rejects(sleep(clock, 1, stop.signal), { message: 'enough' });
    await clock.advance(100);
    t.equal(await slept, 100);
  });

  t.test('withDeadline passes results and failures on, and ends what takes too long', async (t) => {
    const clock = new VirtualClock();
    const late = (): Error => new Error('late');
    t.equal(await withDeadline(clock, 10, Promise.resolve(5), late), 5);
    await t.rejects(withDeadline(clock, 10, Promise.reject(new Error('broken')), late), { message: 'broken' });
    const waiting = t.rejects(withDeadline(clock, 10, new Promise(() => {}), late), { message: 'late' });
    await clock.advance(10);
    await waiting;
    t.equal(clock.nextAt(), undefined, 'no timer is left behind');
  });
});

t.test('deadline.ts', async (t) => {
  const setUp = () => {
    const clock = new VirtualClock();
    const passed: number[] = [];
    return { clock, passed, deadline: new Deadline(clock, () => passed.push(clock.monotonic())) };
  };

  t.test('what is put off comes once, when it was said last, and later again', async (t) => {
    const { clock, passed, deadline } = setUp();
    deadline.in(100);
    await clock.advance(60);
    deadline.in(100);
    await clock.advance(60);
    deadline.in(100);
    await clock.advance(99);
    t.same(passed, []);
    await clock.advance(1_000);
    t.same(passed, [220]);
    deadline.in(5);
    await clock.advance(1_000);
    t.same(passed, [220, 1_224]);
  });

  t.test('what is brought forward comes earlier, and not a second time', async (t) => {
    const { clock, passed, deadline } = setUp();
    deadline.in(1_000);
    await clock.advance(10);
    deadline.in(50);
    await clock.advance(5_000);
    t.same(passed, [60]);
  });

  t.test('what is cancelled does not come, and leaves no timer', async (t) => {
    const { clock, passed, deadline } = setUp();
    deadline.in(100);
    await clock.advance(60);
    deadline.in(100);
    deadline.cancel();
    t.equal(clock.nextAt(), undefined);
    await clock.advance(1_000);
    t.same(passed, []);
  });

  t.test('it may be said again when it comes, or after it was cancelled, also for now', async (t) => {
    const clock = new VirtualClock();
    const passed: number[] = [];
    const deadline = new Deadline(clock, () => {
      passed.push(clock.monotonic());
      if (passed.length < 3) deadline.in(10);
    });
    deadline.in(0);
    await clock.advance(100);
    t.same(passed, [0, 10, 20]);
    deadline.in(50);
    deadline.cancel();
    deadline.in(-5);
    await clock.advance(100);
    t.same(passed, [0, 10, 20, 100]);
  });

  t.test('putting it off costs no timer', async (t) => {
    const { clock, deadline } = setUp();
    deadline.in(100);
    const first = clock.nextAt();
    for (let beats = 0; beats < 9; beats += 1) {
      await clock.advance(10);
      deadline.in(100);
      t.equal(clock.nextAt(), first);
    }
  });
});

t.test('entropy.ts', async (t) => {
  t.test('the same seed gives the same numbers; forks depend on their label alone', async (t) => {
    const a = new SeededEntropy(1);
    const b = new SeededEntropy(1);
    a.next();
    t.equal(a.fork('x').next(), b.fork('x').next());
    t.not(a.fork('x').next(), a.fork('y').next());
    t.not(new SeededEntropy(2).next(), new SeededEntropy(3).next());
  });

  t.test('numbers are uniform, deviates normal, uuids well-formed', async (t) => {
    const entropy = new SeededEntropy(5);
    const draws = Array.from({ length: 4_000 }, () => entropy.next());
    t.ok(draws.every((x) => x >= 0 && x < 1));
    t.ok(Math.abs(draws.reduce((a, b) => a + b, 0) / draws.length - 0.5) < 0.02);
    const normal = Array.from({ length: 4_000 }, () => gaussian(entropy));
    t.ok(Math.abs(normal.reduce((a, b) => a + b, 0) / normal.length) < 0.06);
    t.ok(Math.abs(normal.reduce((a, b) => a + b * b, 0) / normal.length - 1) < 0.08);
    t.match(entropy.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});

t.test('memory-bus.ts', async (t) => {
  const unit = { time: 'x' } as UnitData; // the bus does not look inside

  t.test('everybody hears everything, the sender included, in order per sender', async (t) => {
    const clock = new VirtualClock();
    const delays = [9, 1, 1, 1];
    const hub = new MemoryBusHub(clock, { delay: () => delays.shift() ?? 1 });
    const [a, b] = [hub.join('E001', 's1'), hub.join('E002', 's2')];
    const seen: string[] = [];
    a.listen('fault', ({ key }) => seen.push(`a${key}`));
    b.listen('fault', ({ key, envelope }) => seen.push(`b${key}:${envelope.sender}:${envelope.session}`));
    const fault = {
      unitId: 'E001',
      category: 'USER',
      extent: 'LOCAL',
      level: 'WARN',
      reason: 'r',
      message: 'm',
      at: '',
    } as const;
    a.publish('fault', '1', fault);
    a.publish('fault', '2', fault, { term: 4, expiryMsec: 7 });
    await clock.advance(20);
    t.strictSame(
      seen.filter((text) => text.startsWith('b')),
      ['b1:E001:s1', 'b2:E001:s1'],
      'a slower first message is not overtaken',
    );
    t.strictSame(
      seen.filter((text) => text.startsWith('a')),
      ['a1', 'a2'],
    );
  });

  t.test('retained messages reach late listeners; retracted ones and those of units that left do not', async (t) => {
    const clock = new VirtualClock();
    const hub = new MemoryBusHub(clock);
    const forgotten: string[] = [];
    const tapped: string[] = [];
    const untap = hub.tap(
      ({ channel, key }) => tapped.push(`${channel}/${key}`),
      (unitId, channel, key) => forgotten.push(`${unitId}/${channel}/${key}`),
    );
    const a = hub.join('E001', 's1');
    a.publish('unit', '', unit);
    a.publish('deal', 'd1', {} as never);
    a.retract('deal', 'd1');
    a.retract('deal', 'd1');
    untap();
    const seen: string[] = [];
    const b = hub.join('E002', 's2');
    const stop = b.listen('unit', ({ envelope }) => seen.push(envelope.sender));
    b.listen('deal', () => t.fail('retracted'));
    await clock.advance(5);
    t.strictSame(seen, ['E001']);
    t.strictSame(tapped, ['unit/', 'deal/d1']);
    t.strictSame(forgotten, ['E001/deal/d1']);
    stop();
    a.publish('unit', '', unit);
    hub.leave('E001');
    a.publish('unit', '', unit);
    b.listen('unit', () => t.fail('has left'));
    await clock.advance(5);
    t.equal(seen.length, 1);
  });

  t.test('who is nearer hears earlier, each in order of sending', async (t) => {
    const clock = new VirtualClock();
    const delays: Record<string, number> = { B: 5, C: 7, D: 5 };
    const hub = new MemoryBusHub(clock, { delay: (_from, to) => delays[to] });
    const heard: string[] = [];
    for (const id of ['B', 'C', 'D'])
      hub.join(id, 's').listen('deal', ({ key }) => heard.push(`${key} at ${id}, ${clock.monotonic()}`));
    const sender = hub.join('A', 's');
    for (const key of ['one', 'two']) sender.publish('deal', key, aDischarge());
    await clock.advance(20);
    t.strictSame(heard, ['one at B, 5', 'one at D, 5', 'two at B, 5', 'two at D, 5', 'one at C, 7', 'two at C, 7']);
  });

  t.test('a unit hears itself at once, in order, and never while it is still speaking', async (t) => {
    const clock = new VirtualClock();
    const a = new MemoryBusHub(clock, { delay: () => undefined }).join('E001', 's1');
    const seen: string[] = [];
    a.listen('deal', ({ key }) => seen.push(key));
    a.publish('deal', 'd1', {} as never);
    a.publish('deal', 'd2', {} as never);
    t.strictSame(seen, []);
    await clock.advance(0);
    t.strictSame(seen, ['d1', 'd2']);
  });

  t.test('a unit that left hears nothing through its former handlers; a lost message is lost', async (t) => {
    const clock = new VirtualClock();
    let lose = false;
    const hub = new MemoryBusHub(clock, { delay: () => (lose ? undefined : 1) });
    const a = hub.join('E001', 's1');
    const b = hub.join('E002', 's2');
    let heard = 0;
    b.listen('unit', () => {
      heard += 1;
    });
    a.publish('unit', '', unit);
    hub.leave('E002');
    hub.join('E002', 's3');
    await clock.advance(5);
    t.equal(heard, 0);
    lose = true;
    hub.join('E003', 's4').listen('unit', () => t.fail('lost'));
    a.publish('unit', '', unit);
    await clock.advance(5);
  });
});

t.test('store.ts', async (t) => {
  const store = new MemoryStore();
  const record = { n: 1 };
  await store.save('deals/active/b', record);
  await store.save('deals/active/a', record);
  record.n = 2;
  t.strictSame(await store.load('deals/active/a'), { n: 1 }, 'records are copies');
  t.strictSame(await store.list('deals/'), ['deals/active/a', 'deals/active/b']);
  await store.remove('deals/active/a');
  t.equal(await store.load('deals/active/a'), undefined);
});

t.test('log.ts', async (t) => {
  const lines: LogLine[] = [];
  const log = collectingLog((line) => lines.push(line), { unitId: 'E001' }).child({ dealId: 'd' });
  for (const level of ['fatal', 'error', 'warn', 'info', 'debug'] as const) {
    log[level]({ n: 1 }, `x.${level}`);
    silentLog.child({})[level]({}, 'nobody hears');
  }
  t.equal(lines.length, 5);
  t.strictSame(lines[0], { level: 'fatal', event: 'x.fatal', fields: { unitId: 'E001', dealId: 'd', n: 1 } });
});
