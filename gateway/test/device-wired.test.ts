import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { FlowDevice } from '../src/adapters/drivers/flow-device.ts';
import { startDaemon } from '../src/cli/daemon.ts';
import { demoSettings } from '../src/cli/demo-set-up.ts';
import { EmulatorClient, type UnitAddress, UnitClient } from '../src/client/index.ts';
import { demoHwConfig, demoPolicy } from '../src/config/defaults.ts';
import { Controller } from '../src/controller/index.ts';
import { CONVERTER_MODES, type ConverterMode } from '../src/domain/converter-mode.ts';
import type { Deal } from '../src/domain/deal.ts';
import type { FaultInput } from '../src/domain/fault.ts';
import { WIRED_HEARTBEAT_MSEC, type WiredCommand } from '../src/domain/wired-device.ts';
import { SeededEntropy } from '../src/ports/entropy.ts';
import { silentLog } from '../src/ports/log.ts';
import { VirtualClock } from '../src/ports/virtual-clock.ts';
import { eventually } from './support/process.ts';

// Units that trade at the speed of life need their time.
t.setTimeout(110_000);

const LIMIT_MSEC = 500;
const withReason = (reason: string): Error => ({ reason }) as unknown as Error; // tap matches the fields that are there

const dcdcIn = (mode: ConverterMode, dig = 0) => ({
  status: {
    status: CONVERTER_MODES[mode].code,
    operationMode: CONVERTER_MODES[mode].operationMode,
    alarmState: 'No alarm',
  },
  meter: { vg: 350, ig: 0, wg: 0, vb: 52, ib: 0, wb: 0, tmp: 25 },
  vdis: { dvg: 350, drg: 0 },
  param: { dig },
});

/** A driver with a scripted flow at its other end. */
class Wire {
  readonly clock = new VirtualClock(0);
  readonly said: WiredCommand[] = [];
  readonly troubles: string[] = [];
  /** Calls of the independent safe-stop, which the test settles. */
  readonly stops: PromiseWithResolvers<void>[] = [];
  mode: ConverterMode = 'WAIT';
  isBeating: boolean;
  /** What the flow does with a command; default: it answers after 50 ms. */
  flow: (command: WiredCommand) => void = (command) => this.answer(command, 50);
  readonly device = new FlowDevice({
    clock: this.clock,
    session: 's1',
    deadlineMsec: LIMIT_MSEC,
    say: (command) => {
      this.said.push(command);
      this.flow(command);
    },
    stopIndependently: () => {
      const stop = Promise.withResolvers<void>();
      this.stops.push(stop);
      return stop.promise;
    },
  });

  constructor({ isBeating = true }: { isBeating?: boolean } = {}) {
    this.isBeating = isBeating;
    this.device.onTrouble(({ reason }) => this.troubles.push(reason));
    this.#beat();
  }

  hear(key: string, body: unknown): void {
    this.device.hear(key, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));
  }

  answer(command: WiredCommand, delayMsec: number): void {
    this.clock.after(delayMsec, () => {
      if (command.command === 'set' && command.mode !== undefined) this.mode = command.mode;
      this.hear(`dcdc/${command.id}`, dcdcIn(this.mode));
      if (command.command === 'get') this.hear(`battery/${command.id}`, { rsoc: 50, battery_operation_status: 3 });
    });
  }

  async settled<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {}); // looked at below
    await this.clock.advance(2_000);
    return work;
  }

  #beat(): void {
    if (this.isBeating) this.hear('heartbeat', {});
    this.clock.after(250, () => this.#beat());
  }
}

t.test('flow-device (RULE-18)', async (t) => {
  t.test('asks the flow, and takes what it answers', async (t) => {
    const wire = new Wire();
    t.match(await wire.settled(wire.device.read()), { dcdc: { meter: { vg: 350 } }, battery: { rsoc: 50 } });
    t.match(await wire.settled(wire.device.setMode({ mode: 'CHARGE', dvg: 350, dig: 1, drg: 0 })), {
      status: { status: '0x0041' },
    });
    await wire.settled(wire.device.setCurrent({ dig: 2 }));
    await wire.settled(wire.device.setVoltage({ dvg: 340, drg: 0 }));
    await wire.settled(wire.device.readStatus());
    t.match(wire.said, [
      { id: 's1-1', sequence: 1, command: 'get', deadlineMsec: LIMIT_MSEC },
      { id: 's1-2', command: 'set', mode: 'CHARGE', dvg: 350, dig: 1, drg: 0 },
      { id: 's1-3', command: 'set', dig: 2, mode: undefined },
      { id: 's1-4', command: 'set', dvg: 340, drg: 0 },
      { id: 's1-5', sequence: 5, command: 'status' },
    ]);
    t.same(wire.troubles, []);
  });

  t.test('a flow that never answers is a device that gave no reply', async (t) => {
    const wire = new Wire();
    wire.flow = () => {};
    await t.rejects(wire.settled(wire.device.read()), withReason('device.no-reply'));
  });

  const wrongs: Readonly<Record<string, [reason: string, flow: (wire: Wire, command: WiredCommand) => void]>> = {
    late: ['device.late-reply', (wire, command) => wire.answer(command, LIMIT_MSEC + 1)],
    twice: [
      'device.duplicate-reply',
      (wire, command) => {
        wire.answer(command, 10);
        wire.answer(command, 20);
      },
    ],
    'under another id': ['device.unsolicited', (wire) => wire.hear('dcdc/s1-99', dcdcIn('WAIT'))],
    'with what was not asked for': ['device.unsolicited', (wire, { id }) => wire.hear(`battery/${id}`, { rsoc: 1 })],
    'no JSON': ['device.malformed', (wire, { id }) => wire.hear(`dcdc/${id}`, '{')],
    'no object': ['device.malformed', (wire, { id }) => wire.hear(`dcdc/${id}`, [1])],
    'where nobody listens': ['device.unsolicited', (wire) => wire.hear('nonsense', {})],
  };
  for (const [how, [reason, flow]] of Object.entries(wrongs)) {
    t.test(`a flow that answers ${how} is trouble: ${reason}`, async (t) => {
      const wire = new Wire();
      wire.flow = (command) => flow(wire, command);
      await wire.settled(wire.device.readStatus()).catch(() => {});
      t.same(wire.troubles, [reason]);
    });
  }

  t.test('the first of two different halves of an answer does not count as an answer', async (t) => {
    const wire = new Wire();
    wire.flow = ({ id }) => wire.hear(`dcdc/${id}`, dcdcIn('WAIT'));
    await t.rejects(wire.settled(wire.device.read()), { message: /no reply of battery/ });
  });

  t.test('values that are none are refused with their name', async (t) => {
    const wire = new Wire();
    wire.flow = ({ id }) => {
      wire.hear(`dcdc/${id}`, { ...dcdcIn('WAIT'), meter: { vg: 'high' } });
      wire.hear(`battery/${id}`, { rsoc: 50 });
    };
    await t.rejects(wire.settled(wire.device.read()), { message: /dcdc.meter.vg: expected number/ });
  });

  t.test('a reply to a command that tells nothing is none', async (t) => {
    const wire = new Wire();
    wire.flow = ({ id }) => wire.hear(`dcdc/${id}`, {});
    await t.rejects(wire.settled(wire.device.setCurrent({ dig: 1 })), { message: /at least one of status/ });
  });

  t.test('a refusal of the flow is told as one', async (t) => {
    const wire = new Wire();
    wire.flow = ({ id }) => wire.hear(`dcdc/${id}`, { error: 'port is closed' });
    await t.rejects(wire.settled(wire.device.readStatus()), { message: /port is closed/ });
    t.same(wire.troubles, []);
  });

  t.test('answers to a former process are nobody’s fault, for a while', async (t) => {
    const wire = new Wire();
    wire.hear('dcdc/s0-7', dcdcIn('WAIT'));
    t.same(wire.troubles, []);
    await wire.clock.advance(10_000);
    wire.hear('dcdc/s0-7', dcdcIn('WAIT'));
    t.same(wire.troubles, ['device.unsolicited']);
  });

  t.test('without a heartbeat nothing but WAIT is said, and no reading is believed', async (t) => {
    const wire = new Wire();
    wire.isBeating = false;
    await wire.clock.advance(1_000);
    t.same(wire.troubles, ['device.no-heartbeat']);
    const setting = { dvg: 350, dig: 1, drg: 0 };
    for (const write of [
      () => wire.device.setMode({ mode: 'CHARGE', ...setting }),
      () => wire.device.setCurrent(setting),
      () => wire.device.setVoltage(setting),
    ]) {
      await t.rejects(write(), withReason('device.no-heartbeat'));
    }
    t.same(wire.said, []);
    await t.rejects(wire.settled(wire.device.read()), withReason('device.no-heartbeat'));
    t.match(await wire.settled(wire.device.setMode({ mode: 'WAIT', ...setting })), { status: { status: '0x0000' } });
  });

  t.test('a flow that could not be heard because the own process stood still is no silent one', async (t) => {
    for (const isBeating of [true, false]) {
      const wire = new Wire();
      const monotonic = wire.clock.monotonic.bind(wire.clock);
      wire.isBeating = false;
      await wire.clock.advance(900);
      wire.clock.monotonic = () => monotonic() + 500; // the timer of the silence will come late by as much
      await wire.clock.advance(150);
      t.same(wire.troubles, []);
      if (isBeating) wire.hear('heartbeat', {});
      await wire.clock.advance(100);
      t.same(wire.troubles, isBeating ? [] : ['device.no-heartbeat']);
      t.equal(wire.stops.length, isBeating ? 0 : 1);
    }
  });

  t.test('a flow that is only starting, and speaks only when asked, is asked until it is heard', async (t) => {
    const wire = new Wire({ isBeating: false });
    wire.flow = () => {}; // nobody is there yet
    const first = wire.device.read();
    await wire.clock.advance(LIMIT_MSEC / 2 - 1);
    wire.flow = (command) => {
      wire.isBeating = true;
      wire.hear('heartbeat', {});
      wire.answer(command, 50);
    };
    t.match(await wire.settled(first), { dcdc: { status: { status: '0x0000' } } });
    t.same(wire.troubles, []);
    t.same([...new Set(wire.said.map(({ command }) => command))], ['status', 'get']);
  });

  t.test('a flow that is not heard for the time of an answer is silent', async (t) => {
    const wire = new Wire({ isBeating: false });
    wire.flow = () => {};
    const never = t.rejects(wire.device.read(), withReason('device.no-heartbeat'));
    await wire.clock.advance(LIMIT_MSEC - 1); // before its caller stops waiting, and would not hear why
    await never;
    const asked = wire.said.length;
    await wire.clock.advance(2_000);
    t.equal(wire.said.length, asked, 'and is left alone until it is read again');
  });

  t.test('a flow that has fallen silent is passed by on the independent way to WAIT, one at a time', async (t) => {
    const wire = new Wire();
    t.equal(wire.stops.length, 0);
    wire.isBeating = false;
    await wire.clock.advance(1_000);
    t.equal(wire.stops.length, 1, 'within a second, asked by nobody');
    const wait = { mode: 'WAIT', dvg: 350, dig: 0, drg: 0 } as const;
    await wire.settled(wire.device.setMode(wait));
    t.equal(wire.stops.length, 1, 'it is still under way');
    wire.stops[0]?.reject(new Error('no contact'));
    await wire.clock.advance(0);
    t.same(wire.troubles, ['device.no-heartbeat', 'device.refused'], 'a way that fails is told');
    await wire.settled(wire.device.setMode(wait));
    t.equal(wire.stops.length, 2, 'each order of WAIT tries again');
    wire.isBeating = true;
    wire.stops[1]?.resolve();
    await wire.clock.advance(300);
    await wire.settled(wire.device.setMode(wait));
    t.equal(wire.stops.length, 2, 'a flow that is heard is asked alone');
    wire.flow = () => {};
    await wire.settled(wire.device.setMode(wait)).catch(() => {});
    t.equal(wire.stops.length, 3, 'unless it does not confirm WAIT');
  });

  t.test('never holds the voltage, whoever asks', async (t) => {
    const wire = new Wire();
    await t.rejects(
      wire.device.setMode({ mode: 'VOLTAGE_REFERENCE', dvg: 350, dig: 2, drg: 0 }),
      withReason('device.refused'),
    );
    t.same(wire.said, []);
  });

  t.test(
    'an order counts as under way until it is answered or overdue, whatever its caller does (RULE-3)',
    async (t) => {
      const wire = new Wire();
      wire.flow = () => {};
      let hasSettled = false;
      const settle = (): void => {
        hasSettled = true;
      };
      wire.device.setMode({ mode: 'CHARGE', dvg: 350, dig: 1, drg: 0 }).then(settle, settle);
      await wire.clock.advance(LIMIT_MSEC - 1);
      t.notOk(hasSettled);
      await wire.clock.advance(1);
      t.ok(hasSettled);
    },
  );
});

t.test('a controller with a wired device (RULE-18, INV-3)', async (t) => {
  const aRoom = async () => {
    const wire = new Wire();
    const faults: FaultInput[] = [];
    const policy = demoPolicy(['E001', 'E002']);
    const controller = new Controller({
      unitId: 'E001',
      device: wire.device,
      clock: wire.clock,
      entropy: new SeededEntropy(1),
      log: silentLog,
      policy: () => ({ ...policy, controller: { ...policy.controller, requestTimeoutMsec: LIMIT_MSEC } }),
      hwConfig: () => demoHwConfig(),
      effectiveMode: () => 'manual',
      ownDeals: () => [],
      permit: () => ({ modes: ['CHARGE', 'DISCHARGE', 'WAIT'], expiresAt: Number.POSITIVE_INFINITY }),
      raise: (fault) => void faults.push(fault),
    });
    const started = controller.start();
    await wire.clock.advance(200);
    await started;
    const charging = controller.execute({ command: 'CHARGE', gridCurrentA: 1 }, () => {});
    charging.catch(() => {}); // what it becomes is seen at the converter
    await wire.clock.runUntil(() => wire.mode === 'CHARGE', 5_000);
    await wire.clock.advance(100);
    faults.length = 0;
    return { wire, faults, controller };
  };

  const endings: Readonly<Record<string, [reason: string, end: (wire: Wire) => void]>> = {
    'falls silent': [
      'device.no-heartbeat',
      (wire) => {
        wire.isBeating = false;
      },
    ],
    'answers twice': [
      'device.duplicate-reply',
      (wire) => {
        wire.flow = (command) => {
          wire.answer(command, 10);
          wire.answer(command, 20);
        };
      },
    ],
    'speaks unasked': ['device.unsolicited', (wire) => wire.hear('dcdc/s1-999', dcdcIn('CHARGE'))],
  };
  for (const [what, [reason, end]] of Object.entries(endings)) {
    t.test(`WAIT within an acquisition period and a write when the flow ${what}`, async (t) => {
      const { wire, faults } = await aRoom();
      t.equal(wire.mode, 'CHARGE');
      end(wire);
      t.ok(await wire.clock.runUntil(() => wire.mode === 'WAIT', 2_000), 'in WAIT');
      await wire.clock.advance(100);
      t.ok(
        faults.some((fault) => fault.reason === reason && fault.level === 'ERROR'),
        reason,
      );
    });
  }

  t.test('a flow that answers nothing any more is told WAIT again and again', async (t) => {
    const { wire, faults } = await aRoom();
    wire.flow = () => {};
    const told = (): number => wire.said.filter((one) => one.command === 'set' && one.mode === 'WAIT').length;
    const before = told();
    await wire.clock.advance(20_000);
    t.ok(told() > before + 3);
    t.ok(faults.some(({ reason }) => reason === 'device.stale'));
    t.ok(faults.some(({ reason }) => reason === 'device.stop-failed'));
  });
});

/** What a flow does, without Node-RED: each command goes to the emulated house, each reply back to the unit. */
class TestFlow {
  readonly client: UnitClient;
  readonly commands: WiredCommand[] = [];
  readonly errors: string[] = [];
  /** Called before a command is carried out; false drops it. */
  mayPass: (command: WiredCommand) => boolean = () => true;
  isBeating = true;
  readonly #emulator: EmulatorClient;
  readonly #house: string;
  readonly #beat: NodeJS.Timeout;

  constructor({ host, port }: UnitAddress, emulator: EmulatorClient, house: string) {
    this.#emulator = emulator;
    this.#house = house;
    this.client = UnitClient.attach({ host, port }, { follow: false });
    this.client.on('wired', (command) => {
      this.commands.push(command);
      if (this.mayPass(command)) this.#carryOut(command).catch((error: unknown) => this.errors.push(String(error)));
    });
    this.#beat = setInterval(() => {
      if (this.isBeating) this.client.sayAsDevice('heartbeat', {}).catch(() => {}); // said again soon
    }, WIRED_HEARTBEAT_MSEC);
  }

  async #carryOut(command: WiredCommand): Promise<void> {
    const { dcdc, battery, emu, ...reply } = await this.#emulator.order(this.#house, command);
    await this.client.sayAsDevice(`dcdc/${command.id}`, dcdc ?? reply);
    if (command.command === 'get') await this.client.sayAsDevice(`battery/${command.id}`, { ...Object(battery), emu });
  }

  async stop(): Promise<void> {
    clearInterval(this.#beat);
    await this.client.close();
  }
}

/** An aborted deal says "--" for what never was. */
const hasBegun = ({ startDateTime }: Deal): boolean => startDateTime?.startsWith('2') === true;

t.test('a unit whose devices a flow drives, over MQTT (RULE-18)', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'apis-wired-'));
  t.teardown(() => rm(dataDir, { recursive: true, force: true }));
  const wired = 'E004';
  const stopped = join(dataDir, 'stopped');
  const stopCommand = ['/bin/sh', '-c', 'echo "$0" > "$1"', wired, stopped];
  const device = { type: 'flow', safeStop: 'independent', stopCommand, house: wired };
  const settings = demoSettings().map((one) =>
    one.unitConfig.unitId === wired ? { ...one, unitConfig: { ...one.unitConfig, device } } : one,
  );
  const daemon = await startDaemon({ settings, dataDir, log: silentLog, firstBrokerPort: 0 });
  const address = daemon.units.find(({ unitId }) => unitId === wired) as UnitAddress; // it is among the settings
  const emulator = new EmulatorClient(async () => daemon.emulator as UnitAddress); // it has emulated houses
  const flow = new TestFlow(address, emulator, wired);
  // The flow outlives the daemon, so that its converter is in WAIT at the end.
  t.teardown(async () => {
    await daemon.stop();
    await flow.stop();
  });
  await daemon.ready;
  const watch = UnitClient.attach(address);
  t.teardown(() => watch.close());
  await watch.ready(10_000);

  t.test('trades like any other, and never holds the voltage', async (t) => {
    const isOurs = (deal: Deal): boolean => deal.chargeUnitId === wired && hasBegun(deal);
    await watch.when((state) => state.deals.some(isOurs), 60_000);
    t.equal(watch.state().units[wired]?.unit?.apis.wired_device, true);
    t.match(await emulator.state(wired), { mode: 'CHARGE' });
    t.not(watch.state().grid?.voltageReferenceUnitId, wired);
    t.same(flow.errors, []);
  });

  t.test('goes to WAIT when its flow falls silent, and takes part again when it is back', async (t) => {
    flow.mayPass = ({ command }) => command === 'set';
    await watch.when(({ units }) => units[wired]?.unit?.stale === true, 20_000);
    t.ok(await eventually(async () => (await emulator.state(wired)).mode === 'WAIT', 10_000));
    t.ok(watch.state().faults.some(({ unitId, reason }) => unitId === wired && reason.startsWith('device.')));
    flow.mayPass = () => true;
    await watch.when(({ units }) => units[wired]?.unit?.stale !== true, 20_000);
  });

  t.test('has its independent safe-stop run when the flow itself is gone', async (t) => {
    await rm(stopped, { force: true });
    flow.mayPass = () => false;
    flow.isBeating = false;
    const isRun = async (): Promise<boolean> => (await readFile(stopped, 'utf8').catch(() => '')) === `${wired}\n`;
    t.ok(await eventually(isRun, 5_000));
    flow.mayPass = () => true;
    flow.isBeating = true;
    await watch.when(({ units }) => units[wired]?.unit?.stale !== true, 20_000);
  });
});

t.test('devices may not speak where no flow drives them', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'apis-wired-'));
  const [first] = demoSettings();
  const policy = demoPolicy(['E001']);
  const settings = first === undefined ? [] : [{ ...first, policy }];
  const daemon = await startDaemon({ settings, dataDir, log: silentLog, firstBrokerPort: 0 });
  t.teardown(async () => {
    await daemon.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  const client = UnitClient.attach(daemon.units[0] as UnitAddress); // one was started
  t.teardown(() => client.close());
  await client.ready(10_000);
  const lost = new Promise<void>((resolve) => {
    client.on('connection', (state) => state === 'disconnected' && resolve());
  });
  await client.sayAsDevice('dcdc/1', {});
  await lost;
  t.pass('the broker ends the connection');
});
