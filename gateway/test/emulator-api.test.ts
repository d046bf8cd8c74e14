import { existsSync, readFileSync } from 'node:fs';
import { type OutgoingHttpHeaders, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { type EmulatorApi, startEmulatorApi } from '../src/api/emulator-api.ts';
import type { Pacer } from '../src/api/emulator-routes.ts';
import { hostFakeGrid } from '../src/api/fake-grid.ts';
import { EmulatorClient } from '../src/client/index.ts';
import { HOUSE_FAULT_KINDS } from '../src/emulation/read-fault.ts';
import { World } from '../src/emulation/world.ts';
import type { HouseFaultKind } from '../src/emulation/world-fault.ts';
import { COMPAT_WORLD, type WorldOptions } from '../src/emulation/world-options.ts';
import { SeededEntropy } from '../src/ports/entropy.ts';
import { collectingLog } from '../src/ports/log.ts';
import { VirtualClock } from '../src/ports/virtual-clock.ts';

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: replies of every path are looked into
  readonly body: any;
}

function get(api: EmulatorApi, path: string, method = 'GET', headers: OutgoingHttpHeaders = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port: api.port, path, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => {
        const type = response.headers['content-type'] ?? '';
        resolve({
          status: response.statusCode ?? 0,
          type,
          text,
          body: type === 'application/json' ? JSON.parse(text) : undefined,
        });
      });
    });
    call.on('error', reject);
    call.end();
  });
}

/** The emulator of the original with its defaults: E001 …, at 2020-01-01. */
async function anEmulator(t: Test, options: { pacer?: Pacer; world?: Partial<WorldOptions>; houses?: number } = {}) {
  const clock = new VirtualClock(Date.UTC(2020, 0, 1));
  const world = new World({
    clock,
    entropy: new SeededEntropy(1),
    houses: options.houses ?? 4,
    ...COMPAT_WORLD,
    ...options.world,
  });
  const errors: unknown[] = [];
  const log = collectingLog((line) => errors.push(line));
  const api = await startEmulatorApi({ world, port: 0, log, ...(options.pacer ? { pacer: options.pacer } : {}) });
  t.teardown(() => api.close());
  return { clock, world, api, errors, see: (path: string) => get(api, path) };
}

/** All paths to values of a JSON tree, with their types. */
function shapeOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${path}: ${typeof value}`];
  return Object.entries(value).flatMap(([key, inner]) => shapeOf(inner, `${path}.${key}`));
}

const live = fileURLToPath(new URL('../../../shared/vectors/live/', import.meta.url));
const needsVectors = { skip: !existsSync(live) && 'needs ../shared/vectors/live' };
const vector = (name: string): string => readFileSync(`${live}${name}`, 'utf8');
/** The JSON body of a recorded answer with its header. */
const bodyOf = (name: string): unknown => JSON.parse(vector(name).split(/\r?\n\r?\n/)[1] ?? '');

t.test('answers have the fields of the original, in its order (emulator.md 2, 4)', needsVectors, async (t) => {
  t.test('idle: unit, status and unknown units', async (t) => {
    const { see } = await anEmulator(t);
    const unit = await see('/get/unit/E001');
    t.equal(unit.status, 200);
    t.equal(unit.type, 'application/json');
    t.same(shapeOf(unit.body), shapeOf(bodyOf('emul-get-unit.idle.txt')));
    const status = await see('/get/dcdc/status/E001');
    t.same(shapeOf(status.body), shapeOf(bodyOf('emul-get-dcdc-status.txt')));
    t.match(status.body, {
      status: { status: '0x0000', alarmState: 'Light alarm', operationMode: 'Waiting' },
      meter: { wg: 0, vb: 48, wb: -4.5, vg: 0, ig: 0 },
    });
    t.equal(status.body.meter.ib, Math.round((-4.5 / 48) * 100) / 100);
    const unknown = await see('/get/unit/E009');
    t.same(unknown.body, bodyOf('emul-get-unit-unknown.txt'));
    t.same((await see('/get/dcdc/status/E009')).body, {});
  });

  t.test('during deals: the recorded state of four houses, number by number', async (t) => {
    const { clock, world, see } = await anEmulator(t);
    const recorded = JSON.parse(vector('emul-4390-get-log.during-deal.json'));
    for (const [id, unit] of Object.entries<(typeof recorded)[string]>(recorded)) {
      world.set(id, { rsoc: unit.emu.rsoc, loadW: unit.emu.ups_output_power, pvW: unit.emu.pvc_charge_power });
    }
    // Houses that were in bypass when this was recorded: the latch closes at 30 %.
    world.set('E003', { rsoc: 29 });
    world.set('E003', { rsoc: 30.12 });
    world.set('E004', { rsoc: 25.12 });
    await see('/set/dcdc/E001?mode=0x0014&dvg=350&dig=2.3&drg=0');
    await clock.advance(121_000);
    await see('/set/dcdc/E002?mode=0x0002&dvg=380&dig=2&drg=0');
    await see('/set/dcdc/E003?mode=0x0041&dvg=350&dig=2&drg=0');
    await see('/set/dcdc/E004?mode=0x0041&dvg=350&dig=2&drg=0');
    const { body } = await see('/get/log');
    t.same(shapeOf(body), shapeOf(recorded), 'fields and their order');
    for (const id of Object.keys(recorded)) {
      t.same(body[id].dcdc.status, recorded[id].dcdc.status, `${id}: status`);
      t.same(body[id].dcdc.vdis, recorded[id].dcdc.vdis, `${id}: voltage and droop`);
      t.same(body[id].dcdc.param, recorded[id].dcdc.param, `${id}: limits`);
      t.same({ ...body[id].dcdc.meter, tmp: 0 }, { ...recorded[id].dcdc.meter, tmp: 0 }, `${id}: meters`);
      t.equal(body[id].dcdc.powermeter.p2, recorded[id].dcdc.powermeter.p2, `${id}: power from the AC grid`);
      // The original truncates the bought power and so loses up to 1 W of the battery's; ours creates and loses nothing.
      const [found, wanted] = [body[id].emu, recorded[id].emu];
      t.ok(Math.abs(found.charge_discharge_power - wanted.charge_discharge_power) < 1, `${id}: battery power`);
      t.ok(Math.abs(found.battery_current - wanted.battery_current) < 1 / 48, `${id}: battery current`);
      t.same(body[id].emu.ups_operation_mode, recorded[id].emu.ups_operation_mode, `${id}: UPS mode`);
    }
  });
});

t.test('a manual command answers what the browser of the controller reads (golden example)', async (t) => {
  const golden = fileURLToPath(
    new URL('../../../shared/vectors/apis-web/hw-emulator.4390.set-dcdc.json', import.meta.url),
  );
  t.test(
    'fields of the golden example',
    { skip: !existsSync(golden) && 'needs ../shared/vectors/apis-web' },
    async (t) => {
      const { see } = await anEmulator(t);
      await see('/set/dcdc/E001?mode=0x0014&dvg=350&dig=2');
      await see('/set/dcdc/E002?mode=0x0041&dvg=350&dig=1');
      const whole = (await see('/get/dcdc/E002')).body;
      for (const path of shapeOf(JSON.parse(readFileSync(golden, 'utf8')))) t.ok(shapeOf(whole).includes(path), path);
    },
  );
});

t.test('setting a converter (emulator.md 1.6, 2)', async (t) => {
  t.test('ramps to whole volts, and answers with the state before the ramp', async (t) => {
    const { clock, see } = await anEmulator(t);
    const reply = await see('/set/dcdc/E001?mode=0x0014&dvg=350.9&dig=2&drg=0.039');
    t.same(Object.keys(reply.body), ['status', 'meter', 'vdis', 'param']);
    t.match(reply.body, {
      status: { status: '0x0014', operationMode: 'Grid Autonomy' },
      meter: { vg: 0 },
      vdis: { dvg: 350, drg: 0.039 },
      param: { dig: 2 },
    });
    await clock.advance(60_000);
    t.equal((await see('/get/dcdc/status/E003')).body.meter.vg, 175, 'half-way, everywhere');
    await clock.advance(60_000);
    t.equal((await see('/get/dcdc/status/E003')).body.meter.vg, 350);
    const voltage = await see('/set/dcdc/voltage/E001?dvg=340.7');
    t.same(Object.keys(voltage.body), ['meter', 'vdis']);
    t.match(voltage.body, { meter: { vg: 350 }, vdis: { dvg: 340, drg: 0.039 } }, 'the meter from before');
    t.equal((await see('/get/dcdc/status/E001')).body.meter.vg, 340);
    t.match((await see('/set/dcdc/voltage/E001?dvg=340&drg=0')).body, { vdis: { drg: 0 } });
    const current = await see('/set/dcdc/E002?mode=0x0002&dvg=380&dig=2').then(() =>
      see('/set/dcdc/current/E002?dig=0.5'),
    );
    t.same(Object.keys(current.body), ['meter', 'param']);
    t.match(current.body, { meter: { ig: -0.5, wg: -170, wb: -225 }, param: { dig: 0.5 } });
  });

  t.test('shows the powers of the AC meter that a client sets', async (t) => {
    const { see } = await anEmulator(t);
    await see('/set/dcdc/E001?mode=0x0000&dvg=350&dig=0&p1=12.5&p2=3');
    t.match((await see('/get/dcdc/E001')).body, { powermeter: { p1: 12.5, p2: 3 } });
  });

  t.test('sets charge, sun, load and other numbers of emu', async (t) => {
    const { world, see } = await anEmulator(t);
    const { body } = await see('/set/emu/E002?rsoc=81.5&pvc_charge_power=900&ups_output_power=400&battery_rsoc=77');
    t.same(Object.keys(body), ['E001', 'E002', 'E003', 'E004']);
    t.match(world.house('E002'), { pvW: 900, loadW: 400 });
    t.match((await see('/get/emu/E002')).body, {
      rsoc: 81.5,
      pvc_charge_power: 900,
      ups_output_power: 400,
      battery_rsoc: 77,
    });
    t.equal((await see('/get/emu/E001')).body.battery_rsoc, 34, 'the others stay');
  });
});

t.test('speed, houses and saved states', async (t) => {
  t.test('the speed is read and set as a bare number', async (t) => {
    let speed = 10;
    const pacer: Pacer = {
      speed: () => speed,
      setSpeed: (to) => {
        speed = to;
      },
    };
    const { see } = await anEmulator(t, { pacer });
    t.equal((await see('/get/acc')).text, '10');
    t.equal((await see('/set/acc/60')).text, '60');
    t.equal(speed, 60);
    for (const bad of ['0', '-1', '1.5', 'fast', '', '1000000']) {
      t.match(await see(`/set/acc/${bad}`), { status: 400, body: { err: /acc: expected a whole number/ } });
    }
    t.equal(speed, 60);
    const slow = await anEmulator(t);
    t.equal((await slow.see('/get/acc')).text, '1');
    t.match(await slow.see('/set/acc/10'), { status: 400, body: { err: /real time/ } });
  });

  t.test('adds a house at the end and removes the last (E1)', async (t) => {
    const { see } = await anEmulator(t);
    t.same(Object.keys((await see('/add/unit')).body), ['E001', 'E002', 'E003', 'E004', 'E005']);
    t.same(Object.keys((await see('/remove/unit')).body), ['E001', 'E002', 'E003', 'E004']);
    for (let count = 0; count < 3; count += 1) await see('/remove/unit');
    t.match(await see('/remove/unit'), { status: 400, body: { err: /at least one house/ } });
  });

  t.test('saves, brings back and starts anew', async (t) => {
    const { clock, world, see } = await anEmulator(t);
    t.match(await see('/get/last'), { status: 400, body: { err: /nothing saved/ } });
    await see('/set/dcdc/E002?mode=0x0014&dvg=350&dig=2');
    await clock.advance(121_000);
    await see('/set/dcdc/E001?mode=0x0041&dvg=350&dig=1');
    await see('/set/emu/E003?rsoc=66');
    await see('/save');
    await see('/restart');
    t.match((await see('/get/log')).body, {
      E001: { dcdc: { status: { status: '0x0000' } } },
      E003: { emu: { rsoc: 50 } },
    });
    await see('/remove/unit');
    await see('/get/last');
    await clock.advance(121_000);
    t.match(world.house('E002'), { mode: 'VOLTAGE_REFERENCE' });
    t.match(world.house('E001'), { mode: 'CHARGE', ig: 1 });
    t.ok(world.house('E003').rsoc > 65);
  });
});

t.test('bad requests are refused with a reason and block nobody (E3, INV-11)', async (t) => {
  t.test('each with 400 and what was expected', async (t) => {
    const { see, world } = await anEmulator(t);
    const cases: Readonly<Record<string, RegExp>> = {
      '/set/dcdc/E001': /mode: expected 0x0000, .* got nothing/,
      '/set/dcdc/E001?mode=0x99&dvg=350&dig=2': /mode: .* got 0x99/,
      '/set/dcdc/E001?mode=0x0014&dig=2': /dvg: expected a number of 0 or more, got nothing/,
      '/set/dcdc/E001?mode=0x0014&dvg=350': /dig: .* got nothing/,
      '/set/dcdc/E001?mode=0x0014&dvg=abc&dig=2': /dvg: .* got abc/,
      '/set/dcdc/E001?mode=0x0014&dvg=&dig=2': /dvg: .* got nothing/,
      '/set/dcdc/E001?mode=0x0014&dvg=350&dig=-2': /dig: .* got -2/,
      '/set/dcdc/E001?mode=0x0014&dvg=350&dig=NaN': /dig: .* got NaN/,
      '/set/dcdc/E001?mode=0x0014&dvg=1e9&dig=2': /expected dvg/,
      '/set/dcdc/E009?mode=0x0014&dvg=350&dig=2': /unit: expected one of E001, E002, E003, E004, got E009/,
      '/set/dcdc/': /unit: .* got nothing/,
      '/set/dcdc/%zz?mode=0x0014&dvg=350&dig=2': /path: expected a name/,
      '/set/dcdc/voltage/E001': /dvg: .* got nothing/,
      '/set/dcdc/current/E001?dig=x': /dig: .* got x/,
      '/set/emu/E001?nonsense=1': /following key not found: nonsense/,
      '/set/emu/E001?ups_operation_mode=1': /following key not found/,
      '/set/emu/E001?rsoc=500': /rsoc: expected 0 … 100 %, got 500/,
      '/get/dcdc/E009': /unit: expected one of/,
      '/get/emu/constructor': /unit: expected one of/,
    };
    for (const [path, reason] of Object.entries(cases)) {
      const reply = await see(path);
      t.match(reply, { status: 400, type: 'application/json', body: { err: reason } }, path);
    }
    t.equal(world.house('E001').mode, 'WAIT', 'nothing has changed');
    t.equal((await see('/set/dcdc/E001?mode=0x0014&dvg=350&dig=2')).status, 200, 'and the next one is served');
  });

  t.test('a converter that refuses says why', async (t) => {
    const { see, world } = await anEmulator(t);
    world.inject({ kind: 'heavyAlarm', houseId: 'E001' });
    t.match(await see('/set/dcdc/E001?mode=0x0014&dvg=350&dig=2'), {
      status: 400,
      body: { err: /tripped by heavy-alarm/ },
    });
    t.match((await see('/get/dcdc/status/E001')).body, { status: { alarmState: 'Heavy alarm' } });
  });

  t.test('unknown paths, other methods and endless addresses', async (t) => {
    const { api, see } = await anEmulator(t);
    t.match(await see('/nowhere'), { status: 404, body: { err: 'no such path: /nowhere' } });
    t.match(await see('/get/unit'), { status: 404 });
    t.match(await get(api, '/get/log', 'POST'), { status: 405, body: { err: 'expected GET, got POST' } });
    t.match(await see(`/get/log?${'x'.repeat(5000)}`), { status: 414 });
  });

  t.test('the pages of others, which a browser on this machine shows', async (t) => {
    const { api, world } = await anEmulator(t);
    const call = '/set/dcdc/E001?mode=0x0014&dvg=350&dig=2';
    const foreign: readonly (readonly [headers: OutgoingHttpHeaders, reason: RegExp])[] = [
      [{ 'sec-fetch-site': 'cross-site' }, /refused: Sec-Fetch-Site: expected same-origin or none, got cross-site/],
      [{ 'sec-fetch-site': 'same-site' }, /got same-site/],
      [{ host: 'evil.example' }, /refused: Host: expected 127\.0\.0\.1, localhost or \[::1\], got evil\.example/],
      [{ host: 'localhost.evil.example:80' }, /Host/],
      [{ origin: 'https://evil.example' }, /refused: Origin: expected http:\/\/127\.0\.0\.1:\d+, got https:/],
      [{ origin: 'null' }, /Origin: .* got null/],
      [{ origin: `http://127.0.0.1:${api.port + 1}` }, /Origin/],
    ];
    for (const [headers, err] of foreign) {
      t.match(await get(api, call, 'GET', headers), { status: 403, type: 'application/json', body: { err } });
    }
    t.equal(world.house('E001').mode, 'WAIT', 'nothing has changed');
    const own: readonly OutgoingHttpHeaders[] = [
      { 'sec-fetch-site': 'same-origin', origin: `http://127.0.0.1:${api.port}` },
      { 'sec-fetch-site': 'none' },
      { host: 'localhost' },
      { host: `LOCALHOST:${api.port}` },
      { host: `[::1]:${api.port}` },
    ];
    for (const headers of own) t.equal((await get(api, '/get/acc', 'GET', headers)).status, 200);
    const open = await startEmulatorApi({ world, port: 0, host: '0.0.0.0' });
    t.teardown(() => open.close());
    t.equal((await get(open, '/get/acc', 'GET', { host: 'pi.local' })).status, 200, 'other machines know other names');
    t.equal((await get(open, '/get/acc', 'GET', { 'sec-fetch-site': 'cross-site' })).status, 403);
  });

  t.test('our own mistakes are logged, and answered with 500', async (t) => {
    const { see, world, errors } = await anEmulator(t);
    world.houseIds = () => {
      throw new TypeError('broken for the test');
    };
    t.match(await see('/get/log'), { status: 500, body: { err: 'internal error' } });
    t.match(errors, [{ level: 'error', event: 'emulator-api.failed', fields: { error: 'broken for the test' } }]);
  });

  t.test('no request, however strange, gets no answer or an internal error', async (t) => {
    const { see, errors } = await anEmulator(t);
    const text = fc.string({ maxLength: 12 }).map(encodeURIComponent);
    const path = fc.constantFrom(
      '/get/unit/',
      '/get/dcdc/',
      '/set/dcdc/',
      '/set/dcdc/voltage/',
      '/set/dcdc/current/',
      '/set/emu/',
      '/set/acc/',
      '/',
    );
    const key = fc.oneof(fc.constantFrom('mode', 'dvg', 'dig', 'drg', 'p1', 'rsoc'), text);
    const query = fc
      .array(fc.tuple(key, fc.oneof(text, fc.constantFrom('0x0014', '350', '-1', '1e400'))))
      .map((pairs) => pairs.map((pair) => pair.join('=')).join('&'));
    await fc.assert(
      fc.asyncProperty(path, fc.oneof(text, fc.constant('E001')), query, async (start, name, search) => {
        const { status } = await see(`${start}${name}?${search}`);
        if (![200, 400, 404].includes(status)) throw new Error(`answered with ${status}`);
      }),
      { numRuns: 150, seed: 2 },
    );
    t.same(errors, []);
  });
});

t.test('serving', async (t) => {
  t.test('shows a page without outside files', async (t) => {
    const { see } = await anEmulator(t);
    const page = await see('/');
    t.match(page, { status: 200, type: /text\/html/ });
    t.match(page.text, /APIS emulator/);
    t.notMatch(page.text, /https?:\/\//);
  });

  t.test('a port in use is named, and closing frees it', async (t) => {
    const { api, world } = await anEmulator(t);
    await t.rejects(startEmulatorApi({ world, port: api.port }), {
      name: 'ConfigError',
      message: /expected a free port at 127\.0\.0\.1:\d+, got one that is in use/,
    });
    await api.close();
    const again = await startEmulatorApi({ world, port: api.port });
    t.equal(again.host, '127.0.0.1');
    await again.close();
    await t.rejects(startEmulatorApi({ world, port: 0, host: '203.0.113.7' }), {
      message: /expected a free port at 203\.0\.113\.7:0, got .*EADDRNOTAVAIL/,
    });
  });

  t.test('time goes on between requests, exactly (E4, E5)', async (t) => {
    const { clock, see } = await anEmulator(t);
    await see('/set/emu/E001?ups_output_power=240');
    await clock.advance(3_600_000);
    const { body } = await see('/get/unit/E001');
    t.equal(body.time, '2020/01/01-01:00:00');
    const drawn = 240 * 1.14 + 17.5 + 129 + 4.5;
    t.equal(body.emu.rsoc, Math.round((50 - (100 * drawn) / 4800) * 100) / 100);
  });
});

t.test('what drivers, flows and testers need beside the original (emulator.md §6.4)', async (t) => {
  const { clock, world, api, see } = await anEmulator(t);
  const client = new EmulatorClient(() => api);

  /** Lets virtual time go on until the real request is answered. */
  const served = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    work.then(over, over);
    while (!isOver) {
      await clock.advance(1);
      await new Promise(setImmediate);
    }
    return work;
  };

  t.test('devices are reached as drivers reach them, with their latency and their faults', async (t) => {
    t.match(await served(client.read('E001')), {
      dcdc: { status: { status: '0x0000' } },
      battery: { rsoc: Number },
      emu: {},
    });
    const charge = { command: 'set', mode: 'CHARGE', dvg: 350, dig: 1.5, drg: 0 } as const;
    t.match(await served(client.order('E001', charge)), { status: { status: '0x0041' }, param: { dig: 1.5 } });
    t.match(await served(client.order('E001', { command: 'set', dig: 1 })), { param: { dig: 1 } });
    t.match(await served(client.order('E001', { command: 'set', dvg: 340, drg: 0 })), { vdis: { dvg: 340 } });
    t.match(await served(client.order('E001', { command: 'status' })), { status: { status: '0x0041' } });
    t.match(await served(client.order('E001', { command: 'get' })), { battery: { rsoc: Number } });
    t.match(await served(client.order('E001', { command: 'set', mode: 'WAIT' })), { status: { status: '0x0000' } });
    await t.rejects(served(client.order('E001', { command: 'set' })), {
      message: /mode, dig, or dvg and drg: expected a number/,
    });
    await t.rejects(served(client.read('E009')), { message: /expected one of E001.*, got E009/ });
    await client.inject('E001', { kind: 'lateReply', delayMsec: 500 });
    const before = clock.monotonic();
    await served(client.read('E001'));
    t.ok(clock.monotonic() - before >= 500, 'late');
    await client.heal('E001');
  });

  t.test('a house can be set by hand, and given back', async (t) => {
    t.match(await client.override('E002', { rsoc: 12, pvW: 700, loadW: 100 }), { rsoc: 12, pvW: 700, loadW: 100 });
    t.match(await client.override('E002', { pvW: null }), { pvW: 0, loadW: 100 });
    t.match(await client.state('E002'), { houseId: 'E002', capacityWh: 4800 });
    await t.rejects(client.override('E002', { rsoc: 120 }), { message: /rsoc/ });
  });

  t.test('everything that can break can be broken and mended', async (t) => {
    const faults: Readonly<Record<HouseFaultKind, object>> = {
      noReply: { probability: 0.5, commandsAct: true },
      lateReply: { delayMsec: 10 },
      duplicate: {},
      stuckMeter: {},
      offsetCurrent: { amperes: 0.3 },
      meterOffset: { volts: 3 },
      wrongMode: { mode: 'CHARGE' },
      trip: { trip: 'over-voltage' },
      lightAlarm: {},
      heavyAlarm: {},
      refuseVoltageReference: {},
      secondVoltageSource: { volts: 300 },
      leak: { siemens: 0.001 },
      batteryLocked: {},
      pvDead: {},
      houseOffline: {},
      overheat: { ambientC: 60 },
      clockSkew: { offsetMsec: 90_000 },
      reboot: {},
    };
    t.same(Object.keys(faults), HOUSE_FAULT_KINDS);
    for (const [kind, values] of Object.entries(faults)) {
      t.match(await client.inject('E003', { kind, ...values }), { houses: { E003: [kind], E001: [] } }, kind);
      t.match(await client.heal('E003', kind), { houses: { E003: [] } });
    }
    t.same((await client.houses()).lines, ['E001-E002', 'E002-E003', 'E003-E004']);
    t.match(await client.breakLine('E002-E003'), { lines: ['E002-E003'] });
    t.match(await client.mendLine('E002-E003'), { lines: [] });
    await client.breakLine('E001-E002');
    await client.inject('E001', { kind: 'pvDead' });
    t.match(await client.healAll(), { houses: { E001: [] }, lines: [] });
    t.same(world.house('E001').faults, []);
  });

  t.test('a fault that is none is refused by name, and nothing breaks (INV-11)', async (t) => {
    const refused: readonly [path: string, says: RegExp][] = [
      ['/set/fault/E001?kind=boredom', /kind: expected one of noReply, .*got "boredom"/],
      ['/set/fault/E001', /kind: expected one of/],
      ['/set/fault/E001?kind=leak', /siemens: leak: expected .*siemens/],
      ['/set/fault/E001?kind=leak&siemens=much', /expected number, got "much"/],
      ['/set/fault/E001?kind=leak&siemens=7', /expected <=1, got 7/],
      ['/set/fault/E001?kind=pvDead&more=1', /pvDead: expected never/],
      ['/set/fault/E009?kind=pvDead', /got E009/],
      ['/heal/fault/E001?kind=boredom', /kind: expected one of/],
      ['/set/line-break/E001-E009', /E001-E009/],
    ];
    for (const [path, says] of refused) {
      const { status, body } = await see(path);
      t.equal(status, 400, path);
      t.match(body.err, says);
    }
    t.same((await see('/get/faults')).body, { houses: { E001: [], E002: [], E003: [], E004: [] }, lines: [] });
  });

  t.test('a flow can host a network of its own, at the speed of life', async (t) => {
    const grid = await hostFakeGrid({ houses: [{ id: 'E001', rsoc: 70 }, { id: 'E002' }] });
    t.teardown(() => grid.close());
    const hosted = new EmulatorClient(async () => grid);
    t.same(await hosted.houses(), { houses: ['E001', 'E002'], lines: ['E001-E002'] });
    t.match(await hosted.state('E001'), { capacityWh: 4800 });
    await t.rejects(hostFakeGrid({ houses: [] }), { message: /expected at least one house/ });
    await t.rejects(hostFakeGrid({ houses: [{ id: 'E001' }], port: grid.port }), { message: /expected a free port/ });
  });
});
