import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import t from 'tap';
import { lockConverters } from '../src/cli/converter-lock.ts';
import type { UnitConfig } from '../src/config/unit-config.ts';
import { type SafeStopOptions, type SafeStopResult, safeStop } from '../src/controller/index.ts';
import { ConfigError, DeviceError } from '../src/domain/errors.ts';
import { sleep } from '../src/ports/clock.ts';
import { VirtualClock } from '../src/ports/virtual-clock.ts';
import { cli } from './support/cli.ts';
import { aDirectory } from './support/directory.ts';
import { anEmulator } from './support/emulator.ts';
import { FakeConverter } from './support/fake-converter.ts';
import { apis } from './support/process.ts';
import { unitFiles } from './support/unit-files.ts';

t.setTimeout(60_000);

const linux = process.platform === 'linux' ? {} : { skip: 'socket names without a file are of Linux' };

const POLICY = { operationGridVoltageV: 350 };
const LIMIT_MSEC = 10_000;

/** A converter without owner, and its safe-stop in virtual time. */
function anOrphan(
  arrange: (converter: FakeConverter, clock: VirtualClock) => void = () => {},
  more: Pick<SafeStopOptions, 'currentDelayMsec'> = {},
) {
  const clock = new VirtualClock();
  const converter = new FakeConverter(clock);
  arrange(converter, clock);
  let ended: SafeStopResult | Error | undefined;
  safeStop({ open: async () => converter, clock, policy: POLICY, limitMsec: LIMIT_MSEC, ...more }).then(
    (result) => {
      ended = result;
    },
    (error: Error) => {
      ended = error;
    },
  );
  const run = async (): Promise<SafeStopResult | Error | undefined> => {
    await clock.runUntil(() => ended !== undefined, 60_000);
    return ended;
  };
  return { clock, converter, run };
}

t.test('safe-stop.ts (RULE-7, RULE-11)', async (t) => {
  t.test('a converter in constant current goes to WAIT at once, and WAIT is read back twice', async (t) => {
    for (const mode of ['CHARGE', 'DISCHARGE'] as const) {
      const { converter, clock, run } = anOrphan((converter) => {
        converter.mode = mode;
      });
      await clock.advance(50);
      t.equal(converter.mode, 'WAIT', 'within a read and a write');
      t.match(await run(), { was: mode });
      t.same(converter.writes, ['setMode WAIT 350 0 0', 'setMode WAIT 350 0 0']);
      t.ok(clock.monotonic() < 500);
    }
  });

  t.test('a constant current goes on for as long as its partners need to be balanced (RULE-9)', async (t) => {
    for (const mode of ['CHARGE', 'VOLTAGE_REFERENCE', 'WAIT'] as const) {
      const { converter, clock, run } = anOrphan(
        (converter) => {
          converter.mode = mode;
        },
        { currentDelayMsec: 600 },
      );
      await clock.advance(50);
      t.equal(converter.writes.length, mode === 'WAIT' ? 1 : 0, `${mode}: only one that rests is told at once`);
      await clock.advance(540);
      t.equal(converter.mode, mode);
      await clock.advance(60);
      t.equal(converter.mode, mode === 'VOLTAGE_REFERENCE' ? mode : 'WAIT', 'the reference goes last (RULE-7)');
      t.match(await run(), { was: mode });
      t.equal(converter.mode, 'WAIT');
    }
  });

  t.test('an orphaned reference holds the bus for 1.5 s, so that the others go first', async (t) => {
    const { converter, clock, run } = anOrphan((converter) => {
      converter.mode = 'VOLTAGE_REFERENCE';
    });
    await clock.advance(1_490);
    t.equal(converter.mode, 'VOLTAGE_REFERENCE');
    t.match(await run(), { was: 'VOLTAGE_REFERENCE' });
    t.equal(converter.mode, 'WAIT');
    t.ok(clock.monotonic() < 2_000, 'and not longer');
  });

  t.test(
    'a converter that does not tell its mode may be the reference: it waits, and then goes all the same',
    async (t) => {
      const { converter, clock, run } = anOrphan((converter) => {
        converter.mode = 'CHARGE';
        converter.fate = (name) =>
          name === 'readStatus' && !converter.writes.includes('setMode WAIT 350 0 0') ? 'refused' : 'done';
      });
      await clock.advance(1_400);
      t.same(converter.writes, []);
      t.match(await run(), { was: undefined });
      t.equal(converter.mode, 'WAIT');
    },
  );

  t.test('calls that fail, hang or are not answered are made again', async (t) => {
    for (const fate of ['refused', 'lost', 'unanswered', 'crashed'] as const) {
      let failures = 3;
      const { converter, run } = anOrphan((converter) => {
        converter.mode = 'DISCHARGE';
        converter.fate = () => (failures-- > 0 ? fate : 'done');
      });
      t.notOk((await run()) instanceof Error, fate);
      t.equal(converter.mode, 'WAIT', fate);
    }
  });

  t.test("the dead owner's last write, which lands behind WAIT, does not win (RULE-3)", async (t) => {
    const { converter, clock, run } = anOrphan((converter, clock) => {
      converter.mode = 'DISCHARGE';
      void sleep(clock, 150).then(() => {
        converter.mode = 'DISCHARGE';
      });
    });
    t.notOk((await run()) instanceof Error);
    t.equal(converter.mode, 'WAIT');
    await clock.advance(5_000);
    t.equal(converter.mode, 'WAIT');
  });

  t.test('a converter that does not agree is tried until the limit, then it is said so', async (t) => {
    const { converter, clock, run } = anOrphan((converter) => {
      converter.status = { status: '0x0041' };
    });
    const error = await run();
    t.ok(error instanceof DeviceError);
    t.match(error, { reason: 'device.stop-failed', message: /not in WAIT after .* expected WAIT, got CHARGE/ });
    t.ok(converter.writes.length > 50, 'again and again');
    t.ok(clock.monotonic() >= LIMIT_MSEC && clock.monotonic() < LIMIT_MSEC + 2_000);
  });

  t.test('nor is a mode that nobody knows taken for WAIT', async (t) => {
    const { run } = anOrphan((converter) => {
      converter.status = { status: '0x0034' };
    });
    t.match(await run(), { reason: 'device.stop-failed', message: /expected WAIT, got an unknown mode/ });
  });

  t.test('a driver that does not open yet is opened again; one that never will ends it at once', async (t) => {
    const clock = new VirtualClock();
    const converter = new FakeConverter(clock);
    let attempts = 0;
    const open = async () => {
      attempts += 1;
      if (attempts < 4) throw new DeviceError('device.no-reply', 'not there');
      return converter;
    };
    const stopped = safeStop({ open, clock, policy: {}, limitMsec: LIMIT_MSEC });
    await clock.advance(3_000);
    t.match(await stopped, { was: 'WAIT' });
    t.equal(converter.writes[0], 'setMode WAIT 350 0 0', 'without a policy the bus voltage of WAIT is a usual one');
    const bad = async () => {
      throw new ConfigError([{ file: 'config', path: 'connection', message: 'expected host and port' }]);
    };
    await t.rejects(safeStop({ open: bad, clock, policy: POLICY, limitMsec: LIMIT_MSEC }), ConfigError);
  });
});

t.test('apis safe-stop on real processes', async (t) => {
  const emulator = await anEmulator(3);
  t.teardown(() => emulator.process.child.kill('SIGKILL'));
  const directory = await aDirectory();
  const [one = '', two = '', three = ''] = await unitFiles(directory, ['E001', 'E002', 'E003'], emulator.port);

  t.test('puts converters to WAIT, the reference last', async (t) => {
    await emulator.set('E001', 'VOLTAGE_REFERENCE', 350);
    await emulator.reaches('E001', 'VOLTAGE_REFERENCE', 5_000);
    await emulator.set('E002', 'CHARGE', 350, 1);
    const began = performance.now();
    const stop = cli(['safe-stop', '--config', one, two, '--json']);
    const currentAt = await emulator.reaches('E002', 'WAIT', 5_000);
    const referenceAt = await emulator.reaches('E001', 'WAIT', 5_000);
    t.ok(currentAt - began < 1_000 && referenceAt - began >= 1_400, 'in this order');
    const { code, out } = await stop;
    t.equal(code, 0);
    t.match(JSON.parse(out), {
      units: [
        { unit: 'E001', code: 0, message: /was in VOLTAGE_REFERENCE/ },
        { unit: 'E002', code: 0 },
      ],
    });
  });

  t.test('waits for the owner of the converter to be gone; kill -9 of the owner frees it (RULE-11)', async (t) => {
    const owner = apis('gateway', '--data', join(directory, 'data'), '--config', three, '--broker-port', '18999');
    t.teardown(() => owner.child.kill('SIGKILL'));
    const refused = await eventuallyRefused(three);
    t.match(refused, { code: 3, err: new RegExp(`E003: the converter of E003 is in use by process ${owner.pid}`) });

    await emulator.set('E003', 'DISCHARGE', 350, 1);
    const stop = cli(['safe-stop', '--config', three, '--timeout', '20']);
    owner.child.kill('SIGKILL');
    t.match(await stop, { code: 0, out: /E003: in WAIT after/ });
    t.equal(await emulator.modeOf('E003'), 'WAIT');
  });

  t.test('one bad file keeps nobody else from WAIT', async (t) => {
    await emulator.set('E002', 'CHARGE', 350, 1);
    const { code, out, err } = await cli(['safe-stop', join(directory, 'absent.json'), two]);
    t.equal(code, 2);
    t.match(err, /absent\.json.* cannot be read/);
    t.match(out, /E002: in WAIT/);
    t.equal(await emulator.modeOf('E002'), 'WAIT');
  });

  t.test('a spoilt policy does not matter (control.md S11)', async (t) => {
    const spoilt = await unitFiles(join(directory, 'spoilt'), ['E001'], emulator.port);
    await writeFile(join(dirname(spoilt[0] ?? ''), 'policy.json'), '{');
    t.match(await cli(['safe-stop', ...spoilt]), { code: 0, out: /E001: in WAIT/, err: /warning: .*policy\.json/ });
  });

  t.test('an emulated converter has ended with its gateway, a wired one has its own way: it says so', async (t) => {
    const put = (type: object): Promise<readonly string[]> =>
      unitFiles(join(directory, 'other'), ['E001'], emulator.port, { config: { systemType: undefined, device: type } });
    t.match(await cli(['safe-stop', ...(await put({ type: 'emulated', house: 'E001' }))]), {
      code: 0,
      out: /is emulated inside/,
    });
    t.match(await cli(['safe-stop', ...(await put({ type: 'flow', safeStop: 'watchdog' }))]), {
      code: 0,
      out: /own watchdog/,
    });
  });

  t.test('the independent way of a wired converter is gone, and believed only when it says so (RULE-18)', async (t) => {
    const done = join(directory, 'stopped');
    const by = async (...stopCommand: readonly string[]) => {
      const device = { type: 'flow', safeStop: 'independent', stopCommand };
      const files = await unitFiles(join(directory, 'independent'), ['E001'], emulator.port, {
        config: { systemType: undefined, device },
      });
      return cli(['safe-stop', '--timeout', '1', ...files]);
    };
    t.match(await by('/bin/sh', '-c', 'echo "$0" > "$1"', 'WAIT; exit 1', done), {
      code: 0,
      out: /E001: in WAIT, says its independent safe-stop/,
    });
    t.equal(await readFile(done, 'utf8'), 'WAIT; exit 1\n', 'arguments are no text for a shell');
    t.match(await by('/bin/sh', '-c', 'exit 4'), { code: 3, err: /E001: independent safe-stop .*exit code 4/ });
    t.match(await by('/bin/sh', '-c', 'kill $$'), { code: 3, err: /ended by SIGTERM/ });
    t.match(await by('/nowhere/stop'), { code: 3, err: /ENOENT/ });
    t.match(await by('/bin/sleep', '60'), { code: 3, err: /not done within 1000 ms/ });
  });

  t.test('two units on one converter are refused', async (t) => {
    const twice = [three, ...(await unitFiles(join(directory, 'twice'), ['E003'], emulator.port))].map(
      async (path, index) => ({ ...JSON.parse(await readFile(path, 'utf8')), unitName: `house ${index}` }),
    );
    const configs = (await Promise.all(twice)).map(
      (config) => ({ ...config, systemType: 'dcdc_emulator' }) as UnitConfig,
    );
    await t.rejects(lockConverters(configs, 0), {
      message: /a converter of its own, got that of another unit for E003/,
    });
  });

  /** A unit whose driver stands at `host`. */
  const unitAt = (host: string, unitId = 'E001'): UnitConfig =>
    ({ unitId, systemType: 'dcdc_v2', connection: { dcdc_controller: { host, port: 4380 } } }) as UnitConfig;

  t.test('one converter has one lock, however the configs call this machine', async (t) => {
    for (const host of ['127.0.0.1', '::1', '[::1]', 'LOCALHOST', '::ffff:127.0.0.1']) {
      await t.rejects(lockConverters([unitAt('localhost'), unitAt(host, 'E002')], 0), ConfigError, host);
    }
    const { release } = await lockConverters([unitAt('localhost'), unitAt('127.0.0.2', 'E002')], 0);
    await release();
  });

  t.test('a stranger who sits on the lock and talks without end holds nobody up', linux, async (t) => {
    const config = unitAt('10.9.8.7');
    const hash = createHash('sha256')
      .update(JSON.stringify(['10.9.8.7', 4380]))
      .digest('hex');
    const stranger = createServer((socket) => {
      const dripping = setInterval(() => socket.write('1'), 50);
      socket.on('error', () => {});
      socket.on('close', () => clearInterval(dripping));
    });
    stranger.listen(`\0apis-converter-${hash.slice(0, 24)}`);
    await once(stranger, 'listening');
    t.teardown(() => stranger.close());
    const since = performance.now();
    await t.rejects(lockConverters([config], 0), { message: /is in use by another process/ });
    t.ok(performance.now() - since < 3_000, `${performance.now() - since} ms`);
  });

  t.test('a driver that does not answer is exit code 3; no config is a mistake', async (t) => {
    const nowhere = await unitFiles(join(directory, 'nowhere'), ['E001'], 1);
    t.match(await cli(['safe-stop', ...nowhere, '--timeout', '1']), {
      code: 3,
      out: '',
      err: /E001: not in WAIT after/,
    });
    t.match(await cli(['safe-stop']), { code: 2, err: /expected the config of a unit/ });
  });
});

/** The gateway takes the lock some moments after its start. */
async function eventuallyRefused(config: string): Promise<Awaited<ReturnType<typeof cli>>> {
  for (;;) {
    const result = await cli(['safe-stop', '--config', config, '--timeout', '1']);
    if (result.code === 3) return result;
    await pause(200); // leaves the lock to the gateway
  }
}
