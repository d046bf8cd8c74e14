import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock } from 'node:test';
import t from 'tap';
import { aDeal, aUnit } from '../../gateway/test/support/messages.ts';
import { AddressError, addressOf, daemonFilePath, localSpeed } from '../src/lib/address.ts';
import { atMost } from '../src/lib/at-most.ts';
import { batteryState } from '../src/lib/battery-state.ts';
import type { CommunityState } from '../src/lib/community.ts';
import { converterState } from '../src/lib/converter-state.ts';
import { DealEvents } from '../src/lib/deal-events.ts';
import { openDealsOf } from '../src/lib/deals.ts';
import { choiceEvent, type NegotiationEvent, negotiationEvent } from '../src/lib/negotiation.ts';
import { operatorCommand } from '../src/lib/operator-command.ts';
import { OwnNegotiations } from '../src/lib/own-negotiations.ts';
import { RecentKeys } from '../src/lib/recent-keys.ts';
import { linkStatus, valueStatus } from '../src/lib/status.ts';
import { trimmed } from '../src/lib/trimmed.ts';
import { UnitLink } from '../src/lib/unit-link.ts';
import { whenChanged } from '../src/lib/when-changed.ts';

type HeardMessage = Parameters<typeof negotiationEvent>[0];

async function aDataDir(test: { teardown(act: () => unknown): void }, daemon?: unknown): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'apis-lib-'));
  test.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'daemon.json');
  if (daemon !== undefined) await writeFile(file, JSON.stringify(daemon));
  return file;
}

const DAEMON = {
  pid: 1,
  speed: 60,
  units: [
    { unitId: 'E001', host: '127.0.0.1', port: 18830 },
    { unitId: 'E002', host: '127.0.0.1', port: 18831 },
  ],
};
const choice = (unitId: string, host = '', port?: number) => ({ unitId, host, port });

t.test('address', async (t) => {
  t.test('a unit is found by its id in what the local daemon writes down (architecture.md §8)', async (t) => {
    const file = await aDataDir(t, DAEMON);
    t.same(await addressOf(choice('E002'), file), { host: '127.0.0.1', port: 18831 });
    t.same(await addressOf(choice(''), file), { host: '127.0.0.1', port: 18830 }, 'no id: its first unit');
    t.equal(await localSpeed(file), 60);
  });
  t.test('host and port need no daemon', async (t) => {
    t.same(await addressOf(choice('E001', '10.0.0.7', 18830), 'nowhere'), { host: '10.0.0.7', port: 18830 });
  });
  t.test('a host alone means its usual port, and not a unit of the same id that runs here', async (t) => {
    const file = await aDataDir(t, DAEMON);
    t.same(await addressOf(choice('E002', '10.0.0.7'), file), { host: '10.0.0.7', port: 18830 });
  });
  t.test('tells a missing gateway from a missing unit', async (t) => {
    const problemOf = (unitId: string, file: string): Promise<string | undefined> =>
      addressOf(choice(unitId), file).then(
        () => undefined,
        (error: unknown) => (error instanceof AddressError ? error.problem : String(error)),
      );
    t.equal(await problemOf('E009', await aDataDir(t, DAEMON)), 'unknownUnit');
    t.equal(await problemOf('E001', await aDataDir(t)), 'noGateway');
    t.equal(await problemOf('E001', await aDataDir(t, { pid: 'x' })), 'noGateway', 'nonsense is no gateway');
    t.equal(await localSpeed(await aDataDir(t)), undefined);
  });
  t.test('the data directory comes from the supervisor, else it is the default one', async (t) => {
    t.equal(daemonFilePath({ APIS_DATA: '/data' }), join('/data', 'daemon.json'));
    t.equal(daemonFilePath({}), join('.apis', 'daemon.json'));
    t.equal(daemonFilePath({ APIS_DATA: '' }), join('.apis', 'daemon.json'));
  });
});

t.test('unit-link before anybody uses it is not connected', async (t) => {
  const link = new UnitLink(choice(''), 'nowhere');
  t.equal(link.state(), 'disconnected');
  t.equal(link.unitId, '');
  await link.release();
  t.equal(await link.speed(), undefined);
});

t.test('at-most acts at once, then once per period with the last word', async (t) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  t.teardown(() => mock.timers.reset());
  let acted = 0;
  const gate = atMost(1000, () => {
    acted += 1;
  });
  gate.request();
  gate.request();
  gate.request();
  t.equal(acted, 1);
  mock.timers.tick(999);
  t.equal(acted, 1);
  mock.timers.tick(1);
  t.equal(acted, 2, 'what was asked meanwhile happens once');
  mock.timers.tick(5000);
  t.equal(acted, 2, 'nothing asked, nothing done');
  gate.request();
  gate.request();
  gate.stop();
  mock.timers.tick(5000);
  t.equal(acted, 3, 'stopped means stopped');
});

t.test('when-changed passes each value once', async (t) => {
  const passed: unknown[] = [];
  const pass = whenChanged((value: unknown) => passed.push(value));
  for (const value of [{ a: 1 }, { a: 1 }, { a: 2 }, { a: 1 }]) pass(value);
  t.same(passed, [{ a: 1 }, { a: 2 }, { a: 1 }]);
});

t.test('recent-keys forgets the oldest first', async (t) => {
  const keys = new RecentKeys(2);
  t.same(
    ['a', 'b', 'a', 'c'].map((key) => keys.add(key)),
    [true, true, false, true],
  );
  t.same(
    ['a', 'b', 'c'].map((key) => keys.has(key)),
    [false, true, true],
  );
});

t.test('status texts are keys of the node’s own catalogue', async (t) => {
  t.same(linkStatus('apis-battery', 'connecting'), {
    fill: 'yellow',
    shape: 'ring',
    text: 'apis-battery.status.connecting',
  });
  t.same(linkStatus('apis-dcdc', 'noUnit'), { fill: 'red', shape: 'dot', text: 'apis-dcdc.status.noUnit' });
  t.same(valueStatus('63 %'), { fill: 'green', shape: 'dot', text: '63 %' });
  t.match(valueStatus('63 %', true), { fill: 'yellow', shape: 'ring' });
  t.equal(valueStatus('x'.repeat(99)).text?.length, 32);
});

const stateOf = (unit = aUnit('E001'), online = true): CommunityState => ({
  units: { E001: { online, seenAt: 0, unit } },
  deals: [],
  faults: [],
});

t.test('battery-state', async (t) => {
  t.test('tells what the unit knows of its battery', async (t) => {
    t.same(batteryState(stateOf(), 'E001'), {
      unitId: 'E001',
      rsoc: 50,
      battery_operation_status: 3,
      remainingWh: 2400,
      time: '2026/01/02-03:04:05',
      stale: false,
    });
  });
  t.test('marks old values, whoever does not answer', async (t) => {
    t.equal(batteryState(stateOf({ ...aUnit('E001'), stale: true }), 'E001')?.stale, true);
    t.equal(batteryState(stateOf(aUnit('E001'), false), 'E001')?.stale, true);
  });
  t.test('says nothing rather than nonsense (INV-11)', async (t) => {
    t.equal(batteryState(stateOf(), 'E002'), undefined);
    t.equal(batteryState({ ...stateOf(), units: { E001: { online: true, seenAt: 0 } } }, 'E001'), undefined);
    for (const rsoc of [-1, 101, Number.NaN]) t.equal(batteryState(stateOf(aUnit('E001', rsoc)), 'E001'), undefined);
    const silent = { ...aUnit('E001'), battery: { rsoc: 50, battery_operation_status: null } };
    t.notHas(batteryState(stateOf(silent), 'E001'), 'battery_operation_status');
  });
});

t.test('converter-state', async (t) => {
  t.match(converterState(stateOf(), 'E001'), {
    mode: 'CHARGE',
    ig: 2.01,
    vg: 350.1,
    dvg: 350,
    drg: 0,
    dig: 2,
    stale: false,
  });
  const unit = aUnit('E001');
  const odd = { ...unit, dcdc: { ...unit.dcdc, status: { ...unit.dcdc.status, status: '0x0099' } } };
  t.notHas(converterState(stateOf(odd), 'E001'), 'mode', 'a state of its own is none of our modes');
  t.equal(converterState(stateOf({ ...unit, stale: true }), 'E001')?.stale, true);
  t.equal(converterState(stateOf(unit, false), 'E001')?.stale, true);
  t.equal(converterState(stateOf(), 'E002'), undefined);
});

const A = '2026/01/02-03:00:05';
const S = '2026/01/02-03:00:20';

t.test('deal-events', async (t) => {
  const names = (events: DealEvents, ...deals: readonly Parameters<DealEvents['hear']>[0][]): string[] =>
    deals.flatMap((deal) => events.hear(deal).map(({ event, replayed }) => (replayed ? `(${event})` : event)));

  t.test('tells each step of a deal’s life once, though both parties publish it (control.md §4.1)', async (t) => {
    const steps = [
      aDeal('d'),
      aDeal('d'),
      aDeal('d', { revision: 2, activateDateTime: A }),
      aDeal('d', { revision: 3, activateDateTime: A, startDateTime: S }),
      aDeal('d', { revision: 2, activateDateTime: A }),
      aDeal('d', { revision: 4, activateDateTime: A, startDateTime: S, stopDateTime: S }),
      aDeal('d', { revision: 5, activateDateTime: A, startDateTime: S, stopDateTime: S, deactivateDateTime: S }),
      aDeal('d', { revision: 5, activateDateTime: A, startDateTime: S, stopDateTime: S, deactivateDateTime: S }),
    ];
    t.same(names(new DealEvents(), ...steps), ['created', 'activated', 'started', 'stopped', 'finished']);
  });
  t.test('an aborted deal ends aborted, once it has left the bus', async (t) => {
    const aborting = aDeal('d', { revision: 2, abortDateTime: S });
    t.same(names(new DealEvents(), aDeal('d'), aborting, { ...aborting, revision: 3, deactivateDateTime: S }), [
      'created',
      'aborted',
    ]);
  });
  t.test('a deal under way is replayed to a node that starts late; one that is over is not', async (t) => {
    const events = new DealEvents();
    t.same(names(events, aDeal('d', { activateDateTime: A })), ['(created)', '(activated)']);
    t.same(names(events, aDeal('d', { revision: 2, activateDateTime: A, startDateTime: S })), ['started']);
    t.same(names(events, aDeal('old', { deactivateDateTime: S })), []);
  });
  t.test('phases that never happened are not told (market.md §3.3)', async (t) => {
    const skipped = aDeal('d', { revision: 2, activateDateTime: '--', startDateTime: '--', deactivateDateTime: S });
    t.same(names(new DealEvents(), aDeal('d'), skipped), ['created', 'finished']);
  });
  t.test('a deal that was reset tells its new start', async (t) => {
    const running = aDeal('d', { revision: 2, activateDateTime: A, startDateTime: S });
    const reset = aDeal('d', { revision: 3 });
    t.same(names(new DealEvents(), aDeal('d'), running, reset, { ...running, revision: 4 }), [
      'created',
      'activated',
      'started',
      'activated',
      'started',
    ]);
  });
  t.test('memory stays bounded', async (t) => {
    const events = new DealEvents();
    for (let n = 0; n < 501; n += 1) events.hear(aDeal(`d${n}`));
    t.same(names(events, aDeal('d500')), [], 'the youngest are remembered');
    t.same(names(events, aDeal('d0')), ['created'], 'the oldest is forgotten');
  });
});

const OFFER = { unitId: 'E001', type: 'charge' as const, amountWh: 100, dateTime: A, dealGridCurrentA: 2 };
const heard = (channel: string, key: string, unitId: string, body: unknown): HeardMessage =>
  ({
    channel,
    key,
    unitId,
    envelope: { id: '1', sender: unitId, session: 's', term: 1, time: 0, body },
  }) as HeardMessage;

t.test('negotiation', async (t) => {
  const refusal = { reason: 'slots.busy', numbers: { slots: 2 } };
  t.match(negotiationEvent(heard('request', 'n', 'E001', OFFER)), {
    kind: 'request',
    negotiationId: 'n',
    offer: OFFER,
  });
  t.match(negotiationEvent(heard('accept', 'n', 'E002', { unitId: 'E002', accept: OFFER })), {
    kind: 'accept',
    unitId: 'E002',
  });
  t.match(negotiationEvent(heard('accept', 'n', 'E002', { unitId: 'E002', refusal })), { kind: 'refusal', refusal });
  t.equal(negotiationEvent(heard('grid', '', 'E002', {})), undefined);
  t.match(choiceEvent(aDeal('d')), { kind: 'choice', negotiationId: 'd-negotiation', unitId: 'E001' });
});

t.test('own-negotiations picks what one unit takes part in', async (t) => {
  const own = new OwnNegotiations();
  const request = (unitId: string, negotiationId: string): NegotiationEvent => ({
    kind: 'request',
    negotiationId,
    unitId,
    offer: OFFER,
  });
  const accept = (unitId: string, negotiationId: string): NegotiationEvent => ({
    kind: 'accept',
    negotiationId,
    unitId,
    offer: OFFER,
  });
  t.equal(own.concerns(request('E001', 'n1'), 'E001'), true, 'it asks');
  t.equal(own.concerns(accept('E002', 'n1'), 'E001'), true, 'it is answered');
  t.equal(own.concerns(request('E002', 'n2'), 'E001'), false, 'others ask');
  t.equal(own.concerns(accept('E001', 'n2'), 'E001'), true, 'it answers');
  t.equal(own.concerns(accept('E003', 'n2'), 'E001'), false, 'others answer others');
  t.equal(own.concerns(choiceEvent(aDeal('d')), 'E002'), true, 'it was chosen');
  t.equal(own.concerns(choiceEvent(aDeal('d')), 'E003'), false);
});

t.test('operator-command', async (t) => {
  const modes = ['run', ' soft-stop ', 'force-stop', 'manual'].map((word) => operatorCommand(word, 'r'));
  t.same(
    modes,
    ['autonomous', 'heteronomous', 'stop', 'manual'].map((value) => ({ kind: 'mode', value })),
  );
  t.same(operatorCommand('emergency-stop', 'because'), { kind: 'emergency-stop', reason: 'because' });
  const stop = { kind: 'deal.stop', dealId: 'd', reason: 'r' };
  t.same(operatorCommand(stop, 'r'), stop, 'operator messages pass as they are');
  for (const wrong of ['go', '', 'toString', 7, null, undefined, {}, { kind: 1 }, ['run']]) {
    t.throws(
      () => operatorCommand(wrong, 'r'),
      /payload: expected one of run, soft-stop/,
      `${JSON.stringify(wrong)} (INV-11)`,
    );
  }
});

t.test('trimmed: a page gets all open deals, and the last few of the rest', async (t) => {
  const over = Array.from({ length: 9 }, (_, n) => aDeal(`o${n}`, { deactivateDateTime: S }));
  const open = [aDeal('a'), aDeal('b')];
  const fault = {
    category: 'LOGIC',
    extent: 'LOCAL',
    level: 'WARN',
    reason: 'r',
    message: 'm',
    at: A,
    unitId: 'E001',
  } as const;
  const faults = Array.from({ length: 30 }, (_, n) => ({ ...fault, faultId: `${n}` }));
  const small = trimmed({ ...stateOf(), deals: [...open, ...over], faults });
  t.same(
    small.deals.map((deal) => deal.dealId),
    ['a', 'b', 'o4', 'o5', 'o6', 'o7', 'o8'],
  );
  t.equal(small.faults.length, 20);
  t.equal(small.faults.at(-1)?.faultId, '29');
  t.same(openDealsOf(small).length, 2);
});
