import t from 'tap';
import type { Policy } from '../src/config/policy.ts';
import { attempt } from '../src/controller/attempt.ts';
import { trialVoltages } from '../src/controller/authorization.ts';
import { BatteryCapacity } from '../src/controller/battery-capacity.ts';
import { checkpointWaits, meterAgrees } from '../src/controller/checkpoint.ts';
import { DeviceQueue, type Priority } from '../src/controller/device-queue.ts';
import { DeviceState } from '../src/controller/device-state.ts';
import { EnergyCounter } from '../src/controller/energy-counter.ts';
import { SuspicionBook, violationsOf } from '../src/controller/local-safety.ts';
import { waitSetting } from '../src/controller/ramp-down.ts';
import type { SafetyInput, Violation } from '../src/controller/safety-check.ts';
import { stepsBetween } from '../src/controller/stepping.ts';
import { Transition } from '../src/controller/transition.ts';
import { checkWrite } from '../src/controller/write-limits.ts';
import type { ConverterMode } from '../src/domain/converter-mode.ts';
import { CONVERTER_MODES } from '../src/domain/converter-mode.ts';
import type { DeviceCommand, DeviceCommandName } from '../src/domain/device-command.ts';
import { DeviceError, PeerError } from '../src/domain/errors.ts';
import { OPERATION_MODES, type OperationMode } from '../src/domain/operation-mode.ts';
import type { DcdcMeter } from '../src/domain/unit-data.ts';
import { sleep } from '../src/ports/clock.ts';
import { SeededEntropy } from '../src/ports/entropy.ts';
import { MemoryLocks } from '../src/ports/exclusive-locks.ts';
import { VirtualClock } from '../src/ports/virtual-clock.ts';
import { ANY_MODE, aDeal, ControllerRoom } from './support/controller-room.ts';
import type { CallName, Fate } from './support/fake-converter.ts';

/** tap matches the fields that are there; its types want a whole error. */
const withReason = (reason: string): Error => ({ reason }) as unknown as Error;
const WAIT_WRITE = 'setMode WAIT 350 0 0';
/** A room whose converter was brought into the mode by command. */
async function aRoomIn(mode: ConverterMode, gridCurrentA = 1): Promise<ControllerRoom> {
  const room = await ControllerRoom.started((room) => room.timeouts(500));
  if (mode === 'VOLTAGE_REFERENCE') await room.writesOf({ command: mode });
  else room.device.busV = 350;
  if (mode === 'CHARGE' || mode === 'DISCHARGE') await room.writesOf({ command: mode, gridCurrentA });
  room.forget();
  return room;
}

/** What one write sets the converter to counts as raising when it leads away from WAIT. */
const isRaising = (write: string): boolean => !write.startsWith('setMode WAIT');

t.test('device-queue (control.md D12, RULE-11)', async (t) => {
  const aQueue = () => {
    const clock = new VirtualClock();
    const queue = new DeviceQueue(clock);
    const order: string[] = [];
    const work =
      (name: string, msec = 10) =>
      async (signal: AbortSignal) => {
        order.push(name);
        await sleep(clock, msec, signal);
        return name;
      };
    const run = (name: string, priority: Priority, waitMsec = 1000, signal?: AbortSignal) =>
      queue.run({ priority, waitMsec, ...(signal && { signal }) }, work(name));
    return { clock, queue, order, work, run };
  };

  t.test('turns go by priority, and first come first served within one', async (t) => {
    const { clock, order, run } = aQueue();
    const all = [
      run('first', 'periodic'),
      run('p1', 'periodic'),
      run('u1', 'urgent'),
      run('c1', 'command'),
      run('p2', 'periodic'),
      run('u2', 'urgent'),
      run('c2', 'command'),
    ];
    await clock.advance(100);
    t.same(await Promise.all(all), ['first', 'p1', 'u1', 'c1', 'p2', 'u2', 'c2']);
    t.same(order, ['first', 'c1', 'c2', 'u1', 'u2', 'p1', 'p2']);
  });

  t.test('no wait is unlimited: who gets no turn in time is refused and does not act later', async (t) => {
    const { clock, order, run } = aQueue();
    const long = run('long', 'command');
    const late = t.rejects(run('late', 'command', 5), withReason('device.busy'));
    await clock.advance(100);
    await Promise.all([long, late]);
    t.same(order, ['long']);
  });

  t.test('a caller who gives up while waiting, or before, leaves the queue', async (t) => {
    const { clock, order, run } = aQueue();
    const caller = new AbortController();
    const gaveUp = new Error('gave up');
    const all = [
      run('running', 'command'),
      t.rejects(run('waiting', 'command', 1000, caller.signal), gaveUp),
      t.rejects(run('too late', 'command', 1000, AbortSignal.abort(gaveUp)), gaveUp),
      run('next', 'command', 1000, new AbortController().signal),
    ];
    caller.abort(gaveUp);
    await clock.advance(100);
    await Promise.all(all);
    t.same(order, ['running', 'next']);
  });

  t.test('a turn is given back when its work fails', async (t) => {
    const { clock, queue, run } = aQueue();
    await t.rejects(queue.run({ priority: 'command', waitMsec: 1 }, () => Promise.reject(new Error('broken'))));
    const next = run('next', 'command');
    await clock.advance(10);
    t.equal(await next, 'next');
  });

  t.test('a stop starts at once, kills what runs and the commands that wait, and delays readings only', async (t) => {
    const { clock, queue, order, work, run } = aQueue();
    const running = t.rejects(run('running', 'command'), withReason('device.superseded'));
    const waiting = t.rejects(run('waiting', 'command'), withReason('device.superseded'));
    const reading = run('reading', 'periodic');
    t.equal(queue.epoch, 0);
    const stop = queue.stop('test', work('stop'));
    const younger = run('younger', 'command');
    t.equal(queue.epoch, 1);
    t.same(order, ['running', 'stop'].slice(1), 'the stop begins before any turn is handed on');
    await clock.advance(9);
    t.same(order, ['stop'], 'nobody has a turn beside a stop');
    await clock.advance(50);
    await Promise.all([running, waiting, reading, stop, younger]);
    t.same(order, ['stop', 'younger', 'reading']);
  });

  t.test('a stop kills the turn that was granted but has not begun', async (t) => {
    const { clock, queue, order, work, run } = aQueue();
    const granted = t.rejects(run('granted', 'command'), withReason('device.superseded'));
    const stop = queue.stop('test', work('stop'));
    await clock.advance(50);
    await Promise.all([granted, stop]);
    t.same(order, ['stop']);
  });

  t.test('a stop tells an older stop that it has been overtaken', async (t) => {
    const { clock, queue, work } = aQueue();
    const older = t.rejects(queue.stop('older', work('older', 1000)), withReason('device.superseded'));
    const newer = queue.stop('newer', work('newer'));
    await clock.advance(20);
    await Promise.all([older, newer]);
  });

  t.test('after the end only stops are served', async (t) => {
    const { clock, queue, work, run } = aQueue();
    const running = run('running', 'command');
    const waiting = t.rejects(run('waiting', 'periodic'), withReason('device.closed'));
    await clock.advance(1);
    queue.close();
    await waiting;
    await t.rejects(run('later', 'command'), withReason('device.closed'));
    const stop = queue.stop('end', work('stop'));
    await t.rejects(running, withReason('device.superseded'));
    await clock.advance(20);
    t.equal(await stop, 'stop');
  });
});

t.test('write-limits: no value beyond the limits reaches the driver (INV-9)', async (t) => {
  const limits = { gridCurrentCapacityA: 2.3, minV: 300, maxV: 380 };
  const good = [{ dig: 0 }, { dig: 2.3 }, { dig: 0.1 + 2.2 }, { drg: 0 }, { drg: 1 }, { dvg: 300 }, { dvg: 380 }, {}];
  for (const setting of good) t.doesNotThrow(() => checkWrite(setting, limits), JSON.stringify(setting));
  t.doesNotThrow(() => checkWrite({ mode: 'WAIT', dvg: 0, dig: 0, drg: 0 }, limits), 'WAIT depends on no policy value');
  const bad = [
    { dig: -0.1 },
    { dig: 2.31 },
    { dig: Number.NaN },
    { drg: -0.01 },
    { drg: 1.01 },
    { dvg: 299.9 },
    { dvg: 380.1 },
    { mode: 'CHARGE', dvg: 0 },
    { mode: 'WAIT', dvg: Number.NaN },
  ] as const;
  for (const setting of bad) {
    t.throws(() => checkWrite(setting, limits), withReason('device.out-of-range'), JSON.stringify(setting));
  }
  t.throws(() => checkWrite({ dig: 3 }, limits), { message: 'dig 3 is not within 0 to 2.3 (gridCurrentCapacityA)' });
});

t.test('stepping (control.md §13.1, S17)', async (t) => {
  t.same(stepsBetween(1, 2.3, 1), [2, 2.3]);
  t.same(stepsBetween(2.3, 0, 1), [1.3, 0.3, 0]);
  t.same(stepsBetween(1, 2, 1), [2]);
  t.same(stepsBetween(0, 2, 1), [1, 2]);
  t.same(stepsBetween(1, 1, 1), [1], 'the target is set even when nothing changes');
  t.same(stepsBetween(350, 310, 350), [310]);
  t.same(stepsBetween(0, 0.3, 0.1), [0.1, 0.2, 0.3]);
  t.throws(() => stepsBetween(0, 2, 0.001), withReason('device.too-many-steps'), 'no way is endless');
  t.throws(() => stepsBetween(Number.NaN, 2, 1), withReason('device.too-many-steps'));
  t.throws(() => stepsBetween(1, 2, 0), withReason('device.too-many-steps'));
});

t.test('checkpoint (control.md §1.9.1, §13.1)', async (t) => {
  const allowance = { vg: 4, ig: 0.125 };
  const meter = (part: Partial<DcdcMeter>) => ({ vg: 350, ig: 0, wg: 0, vb: 50, ib: 0, wb: 0, tmp: 25, ...part });
  const rows: readonly (readonly [number, boolean, string])[] = [
    [0.875, true, 'low end'],
    [1.125, true, 'high end'],
    [1.126, false, 'beyond'],
    [-1, false, 'right magnitude, wrong direction (S4)'],
    [Number.NaN, false, 'missing'],
  ];
  for (const [ig, ok, what] of rows) t.equal(meterAgrees(meter({ ig }), { ig: 1 }, allowance), ok, what);
  t.equal(meterAgrees(meter({ vg: 346 }), { vg: 350 }, allowance), true);
  t.equal(meterAgrees(meter({ vg: 345.9 }), { vg: 350 }, allowance), false);
  t.equal(meterAgrees(meter({ vg: 345.9 }), {}, allowance), true, 'no target, no check');
  t.same(checkpointWaits({ retryLimit: 3, retryWaitMsec: 100 }), [50, 50, 100, 100], "the original's window of 300 ms");
  t.same(checkpointWaits({ retryLimit: 0, retryWaitMsec: 100 }), [50, 50], '0 counts as 1');

  t.test('a converter that settles late is waited for, one that never does fails after the window', async (t) => {
    const late = await aRoomIn('WAIT');
    late.device.meter = { ig: 0 };
    late.clock.after(290, () => {
      late.device.meter = {};
    });
    t.match(await late.run({ command: 'CHARGE', gridCurrentA: 0.5 }), { ok: true });

    const never = await aRoomIn('WAIT');
    never.device.meter = { ig: 0 };
    const failed = await never.run({ command: 'CHARGE', gridCurrentA: 0.5 });
    t.match(failed, { ok: false, error: { reason: 'device.checkpoint', message: /"ig":0.5.*ig 0 A/ } });
    t.equal(failed.tookMsec, 20 + 300 + 4 * 20);
    t.same(never.reasons, ['H:L:WARN device.checkpoint']);
    t.equal(never.device.mode, 'CHARGE', 'the grid master decides what follows');
  });

  t.test('a charger whose meter says discharge fails (S4)', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.meter = { ig: -1 };
    t.match(await room.run({ command: 'CHARGE', gridCurrentA: 1 }), {
      ok: false,
      error: { reason: 'device.checkpoint' },
    });
  });
});

t.test('the commands of control.md §1.9 write what they should', async (t) => {
  const rows: readonly (readonly [ConverterMode, DeviceCommand, readonly string[]])[] = [
    ['WAIT', { command: 'WAIT' }, [WAIT_WRITE]],
    ['WAIT', { command: 'scram' }, [WAIT_WRITE]],
    ['VOLTAGE_REFERENCE', { command: 'WAIT' }, ['setVoltage 310 0', WAIT_WRITE]],
    ['CHARGE', { command: 'WAIT' }, ['setCurrent 0', WAIT_WRITE]],
    ['DISCHARGE', { command: 'scram' }, ['setCurrent 0', WAIT_WRITE]],
    ['WAIT', { command: 'CHARGE', gridCurrentA: 0.5 }, ['setMode CHARGE 350 0.5 0']],
    ['WAIT', { command: 'CHARGE', gridCurrentA: 1 }, ['setMode CHARGE 350 1 0', 'setCurrent 1']],
    ['WAIT', { command: 'CHARGE', gridCurrentA: 2.3 }, ['setMode CHARGE 350 1 0', 'setCurrent 2', 'setCurrent 2.3']],
    ['WAIT', { command: 'DISCHARGE', gridCurrentA: 1 }, ['setMode DISCHARGE 380 1 0', 'setCurrent 1']],
    ['CHARGE', { command: 'current', gridCurrentA: 2.3 }, ['setCurrent 2', 'setCurrent 2.3']],
    ['DISCHARGE', { command: 'current', gridCurrentA: 0.4 }, ['setCurrent 0.4']],
    ['VOLTAGE_REFERENCE', { command: 'VOLTAGE_REFERENCE' }, ['setMode VOLTAGE_REFERENCE 350 2.3 0']],
    ['VOLTAGE_REFERENCE', { command: 'voltage', gridVoltageV: 330 }, ['setVoltage 330 0']],
    ['VOLTAGE_REFERENCE', { command: 'voltageReferenceWillHandOver' }, ['setVoltage 350 0.039']],
    [
      'WAIT',
      { command: 'voltageReferenceWillTakeOver', gridVoltageV: 340 },
      ['setMode VOLTAGE_REFERENCE 340 2.3 0.039'],
    ],
    ['CHARGE', { command: 'voltageReferenceWillTakeOver' }, ['setMode VOLTAGE_REFERENCE 350 2.3 0.039']],
    [
      'VOLTAGE_REFERENCE',
      { command: 'voltageReferenceDidHandOver' },
      ['setCurrent 1.3', 'setCurrent 0.3', 'setCurrent 0', WAIT_WRITE],
    ],
    [
      'VOLTAGE_REFERENCE',
      { command: 'voltageReferenceDidHandOver', mode: 'CHARGE', gridCurrentA: 1 },
      ['setMode CHARGE 350 1 0'],
    ],
    [
      'VOLTAGE_REFERENCE',
      { command: 'voltageReferenceDidHandOver', mode: 'DISCHARGE', gridCurrentA: 2 },
      ['setMode DISCHARGE 380 2 0'],
    ],
    ['VOLTAGE_REFERENCE', { command: 'voltageReferenceDidTakeOver' }, ['setVoltage 350 0']],
  ];
  for (const [mode, command, writes] of rows) {
    const room = await aRoomIn(mode);
    t.same(await room.writesOf(command), writes, `${mode}: ${JSON.stringify(command)}`);
    t.same(room.reasons, []);
  }

  t.test(
    'CHARGE 0.5 / 1 / 2.3: what the meter shows in the end is held against the whole current (§13.1)',
    async (t) => {
      for (const gridCurrentA of [0.5, 1, 2.3]) {
        for (const [offA, ok] of [
          [-0.125, true],
          [-0.126, false],
        ] as const) {
          const room = await aRoomIn('WAIT');
          room.device.meter = { ig: gridCurrentA + offA };
          const done = await room.run({ command: 'CHARGE', gridCurrentA });
          t.equal(done.ok, ok, `${gridCurrentA} A, ${offA} A off`);
          const target = new RegExp(`"ig":${gridCurrentA}\\b`);
          if (!ok) t.match(done, { error: { reason: 'device.checkpoint', message: target } });
        }
      }
    },
  );

  t.test('the reply is the whole picture of the converter with the replies merged in', async (t) => {
    const room = await aRoomIn('CHARGE');
    const done = await room.run({ command: 'current', gridCurrentA: 2 });
    t.match(done, { ok: true, dcdc: { status: { status: '0x0041' }, meter: { ig: 2 }, param: { dig: 2 } } });
    t.match(room.controller.latest()?.reading.dcdc, { meter: { ig: 2 }, vdis: { dvg: 350 } });
  });

  t.test('voltage steps by the policy, from what was commanded and not from what is echoed (S17)', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    room.device.echo = Math.floor;
    room.policy = { ...room.policy, gridVoltageStepV: 15 };
    t.same(await room.writesOf({ command: 'voltage', gridVoltageV: 330.5 }), [
      'setVoltage 335 0',
      'setVoltage 330.5 0',
    ]);
    await room.clock.advance(3000);
    t.same(await room.writesOf({ command: 'voltage', gridVoltageV: 345.5 }), ['setVoltage 345.5 0']);
  });

  t.test('what somebody else has set at the converter counts instead of what was commanded', async (t) => {
    const room = await aRoomIn('CHARGE', 1);
    room.device.dig = 2;
    await room.clock.advance(1500);
    t.same(await room.writesOf({ command: 'current', gridCurrentA: 0 }), ['setCurrent 1', 'setCurrent 0']);
  });

  t.test(
    'a reference that hands over goes to WAIT even when its current does not fall, and says so (S10)',
    async (t) => {
      const room = await aRoomIn('VOLTAGE_REFERENCE');
      room.device.fate = (name) => (name === 'setCurrent' ? 'refused' : 'done');
      t.match(await room.run({ command: 'voltageReferenceDidHandOver' }), { ok: true });
      t.equal(room.device.mode, 'WAIT');
      t.same(room.reasons, ['H:L:WARN device.degraded-stop']);
    },
  );

  t.test('before anything was read nothing is made up', async (t) => {
    const state = new DeviceState();
    for (const ask of [() => state.dcdc, () => state.reading, () => state.at, () => state.dvg]) {
      t.throws(ask, withReason('device.unknown-state'));
    }
    t.same([state.mode, state.activeMode, state.isRead], [undefined, undefined, false]);
    const { controller } = new ControllerRoom();
    t.same([controller.mode, controller.latest()], [undefined, undefined]);
    t.equal(state.isExpected('CHARGE'), true, 'found so at the start');
    state.intends('CHARGE', 0);
    t.equal(state.activeMode, 'CHARGE');
    t.equal(state.isExpected('DISCHARGE'), false);
  });

  t.test('VOLTAGE_REFERENCE is refused on a bus that is up already (RULE-2, INV-1)', async (t) => {
    const room = await aRoomIn('WAIT');
    for (const [busV, ok] of [
      [320, true],
      [320.1, false],
      [Number.NaN, false],
    ] as const) {
      await room.writesOf({ command: 'WAIT' });
      room.device.busV = busV;
      room.forget();
      const done = await room.run({ command: 'VOLTAGE_REFERENCE' });
      t.equal(done.ok, ok, `${busV} V`);
      t.equal(room.device.writes.some(isRaising), ok);
    }
  });

  t.test('a hand-over from one reference to the next leaves the new one stiff', async (t) => {
    const room = await aRoomIn('WAIT');
    await room.writesOf({ command: 'voltageReferenceWillTakeOver', gridVoltageV: 350 });
    t.equal(room.device.drg, 0.039, 'two references only with droop (INV-1)');
    await room.writesOf({ command: 'voltageReferenceDidTakeOver' });
    t.match(room.device, { mode: 'VOLTAGE_REFERENCE', dvg: 350, drg: 0 });
    t.same(room.reasons, []);
  });

  t.test(
    'a reference with droop stops without the voltage ramp, and only the hand-over takes its droop (RULE-8)',
    async (t) => {
      const room = await aRoomIn('VOLTAGE_REFERENCE');
      await room.writesOf({ command: 'voltageReferenceWillHandOver' });
      const droopTakers: readonly DeviceCommand[] = [
        { command: 'voltage', gridVoltageV: 340 },
        { command: 'voltageReferenceAuthorization' },
        { command: 'VOLTAGE_REFERENCE' },
      ];
      room.forget();
      for (const command of droopTakers) t.equal((await room.run(command)).ok, false, command.command);
      t.same(room.device.writes, []);
      t.same(await room.writesOf({ command: 'WAIT' }), [WAIT_WRITE]);
    },
  );

  t.test('commands that do not fit the mode, or lack a current, change nothing (INV-11)', async (t) => {
    const rows: readonly (readonly [ConverterMode, DeviceCommand])[] = [
      ['VOLTAGE_REFERENCE', { command: 'current', gridCurrentA: 1 }],
      ['CHARGE', { command: 'voltage', gridVoltageV: 340 }],
      ['CHARGE', { command: 'voltageReferenceAuthorization' }],
      ['CHARGE', { command: 'voltageReferenceWillHandOver' }],
      ['CHARGE', { command: 'voltageReferenceDidHandOver' }],
      ['CHARGE', { command: 'voltageReferenceDidTakeOver' }],
      ['VOLTAGE_REFERENCE', { command: 'voltageReferenceDidHandOver', mode: 'CHARGE' }],
    ];
    for (const [mode, command] of rows) {
      const room = await aRoomIn(mode);
      t.match(await room.run(command), { ok: false, error: { reason: 'device.bad-command' } }, command.command);
      t.same(room.device.writes, []);
      t.same(room.reasons, ['L:L:ERROR device.bad-command']);
    }
  });

  t.test(
    'commands that reach a converter after its unit has stopped it change nothing, and are no fault (RULE-11)',
    async (t) => {
      const late: readonly DeviceCommand[] = [
        { command: 'current', gridCurrentA: 1 },
        { command: 'voltage', gridVoltageV: 340 },
        { command: 'voltageReferenceAuthorization' },
        { command: 'voltageReferenceDidHandOver' },
        { command: 'voltageReferenceDidTakeOver' },
      ];
      for (const command of late) {
        const room = await aRoomIn('WAIT');
        t.match(await room.run(command), { ok: false, error: { reason: 'device.at-rest' } }, command.command);
        t.same([room.device.writes, room.reasons], [[], []]);
      }
    },
  );

  t.test('currents and voltages beyond the limits change nothing (INV-9)', async (t) => {
    const rows: readonly (readonly [ConverterMode, DeviceCommand])[] = [
      ['WAIT', { command: 'CHARGE', gridCurrentA: -0.5 }],
      ['WAIT', { command: 'DISCHARGE', gridCurrentA: Number.NaN }],
      ['VOLTAGE_REFERENCE', { command: 'voltage', gridVoltageV: 381 }],
      ['WAIT', { command: 'voltageReferenceWillTakeOver', gridVoltageV: 299 }],
      ['VOLTAGE_REFERENCE', { command: 'voltageReferenceDidHandOver', mode: 'CHARGE', gridCurrentA: 2.4 }],
    ];
    for (const [mode, command] of rows) {
      const room = await aRoomIn(mode);
      t.match(await room.run(command), { ok: false, error: { reason: 'device.out-of-range' } }, command.command);
      t.same(room.device.writes, []);
    }
    const room = await aRoomIn('CHARGE', 1);
    await room.run({ command: 'current', gridCurrentA: 2.4 });
    t.equal(room.device.dig, 2, 'the step within the capacity was made, the one beyond it was not');
  });
});

t.test('voltageReferenceAuthorization (control.md §1.9.8, §13.1, S18–S20)', async (t) => {
  const { policy } = new ControllerRoom();
  const withTrials = (numberOfTrials: number): Policy => ({
    ...policy,
    controller: {
      ...policy.controller,
      dcdc: {
        ...policy.controller.dcdc,
        voltageReference: { ...policy.controller.dcdc.voltageReference, authorization: { numberOfTrials } },
      },
    },
  });
  const sorted = (volts: readonly number[]) => [...volts].sort((a, b) => a - b);

  t.test('candidates are those of the policy without what counts as the present voltage', async (t) => {
    t.same(sorted(trialVoltages(withTrials(9), 350, new SeededEntropy(1))), [330, 340, 360, 370]);
    t.same(
      sorted(trialVoltages(withTrials(9), 349.99, new SeededEntropy(1))),
      [330, 340, 360, 370],
      'an echo is no candidate',
    );
    for (let seed = 0; seed < 50; seed += 1) {
      const trials = trialVoltages(withTrials(3), 350, new SeededEntropy(seed));
      t.equal(new Set(trials).size, 3, 'without replacement');
    }
  });

  t.test('no trial lies within the allowance of the one before, where a step would prove nothing', async (t) => {
    const dense: Policy = { ...withTrials(3), gridVoltageSeparationV: 3, gridVoltageAllowanceV: 4 };
    for (let seed = 0; seed < 50; seed += 1) {
      const trials = [350, ...trialVoltages(dense, 350, new SeededEntropy(seed))];
      t.ok(trials.every((trial, index) => index === 0 || Math.abs(trial - (trials[index - 1] ?? 0)) > 4));
    }
  });

  t.test('a policy without any candidate is an error, not a passed authorization', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    room.policy = { ...room.policy, gridVoltageSeparationV: 100 };
    t.match(await room.run({ command: 'voltageReferenceAuthorization' }), {
      ok: false,
      error: { reason: 'device.no-authorization-voltage' },
    });
    t.same(room.device.writes, []);
    t.same(room.reasons, ['U:L:ERROR device.no-authorization-voltage']);
  });

  t.test('three trials and the way back take at most 0.6 s at 20 ms latency', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    const done = await room.run({ command: 'voltageReferenceAuthorization' });
    t.ok(done.ok);
    t.comment(`authorization: ${done.tookMsec} ms`);
    t.ok(done.tookMsec <= 600, `${done.tookMsec} ms`);
    t.equal(room.device.writes.length, 4);
    t.equal(room.device.dvg, 350);
    t.same(room.reasons, []);
  });

  t.test('a bus that does not follow fails it, and the voltage is put back (S20)', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    room.device.meter = { vg: 350 };
    t.match(await room.run({ command: 'voltageReferenceAuthorization' }), {
      ok: false,
      error: { reason: 'device.checkpoint' },
    });
    t.equal(room.device.writes.length, 2);
    t.equal(room.device.dvg, 350);
  });

  t.test('current on the own meter fails it: somebody else is on the bus (S19, RULE-10)', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    room.device.referenceA = 0.2;
    t.match(await room.run({ command: 'voltageReferenceAuthorization' }), {
      ok: false,
      error: { reason: 'device.checkpoint' },
    });
    t.match(room.reasons, ['H:L:WARN device.voltage-not-restored', 'H:L:WARN device.checkpoint']);
    t.equal(room.device.dvg, 350);
  });

  t.test('failing to put the voltage back fails it, even when all trials passed', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    room.device.fate = (_, text) => (text === 'setVoltage 350 0' ? 'refused' : 'done');
    t.match(await room.run({ command: 'voltageReferenceAuthorization' }), {
      ok: false,
      error: { reason: 'device.refused' },
    });
  });

  t.test('a caller who gives up in the middle still gets the voltage put back', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    const caller = new AbortController();
    room.clock.after(100, () => caller.abort(new Error('gave up')));
    t.match(await room.run({ command: 'voltageReferenceAuthorization' }, () => {}, caller.signal), {
      ok: false,
      error: { message: 'gave up' },
    });
    t.equal(room.device.writes.at(-1), 'setVoltage 350 0');
    t.same(room.reasons, [], 'giving up is no fault');
  });
});

t.test('driver calls: attempts, deadlines, echoes (control.md §1.3 rule 3, §1.7, §13.2 no. 16)', async (t) => {
  /** The n-th call of a name, counted from 1, has the fate; the others are done. */
  const only = (name: CallName, first: number, last: number, fate: Fate) => {
    let count = 0;
    return (called: CallName): Fate => {
      if (called === name) count += 1;
      return called === name && count >= first && count <= last ? fate : 'done';
    };
  };
  const CHARGE: DeviceCommand = { command: 'CHARGE', gridCurrentA: 1 };

  t.test('one or two failures are overcome, whatever they are', async (t) => {
    for (const fate of ['refused', 'unanswered', 'lost', 'crashed'] as const) {
      const room = await aRoomIn('WAIT');
      room.device.fate = only('setMode', 1, 2, fate);
      t.match(await room.run(CHARGE), { ok: true, dcdc: { meter: { ig: 1 } } }, fate);
      t.same(room.reasons, [], 'attempts are logged, not raised (Q6)');
      t.equal(room.events.filter((event) => event === 'device.attempt-failed').length, 2);
    }
  });

  t.test('three failures fail the command with a typed error and one fault', async (t) => {
    const expected: Readonly<Partial<Record<Fate, string>>> = {
      refused: 'device.refused',
      lost: 'device.no-reply',
      unanswered: 'device.no-reply',
      crashed: 'device.failed',
    };
    for (const [fate, reason] of Object.entries(expected)) {
      const room = await aRoomIn('WAIT');
      room.device.fate = only('setMode', 1, 3, fate as Fate);
      const done = await room.run(CHARGE);
      t.match(done, { ok: false, error: { name: 'DeviceError', reason } }, fate);
      t.same(room.reasons, [`H:L:ERROR ${reason}`]);
    }
  });

  t.test('a driver that never answers and ignores being told to stop costs its timeouts and no more', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.obeysAbort = false;
    room.device.fate = only('setMode', 1, 3, 'lost');
    const done = await room.run(CHARGE);
    t.match(done, { ok: false, error: { reason: 'device.no-reply' } });
    t.equal(done.tookMsec, 3 * 500 + 20 + 40, 'the pauses between attempts grow');
    const next = await room.run({ command: 'CHARGE', gridCurrentA: 0.5 });
    t.match(next, { ok: true }, 'the device is free again');
  });

  t.test('a late reply changes nothing', async (t) => {
    const room = await aRoomIn('CHARGE', 1);
    room.device.obeysAbort = false;
    room.device.fate = only('setCurrent', 1, 3, 'lost');
    t.match(await room.run({ command: 'current', gridCurrentA: 2 }), { ok: false });
    await room.clock.advance(3_601_000);
    t.equal(
      room.controller.latest()?.reading.dcdc.param.dig,
      2,
      'the converter did it in the end, and a reading shows it',
    );
    t.same(await room.writesOf({ command: 'WAIT' }), ['setCurrent 1', 'setCurrent 0', WAIT_WRITE]);
  });

  t.test('an unlimited retry limit of 0 counts as one attempt', async (t) => {
    const room = await aRoomIn('WAIT');
    room.policy = { ...room.policy, controller: { ...room.policy.controller, retryLimit: 0 } };
    room.device.fate = only('setMode', 1, 1, 'refused');
    t.match(await room.run(CHARGE), { ok: false });
    t.equal(room.device.writes.length, 1);
  });

  t.test('a wrong mode in the echo fails the command and stops at once (INV-3)', async (t) => {
    const echoes = [
      { operationMode: 'Waiting' },
      { operationMode: 'Grid Autonomy' },
      { operationMode: 'Heteronomy CV', status: CONVERTER_MODES.DISCHARGE.code },
    ];
    for (const status of echoes) {
      const room = await aRoomIn('WAIT');
      room.device.status = status;
      const done = await room.run(CHARGE);
      t.match(done, { ok: false, error: { reason: 'device.wrong-mode' } }, JSON.stringify(status));
      room.device.status = {};
      await room.clock.advance(2000);
      t.equal(room.device.mode, 'WAIT');
      t.ok(room.reasons.includes('H:L:ERROR device.wrong-mode'));
    }
  });

  t.test('an echo whose code nobody knows passes by its text here; supervision judges the code', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.status = { status: '0x0022' };
    room.clock.after(25, () => {
      room.device.status = {};
    });
    t.match(await room.run({ command: 'CHARGE', gridCurrentA: 0.5 }), { ok: true });
  });

  t.test('a reply without status is completed by reading it', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.silentAbout = new Set(['status', 'meter']);
    t.match(await room.run({ command: 'CHARGE', gridCurrentA: 0.5 }), {
      ok: true,
      dcdc: { status: { status: '0x0041' } },
    });
    t.same(room.device.calls.slice(0, 2), ['setMode CHARGE 350 0.5 0', 'readStatus']);
  });

  t.test('a status that never comes is no echo', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.silentAbout = new Set(['status']);
    const readStatus = room.device.readStatus.bind(room.device);
    room.device.readStatus = async (signal) => ({ meter: (await readStatus(signal)).meter as DcdcMeter });
    t.match(await room.run(CHARGE), {
      ok: false,
      error: { reason: 'device.wrong-mode', message: 'told CHARGE, the converter says nothing' },
    });
  });

  t.test('a driver that throws at once is heard like one that rejects', async (t) => {
    const clock = new VirtualClock();
    const options = { clock, what: 'read', limitMsec: 100, signal: new AbortController().signal };
    await t.rejects(
      attempt(options, () => {
        throw new Error('at once');
      }),
      { message: 'at once' },
    );
    t.equal(clock.nextAt(), undefined, 'no timer is left');
  });
});

t.test('a stop overtakes a command at every point of its life (RULE-11, INV-3)', async (t) => {
  const commands: readonly (readonly [ConverterMode, DeviceCommand])[] = [
    ['WAIT', { command: 'CHARGE', gridCurrentA: 2.3 }],
    ['WAIT', { command: 'DISCHARGE', gridCurrentA: 0.5 }],
    ['WAIT', { command: 'voltageReferenceWillTakeOver', gridVoltageV: 350 }],
    ['VOLTAGE_REFERENCE', { command: 'voltageReferenceAuthorization' }],
    ['VOLTAGE_REFERENCE', { command: 'voltageReferenceDidHandOver', mode: 'CHARGE', gridCurrentA: 1 }],
    ['VOLTAGE_REFERENCE', { command: 'voltageReferenceDidHandOver' }],
    ['CHARGE', { command: 'current', gridCurrentA: 2 }],
  ];
  for (const obeysAbort of [true, false]) {
    for (const [mode, command] of commands) {
      t.test(`${command.command} from ${mode}, driver ${obeysAbort ? 'obeys' : 'goes on'}`, async (t) => {
        const whole = await aRoomIn(mode);
        const { tookMsec } = await whole.run(command);
        for (let at = 0; at < tookMsec; at += 5) {
          const room = await aRoomIn(mode);
          room.device.obeysAbort = obeysAbort;
          const killed = room.controller.execute(command, () => {}).catch((error: unknown) => error);
          await room.clock.advance(at);
          const writesBefore = room.device.writes.length;
          const stopped = room.controller.stopLocal('test');
          const [first] = room.device.writes.slice(writesBefore);
          const { ok, tookMsec: stopMsec } = await room.settle(stopped);
          await room.clock.advance(5000);
          const after = room.device.writes.slice(writesBefore);
          const isRight =
            ok &&
            first === WAIT_WRITE &&
            stopMsec <= 60 &&
            !after.some(isRaising) &&
            room.device.mode === 'WAIT' &&
            ((await killed) as DeviceError).reason === 'device.superseded';
          if (!isRight)
            t.fail(`stopped at ${at} ms: ${JSON.stringify({ first, stopMsec, after, mode: room.device.mode })}`);
          if (room.faults.length > 0) t.fail(`stopped at ${at} ms: no fault: ${JSON.stringify(room.reasons)}`);
        }
        t.pass(`${Math.ceil(tookMsec / 5)} points`);
      });
    }
  }

  t.test('a write that lands behind the stop is overruled (RULE-3)', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.obeysAbort = false;
    room.device.fate = (name) => (name === 'setMode' ? 'lost' : 'done');
    const killed = room.controller.execute({ command: 'CHARGE', gridCurrentA: 1 }, () => {});
    const failed = t.rejects(killed, withReason('device.superseded'));
    await room.clock.advance(25);
    room.device.fate = () => 'done';
    room.clock.after(300, () => {
      room.device.mode = 'CHARGE';
    });
    const { ok, tookMsec } = await room.settle(room.controller.stopLocal('test'));
    await failed;
    t.same([ok, tookMsec], [true, 20 + 500 + 20], 'WAIT at once, and again when nothing can land any more');
    t.same(room.device.writes.slice(1), [WAIT_WRITE, WAIT_WRITE]);
    t.equal(room.device.mode, 'WAIT');
    const { tookMsec: next } = await room.settle(room.controller.stopLocal('test'));
    t.equal(next, 20, 'a write that never settled is not waited for again');
  });

  t.test('stops at the same time are one stop', async (t) => {
    const room = await aRoomIn('CHARGE');
    const stops = [room.controller.stopLocal('a'), room.controller.stopLocal('b')];
    for (const stop of stops) t.match(await room.settle(stop), { ok: true });
    t.same(room.device.writes, [WAIT_WRITE]);
  });

  t.test('a command waiting in the queue dies with the stop, a younger one is served after it', async (t) => {
    const room = await aRoomIn('WAIT');
    const older = [1, 2].map(() =>
      t.rejects(
        room.controller.execute({ command: 'CHARGE', gridCurrentA: 1 }, () => {}),
        withReason('device.superseded'),
      ),
    );
    await room.clock.advance(10);
    const stop = room.controller.stopLocal('test');
    const younger = room.controller.execute({ command: 'DISCHARGE', gridCurrentA: 1 }, () => {});
    await room.settle(younger);
    await Promise.all([...older, stop]);
    t.equal(room.device.mode, 'DISCHARGE');
    t.same(room.device.writes.filter(isRaising).filter((write) => write.includes('CHARGE 350')).length, 1);
  });

  t.test('a reading outlives a stop', async (t) => {
    const room = await aRoomIn('CHARGE');
    const read = room.controller.read('unit');
    await room.clock.advance(5);
    await room.settle(room.controller.stopLocal('test'));
    t.match(await room.settle(read), { ok: true, dcdc: { status: { operationMode: 'Waiting' } } });
  });

  t.test('but not an endless row of stops', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.latencyMsec = 1000;
    const read = room.controller.read('status').catch((error: unknown) => error);
    for (let stops = 0; stops < 6; stops += 1) {
      await room.clock.advance(1100);
      const stop = room.controller.stopLocal('test').catch(() => {});
      room.clock.after(0, () => {});
      await room.clock.advance(100);
      void stop;
    }
    await room.clock.advance(60_000);
    t.match(await read, { name: 'DeviceError' });
  });
});

t.test('WAIT and scram (control.md §1.9.4, §1.10)', async (t) => {
  t.test('a ramp that fails is reported and WAIT is written regardless (S10)', async (t) => {
    for (const mode of ['VOLTAGE_REFERENCE', 'CHARGE', 'DISCHARGE'] as const) {
      const room = await aRoomIn(mode);
      room.device.fate = (name) => (name === 'setVoltage' || name === 'setCurrent' ? 'refused' : 'done');
      t.match(await room.run({ command: 'WAIT' }), { ok: true });
      t.equal(room.device.mode, 'WAIT');
      t.same(room.reasons, ['H:L:WARN device.degraded-stop']);
    }
  });

  t.test('a ramp that drags on delays WAIT by the stop timeout at most', async (t) => {
    const room = await aRoomIn('CHARGE');
    room.timeouts(5000);
    room.device.fate = (name) => (name === 'setCurrent' ? 'lost' : 'done');
    const done = await room.run({ command: 'WAIT' });
    t.ok(done.ok);
    t.equal(done.tookMsec, 1000 + 20 + 20, 'the deadline, WAIT, and WAIT again behind the lost write');
    t.same(room.device.writes, ['setCurrent 0', WAIT_WRITE, WAIT_WRITE]);
  });

  t.test('an emergency stop cuts the ramp of an orderly one short without a fault', async (t) => {
    const room = await aRoomIn('CHARGE');
    room.device.meter = { ig: 1 };
    const orderly = room.controller.execute({ command: 'WAIT' }, () => {});
    await room.clock.advance(50);
    await room.settle(room.controller.stopLocal('test'));
    await room.settle(orderly);
    t.equal(room.device.mode, 'WAIT');
    t.same(room.reasons, []);
  });

  t.test('out of an unknown mode: reported, straight to WAIT', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.status = { status: '0x0022' };
    const reading = room.controller.read('unit');
    await room.clock.advance(20);
    room.device.status = {};
    await room.settle(room.controller.scram(false));
    await reading;
    t.ok(room.reasons.includes('H:L:WARN device.unknown-mode'));
    t.same(new Set(room.device.writes), new Set([WAIT_WRITE]));
  });

  t.test('a scram that spares the reference does nothing to it, and stops everybody else', async (t) => {
    const reference = await aRoomIn('VOLTAGE_REFERENCE');
    t.match(await reference.settle(reference.controller.scram(true)), {
      ok: true,
      dcdc: { status: { status: '0x0014' } },
    });
    t.same(reference.device.writes, []);
    t.match(await reference.settle(reference.controller.scram(false)), { ok: true });
    t.same(reference.device.writes, ['setVoltage 310 0', WAIT_WRITE]);
    const charger = await aRoomIn('CHARGE');
    await charger.settle(charger.controller.scram(true));
    t.equal(charger.device.writes.at(-1), WAIT_WRITE);
  });

  t.test('what all units notice together brings them down in the same equal parts (RULE-7, RULE-9)', async (t) => {
    for (const dig of [1, 0.4]) {
      const room = await aRoomIn('CHARGE');
      await room.run({ command: 'current', gridCurrentA: dig });
      const count = room.device.writes.length;
      const first = room.controller.stopWithOthers('silence');
      t.match(await room.settle(room.controller.stopWithOthers('silence')), { ok: true });
      await first;
      const parts = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0].map(
        (part) => `setCurrent ${(part * 100 * dig) / 100}`,
      );
      t.same(room.device.writes.slice(count), [...parts, WAIT_WRITE], 'once, though it was noticed twice');
    }
    const idle = await aRoomIn('DISCHARGE');
    await idle.run({ command: 'current', gridCurrentA: 0 });
    t.match(await idle.settle(idle.controller.stopWithOthers('silence')), { ok: true });
    t.same(idle.device.writes.slice(-2), ['setCurrent 0', WAIT_WRITE]);
  });

  t.test('an even descent that is overtaken by another one goes on with it (RULE-9)', async (t) => {
    const room = await aRoomIn('CHARGE');
    const own = room.settle(room.controller.stopWithOthers('silence'));
    await room.clock.advance(room.device.latencyMsec * 3);
    const commanded = await room.run({ command: 'WAIT', descent: 'even' });
    t.match([await own, commanded], [{ ok: true }, { ok: true }]);
    const { writes } = room.device;
    t.ok(writes.indexOf(WAIT_WRITE) > writes.indexOf('setCurrent 0'), `WAIT comes at the end: ${writes.join()}`);
  });

  t.test('and with its own end when the other one turns out to be void (INV-6)', async (t) => {
    const room = await aRoomIn('CHARGE');
    const own = room.settle(room.controller.stopWithOthers('silence'));
    let isVoid = false;
    const fence = (): void => {
      if (isVoid) throw new PeerError('term.old', 'E002', 'an old term');
    };
    const commanded = room.run({ command: 'WAIT', descent: 'even' }, fence);
    isVoid = true;
    t.match([await own, await commanded], [{ ok: true }, { ok: false }]);
    t.equal(room.device.mode, 'WAIT');
  });

  t.test('a stop that may not wait overtakes an even one (INV-3)', async (t) => {
    const room = await aRoomIn('CHARGE');
    const even = room.settle(room.controller.stopWithOthers('silence'));
    t.match(await room.settle(room.controller.stopLocal('over-voltage')), { ok: true });
    await even;
    t.ok(room.device.writes.indexOf(WAIT_WRITE) < 3, room.device.writes.join());
  });

  t.test('WAIT depends on no policy value (S11)', async (t) => {
    t.same(waitSetting({ operationGridVoltageV: 340 }), { mode: 'WAIT', dvg: 340, dig: 0, drg: 0 });
    t.same(waitSetting({} as Policy), { mode: 'WAIT', dvg: 350, dig: 0, drg: 0 });
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    const { operationGridVoltageV, operationGridVoltageVRange, gridVoltageStepV, ...rest } = room.policy;
    room.policy = { ...rest, operationGridVoltageVRange: {} } as unknown as Policy;
    t.match(await room.run({ command: 'WAIT' }), { ok: true });
    t.equal(room.device.mode, 'WAIT');
    t.same(room.reasons, ['H:L:WARN device.degraded-stop']);
  });

  t.test('WAIT at once brings nothing down first: a bus that another one holds does not follow (INV-1)', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    t.match(await room.run({ command: 'WAIT', descent: 'none' }), { ok: true });
    t.same(room.device.writes, [WAIT_WRITE]);
  });

  t.test('what a converter does that does not obey a stop is told at once, once (INV-1)', async (t) => {
    const room = await aRoomIn('CHARGE');
    const told: unknown[] = [];
    room.controller.onAcquired(({ reading }) => told.push(reading.dcdc.status.operationMode));
    room.device.fate = (_, text) => (text.startsWith('setMode WAIT') ? 'refused' : 'done');
    t.match(await room.run({ command: 'WAIT' }), { ok: false });
    await room.clock.advance(room.policy.controller.dataAcquisitionPeriodMsec / 2);
    t.same(told, ['Heteronomy CV']);
  });

  t.test('a stop that fails is raised and tried again until it succeeds; meanwhile nothing is raised', async (t) => {
    const room = await aRoomIn('CHARGE');
    room.device.fate = (_, text) => (text.startsWith('setMode WAIT') ? 'refused' : 'done');
    t.match(await room.run({ command: 'WAIT' }), { ok: false, error: { reason: 'device.refused' } });
    t.ok(room.reasons.includes('H:L:ERROR device.stop-failed'));
    t.match(await room.run({ command: 'CHARGE', gridCurrentA: 1 }), {
      ok: false,
      error: { reason: 'device.no-permit' },
    });
    await room.clock.advance(3000);
    t.equal(room.device.mode, 'CHARGE');
    room.device.fate = () => 'done';
    await room.clock.advance(1100);
    t.equal(room.device.mode, 'WAIT');
    t.match(await room.run({ command: 'CHARGE', gridCurrentA: 1 }), { ok: true });
  });

  t.test('a WAIT with an old term changes nothing, kills nothing and is not tried again (INV-6)', async (t) => {
    const room = await aRoomIn('WAIT');
    const charging = room.controller.execute({ command: 'CHARGE', gridCurrentA: 1 }, () => {});
    await room.clock.advance(5);
    const old = new PeerError('term.old', 'E002', 'old term');
    t.match(
      await room.run({ command: 'WAIT' }, () => {
        throw old;
      }),
      { ok: false, error: old },
    );
    t.match(await room.settle(charging), { ok: true });
    let asked = 0;
    const turnsOld = () => {
      asked += 1;
      if (asked > 1) throw old;
    };
    t.match(await room.run({ command: 'WAIT' }, turnsOld), { ok: false, error: old });
    await room.clock.advance(5000);
    t.equal(room.device.mode, 'CHARGE');
  });
});

t.test('fence and permit are asked directly before every driver write (RULE-2, INV-2, INV-6)', async (t) => {
  const commands: readonly (readonly [ConverterMode, DeviceCommand])[] = [
    ['WAIT', { command: 'CHARGE', gridCurrentA: 2.3 }],
    ['WAIT', { command: 'VOLTAGE_REFERENCE' }],
    ['VOLTAGE_REFERENCE', { command: 'voltageReferenceAuthorization' }],
    ['VOLTAGE_REFERENCE', { command: 'voltageReferenceWillHandOver' }],
    ['VOLTAGE_REFERENCE', { command: 'voltageReferenceDidHandOver' }],
    ['CHARGE', { command: 'WAIT' }],
  ];
  t.test('a term that changes in the middle: nothing is written any more, no clean-up either', async (t) => {
    for (const [mode, command] of commands) {
      const prepared = async () => {
        const room = await aRoomIn(mode);
        if (command.command === 'VOLTAGE_REFERENCE') room.device.busV = 0;
        return room;
      };
      const all = [...(await (await prepared()).writesOf(command))];
      for (let good = 0; good < all.length; good += 1) {
        const room = await prepared();
        const fence = () => {
          if (room.device.writes.length >= good) throw new PeerError('term.old', 'E002', 'old term');
        };
        const done = await room.run(command, fence);
        t.match(done, { ok: false, error: { reason: 'term.old' } }, `${command.command} after ${good} writes`);
        t.equal(room.device.writes.length, good);
        t.same(room.reasons, [], 'an old term is no fault of this unit');
      }
    }
  });

  t.test('attempts ask again, too', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.fate = (name) => (name === 'setMode' ? 'refused' : 'done');
    const fence = () => {
      if (room.device.writes.length >= 1) throw new PeerError('term.old', 'E002', 'old term');
    };
    t.match(await room.run({ command: 'CHARGE', gridCurrentA: 1 }, fence), {
      ok: false,
      error: { reason: 'term.old' },
    });
    t.equal(room.device.writes.length, 1);
  });

  t.test('without a permit that names the mode nothing is raised', async (t) => {
    const rows: readonly (readonly [ConverterMode, DeviceCommand, readonly ConverterMode[]])[] = [
      ['WAIT', { command: 'CHARGE', gridCurrentA: 1 }, ['DISCHARGE', 'VOLTAGE_REFERENCE']],
      ['WAIT', { command: 'DISCHARGE', gridCurrentA: 1 }, ['CHARGE']],
      ['WAIT', { command: 'voltageReferenceWillTakeOver', gridVoltageV: 350 }, ['CHARGE']],
      ['WAIT', { command: 'CHARGE', gridCurrentA: 1 }, []],
    ];
    for (const [mode, command, modes] of rows) {
      const room = await aRoomIn(mode);
      room.permit = { modes, expiresAt: Number.POSITIVE_INFINITY };
      t.match(await room.run(command), { ok: false, error: { reason: 'device.no-permit' } });
      t.same(room.device.writes, []);
      t.same(room.reasons, []);
    }
  });

  t.test('lowering needs no permit', async (t) => {
    for (const mode of ['CHARGE', 'DISCHARGE', 'VOLTAGE_REFERENCE'] as const) {
      const room = await aRoomIn(mode);
      room.permit = undefined;
      t.match(await room.run({ command: 'WAIT' }), { ok: true });
      t.equal(room.device.writes.length, 2);
    }
    const room = await aRoomIn('CHARGE', 2);
    room.permit = undefined;
    t.match(
      await room.run({ command: 'current', gridCurrentA: 1 }),
      { ok: false },
      'the permit watch stops it meanwhile or after',
    );
    t.equal(room.device.writes[0], 'setCurrent 1');
  });

  t.test('a permit that runs out in the middle of a command ends in WAIT, wherever that is', async (t) => {
    for (const [mode, command] of commands.slice(0, 3)) {
      const whole = await aRoomIn(mode);
      if (mode === 'WAIT') whole.device.busV = 0;
      const { tookMsec } = await whole.run(command);
      for (let at = 1; at < tookMsec; at += 7) {
        const room = await aRoomIn(mode);
        if (mode === 'WAIT') room.device.busV = 0;
        const now = room.clock.monotonic();
        room.permit = { modes: ANY_MODE, expiresAt: now + at };
        room.policy = { ...room.policy, controller: { ...room.policy.controller, scramVoltageReferenceDelayMsec: 0 } };
        const done = room.controller.execute(command, () => {}).catch(() => {});
        await room.clock.advance(at - 1);
        const writesBefore = room.device.writes.length;
        await room.clock.advance(150);
        await done;
        const raised = room.device.writes.slice(writesBefore).filter(isRaising);
        if (raised.length > 0) t.fail(`${command.command}: raised without permit: ${JSON.stringify({ at, raised })}`);
        if (room.device.mode !== 'WAIT')
          t.fail(`${command.command}: not in WAIT: ${JSON.stringify({ at, mode: room.device.mode })}`);
      }
      t.pass(command.command);
    }
  });
});

t.test('permit-watch (INV-2, RULE-7)', async (t) => {
  t.test('a permit that is renewed keeps the converter going, one that runs out ends it by itself', async (t) => {
    const room = await aRoomIn('CHARGE');
    for (let renewals = 0; renewals < 10; renewals += 1) {
      room.permit = { modes: ['CHARGE'], expiresAt: room.clock.monotonic() + 700 };
      await room.clock.advance(500);
    }
    t.same(room.device.writes, []);
    await room.clock.advance(199);
    t.equal(room.device.mode, 'CHARGE');
    await room.clock.advance(1 + 20);
    t.equal(room.device.mode, 'WAIT', 'within one driver write of its end');
  });

  t.test('a permit that no longer names the mode, or is taken back, ends it when that is heard', async (t) => {
    const other = { modes: ['DISCHARGE'] as const, expiresAt: Number.POSITIVE_INFINITY };
    for (const [mode, permit, delayMsec] of [
      ['CHARGE', other, 0],
      ['CHARGE', undefined, 0],
      ['VOLTAGE_REFERENCE', other, 0],
      ['VOLTAGE_REFERENCE', undefined, 2000], // RULE-7: the others first
    ] as const) {
      const room = await aRoomIn(mode);
      await room.clock.advance(1000);
      room.permit = permit;
      room.controller.permitChanged();
      await room.clock.advance(delayMsec - 1);
      t.equal(room.device.mode, mode);
      await room.clock.advance(1 + 20);
      t.equal(room.device.mode, 'WAIT');
    }
  });

  t.test('RULE-7: the reference leaves early only when it was alone and carries nearly nothing', async (t) => {
    for (const [isAlone, ig, mode] of [
      [true, 0.1, 'WAIT'],
      [true, 0.2, 'VOLTAGE_REFERENCE'],
      [false, 0, 'VOLTAGE_REFERENCE'],
    ] as const) {
      const room = await aRoomIn('VOLTAGE_REFERENCE');
      room.device.referenceA = ig;
      room.permit = { modes: ['VOLTAGE_REFERENCE'], expiresAt: room.clock.monotonic() + 5000, isAlone };
      await room.clock.advance(5000 + 200);
      t.equal(room.device.mode, mode, `alone ${isAlone}, ${ig} A`);
    }
  });

  t.test('the reference outlasts its permit by its delay, so that the others leave the bus first', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    room.permit = { modes: ['VOLTAGE_REFERENCE'], expiresAt: room.clock.monotonic() + 5000 };
    await room.clock.advance(5000 + 1999);
    t.equal(room.device.mode, 'VOLTAGE_REFERENCE');
    t.match(
      await room.run({ command: 'voltage', gridVoltageV: 340 }),
      { ok: false, error: { reason: 'device.no-permit' } },
      'nothing is raised in that time',
    );
    await room.clock.advance(21);
    t.equal(room.device.mode, 'WAIT');
  });

  t.test('a raise that got no answer counts as done until readings have proved the contrary (RULE-3)', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.fate = (_, text) => (text.startsWith('setMode CHARGE') ? 'refused' : 'done');
    await room.run({ command: 'CHARGE', gridCurrentA: 1 });
    room.permit = undefined;
    await room.clock.advance(50);
    t.same(room.device.writes.at(-1), WAIT_WRITE, 'WAIT although the converter shows WAIT');
    const sure = await aRoomIn('WAIT');
    sure.device.fate = (_, text) => (text.startsWith('setMode CHARGE') ? 'refused' : 'done');
    await sure.run({ command: 'CHARGE', gridCurrentA: 1 });
    await sure.clock.advance(2000);
    sure.forget();
    sure.permit = undefined;
    await sure.clock.advance(2000);
    t.same(sure.device.writes, []);
  });
});

t.test('acquisition (control.md §1.3, Q2, S23)', async (t) => {
  t.test(
    'the loop beats in time whatever the driver does: a daemon is not hung because its device is (RULE-17)',
    async (t) => {
      for (const fate of ['done', 'refused', 'unanswered', 'lost', 'crashed'] as const) {
        const patient = await ControllerRoom.started((room) => room.timeouts(5000));
        patient.device.fate = () => fate;
        await patient.clock.advance(120_000);
        const slow = patient.beats.filter(({ nextBy }, index) => (patient.beats[index + 1]?.at ?? 120_000) > nextBy);
        t.same(slow, [], `${fate}, three times 5 s`);
        for (const obeysAbort of [true, false]) {
          const room = await ControllerRoom.started();
          room.device.fate = () => fate;
          room.device.obeysAbort = obeysAbort;
          room.beats.length = 0;
          await room.clock.advance(10_000);
          room.controller.stopLocal('a stop that the device does not hear').catch(() => {});
          await room.clock.advance(50_000);
          const late = room.beats.filter(({ nextBy }, index) => (room.beats[index + 1]?.at ?? 60_100) > nextBy);
          t.same(late, [], `${fate}, ${obeysAbort ? 'ends when told' : 'goes on regardless'}`);
          t.ok(room.beats.length >= 5);
        }
      }
    },
  );

  t.test('and however often others read: a periodic round that has nothing to read is a round (RULE-17)', async (t) => {
    const room = await ControllerRoom.started();
    room.beats.length = 0;
    for (let n = 0; n < 60; n += 1) {
      const reading = room.controller.read('unit');
      await room.clock.advance(500);
      await reading;
    }
    t.same(
      room.beats.filter(({ nextBy }, index) => (room.beats[index + 1]?.at ?? 30_000) > nextBy),
      [],
    );
    t.ok(room.beats.length >= 5, `${room.beats.length} beats`);
  });

  const readsOf = (room: ControllerRoom): number => room.device.calls.filter((call) => call === 'read').length;

  t.test('reads at once, then one period after the beginning of the last reading, however long it took', async (t) => {
    const room = await ControllerRoom.started((room) => {
      room.device.latencyMsec = 90;
    });
    t.equal(room.controller.latest()?.at, 0, 'as old as its beginning');
    await room.clock.advance(899);
    t.equal(readsOf(room), 0);
    await room.clock.advance(1);
    t.equal(readsOf(room), 1, '1000 ms after the beginning of the first');
  });

  t.test('an urgent full reading postpones the periodic one, a status reading does not', async (t) => {
    const room = await ControllerRoom.started();
    await room.clock.advance(500);
    await room.settle(room.controller.read('unit'));
    await room.settle(room.controller.read('status'));
    room.forget();
    await room.clock.advance(950);
    t.equal(readsOf(room), 0);
    await room.clock.advance(20);
    t.equal(readsOf(room), 1);
  });

  t.test('every full reading is told, with what was merged since', async (t) => {
    const room = await ControllerRoom.started();
    const told: number[] = [];
    const forget = room.controller.onAcquired(({ at, reading, stale }) => {
      t.equal(stale, false);
      told.push(at);
      t.equal(reading.battery.rsoc, 50);
    });
    await room.clock.advance(2000);
    await room.settle(room.controller.read('status'));
    t.same(told, [1000, 2000]);
    forget();
    await room.clock.advance(2000);
    t.equal(told.length, 2);
  });

  t.test('an early status reading is a full one', async (t) => {
    const room = new ControllerRoom();
    t.match(await room.settle(room.controller.read('status')), { ok: true });
    t.same(room.device.calls, ['read']);
    t.match(room.controller.latest(), { stale: false });
  });

  t.test('a failing reading leaves the old values, is a fault, and is tried again', async (t) => {
    const room = await ControllerRoom.started();
    room.device.fate = () => 'refused';
    await room.clock.advance(2500);
    t.same(room.reasons, ['H:L:ERROR device.refused'], 'raised once while it lasts');
    t.match(room.controller.latest(), { stale: false, at: 0, reading: { battery: { rsoc: 50 } } });
    t.match(await room.settle(room.controller.read('status')), { ok: false, error: { reason: 'device.refused' } });
    await room.clock.advance(10_000);
    t.equal(
      room.reasons.filter((reason) => reason === 'H:L:ERROR device.refused').length,
      2,
      'and again while it lasts',
    );
    room.device.fate = () => 'done';
    await room.clock.advance(1100);
    t.match(room.controller.latest(), { stale: false });
  });

  t.test(
    'values turn stale after two periods and a timeout: told once, a fault, and no longer decided by',
    async (t) => {
      const room = await aRoomIn('WAIT');
      await room.clock.advance(1000);
      const at = room.controller.latest()?.at ?? 0;
      const stale: boolean[] = [];
      room.controller.onAcquired((acquired) => stale.push(acquired.stale));
      room.device.fate = () => 'lost';
      await room.clock.advance(at + 2499 - room.clock.monotonic());
      t.equal(room.controller.latest()?.stale, false);
      t.same(stale, []);
      await room.clock.advance(1);
      t.equal(room.controller.latest()?.stale, true);
      t.same(stale, [true]);
      t.ok(room.reasons.includes('H:L:ERROR device.stale'));
      t.same(room.device.writes, [], 'in WAIT there is nothing to stop');
      room.device.fate = (name) => (name === 'read' ? 'lost' : 'done');
      t.match(
        await room.run({ command: 'CHARGE', gridCurrentA: 1 }),
        { ok: false },
        'no command begins on a stale picture',
      );
      t.same(room.device.writes, []);
      room.device.fate = () => 'done';
      room.device.busV = 350;
      t.match(await room.run({ command: 'CHARGE', gridCurrentA: 1 }), { ok: true }, 'but on a fresh one');
    },
  );

  t.test('a converter that cannot be measured is stopped, without a ramp that nobody could check', async (t) => {
    const room = await aRoomIn('CHARGE');
    room.device.fate = (name) => (name === 'read' || name === 'readStatus' ? 'lost' : 'done');
    await room.clock.advance(6000);
    t.equal(room.device.mode, 'WAIT');
    room.device.mode = 'CHARGE';
    room.forget();
    await room.run({ command: 'WAIT' });
    t.same(room.device.writes, [WAIT_WRITE]);
  });

  t.test('a command that takes long reads the status, and that is enough to supervise it', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    room.device.latencyMsec = 450;
    t.match(await room.run({ command: 'voltageReferenceAuthorization' }), { ok: true });
    t.notOk(room.reasons.includes('H:L:ERROR device.stale'));
  });

  t.test('a busy device is no fault, a lasting one leaves the reading out', async (t) => {
    const room = await aRoomIn('WAIT');
    room.timeouts(5000);
    await room.settle(room.controller.read('unit'));
    room.device.fate = (name) => (name === 'setMode' ? 'lost' : 'done');
    const slow = room.controller.execute({ command: 'CHARGE', gridCurrentA: 1 }, () => {}).catch(() => {});
    await room.clock.advance(4000);
    t.same(room.reasons, []);
    room.device.fate = () => 'done';
    await room.clock.advance(10_000);
    await slow;
  });

  t.test('a caller who gives up reading is told so, and it is no fault', async (t) => {
    const room = await ControllerRoom.started();
    const caller = new AbortController();
    room.clock.after(5, () => caller.abort(new Error('gave up')));
    t.match(await room.settle(room.controller.read('unit', caller.signal)), {
      ok: false,
      error: { message: 'gave up' },
    });
    t.same(room.reasons, []);
    const other = new AbortController();
    t.match(await room.settle(room.controller.read('unit', other.signal)), { ok: true });
  });

  t.test('energy: trapezoid, steps at writes, gaps by the smaller end (INV-8)', async (t) => {
    const HOUR = 3_600_000;
    const counter = new EnergyCounter();
    counter.add(0, 100, 'measured', HOUR);
    t.equal(counter.energyWh, 0);
    counter.add(HOUR, 300, 'measured', HOUR);
    t.equal(counter.energyWh, 200);
    counter.add(2 * HOUR, 1000, 'stepped', HOUR);
    t.equal(counter.energyWh, 500, 'the power changed at the end of the interval');
    counter.add(4 * HOUR, 400, 'measured', HOUR);
    t.equal(counter.energyWh, 1300, 'nobody measured: 400 W are sure');
    counter.add(6 * HOUR, -400, 'measured', HOUR);
    counter.add(6 * HOUR, 9999, 'measured', HOUR);
    counter.add(5 * HOUR, 9999, 'measured', HOUR);
    counter.add(7 * HOUR, Number.NaN, 'measured', HOUR);
    t.equal(counter.energyWh, 1300, 'no time passed, or no value');
    counter.add(8 * HOUR, -600, 'measured', HOUR);
    t.equal(counter.energyWh, 500, 'out of the battery counts down');
  });

  t.test('energy of a charging hour at 350 V and 1 A is what the battery got', async (t) => {
    const room = await aRoomIn('CHARGE', 1);
    const before = room.controller.latest()?.energyWh ?? 0;
    await room.clock.advance(3_600_000);
    await room.settle(room.controller.read('unit'));
    t.ok(Math.abs((room.controller.latest()?.energyWh ?? 0) - before - 350) < 0.02);
  });

  t.test('a reply without a meter adds nothing', async (t) => {
    const room = await aRoomIn('CHARGE', 1);
    room.device.silentAbout = new Set(['meter', 'param']);
    t.match(await room.run({ command: 'current', gridCurrentA: 1.5 }), { ok: true });
  });
});

const { policy, hwConfig } = new ControllerRoom();
const METER: DcdcMeter = { vg: 350, ig: 0, wg: 0, vb: 50, ib: 0, wb: 0, tmp: 25 };
/** What the checks look at: a converter in the mode that does what it was told, in a deal that wants it so. */
const aSample = (
  mode: ConverterMode | undefined,
  change: Partial<SafetyInput> = {},
  meter: Partial<DcdcMeter> = {},
): SafetyInput => {
  const row = CONVERTER_MODES[mode ?? 'WAIT'];
  const ig = mode === 'CHARGE' ? 1 : mode === 'DISCHARGE' ? -1 : 0;
  return {
    unitId: 'E001',
    dcdc: {
      status: { status: row.code, operationMode: row.operationMode, alarmState: 'No alarm' },
      meter: { ...METER, ig, ...meter },
      vdis: { dvg: 350, drg: 0 },
      param: { dig: 1 },
    },
    batteryOperationStatus: 3,
    mode,
    isExpected: true,
    isLetGo: false,
    band: 'steady',
    effectiveMode: 'autonomous',
    deals:
      mode === 'WAIT'
        ? []
        : [mode === 'DISCHARGE' ? aDeal({ chargeUnitId: 'E002', dischargeUnitId: 'E001' }) : aDeal()],
    policy,
    hwConfig,
    ...change,
  };
};
const found = (input: SafetyInput, what: 'unit' | 'status' = 'unit'): readonly string[] =>
  violationsOf(input, what).map(({ check, reason }) => `${check} ${reason}`);
const withStatus = (input: SafetyInput, status: Partial<SafetyInput['dcdc']['status']>): SafetyInput => ({
  ...input,
  dcdc: { ...input.dcdc, status: { ...input.dcdc.status, ...status } },
});

t.test('local-safety: L1–L10 of control.md §5.2, 5.3, as pure checks', async (t) => {
  t.test('a converter that does what it should violates nothing', async (t) => {
    for (const mode of ANY_MODE) t.same(found(aSample(mode)), [], mode);
  });

  t.test('L1: a heavy alarm counts at once, a light one does not', async (t) => {
    t.same(found(withStatus(aSample('CHARGE'), { alarmState: 'Heavy alarm', alarm: 'E42' })), [
      'L1 safety.heavy-alarm',
    ]);
    t.same(found(withStatus(aSample('CHARGE'), { alarmState: 'Heavy alarm' }), 'status'), ['L1 safety.heavy-alarm']);
    t.same(found(withStatus(aSample('CHARGE'), { alarmState: 'Light alarm' })), []);
  });

  t.test('L2: the battery permits both directions, or does not tell', async (t) => {
    for (const batteryOperationStatus of [3, null, undefined])
      t.same(found(aSample('CHARGE', { batteryOperationStatus })), []);
    for (const batteryOperationStatus of [0, 1, 2, 3.5]) {
      t.same(found(aSample('CHARGE', { batteryOperationStatus })), ['L2 safety.battery-permission']);
    }
  });

  t.test('L3, L4: code, text and command agree; L5–L8 are left out when the code is unknown', async (t) => {
    t.same(found(withStatus(aSample(undefined, { deals: [] }), { status: '0x0022' })), ['L3 safety.unknown-mode']);
    t.same(found(withStatus(aSample('CHARGE'), { operationMode: 'Waiting' })), ['L4 safety.wrong-mode-text']);
    t.same(found(aSample('CHARGE', { isExpected: false })), ['L4 safety.unexpected-mode']);
  });

  t.test('L5: out of WAIT without a deal, outside a manual session', async (t) => {
    t.same(found(aSample('CHARGE', { deals: [] })), ['L5 safety.active-without-deal']);
    t.same(found(aSample('CHARGE', { deals: [], effectiveMode: 'manual' })), []);
    t.same(found(aSample('WAIT', { deals: [] })), []);
  });

  t.test('L6: a deal although stop or manual forbids it; L7 and L8 are left out then', async (t) => {
    for (const effectiveMode of ['stop', 'manual'] as const) {
      t.same(found(aSample('DISCHARGE', { effectiveMode, deals: [aDeal()] })), ['L6 safety.deal-not-allowed']);
    }
    t.same(found(aSample('CHARGE', { effectiveMode: 'heteronomous' })), []);
  });

  t.test(
    'each mode has the checks of control.md §6: in manual an operator moves the converter, limits stay',
    async (t) => {
      const broken = [
        withStatus(aSample('CHARGE'), { alarmState: 'Heavy alarm' }),
        aSample('CHARGE', {}, { vg: 393 }),
        withStatus(aSample('CHARGE'), { operationMode: 'Waiting' }),
        aSample('CHARGE', { deals: [] }),
        aSample('CHARGE', {}, { ig: 2 }),
      ];
      const expected: Record<OperationMode, readonly string[]> = {
        autonomous: ['L1', 'L10', 'L4', 'L5', 'L9'],
        heteronomous: ['L1', 'L10', 'L4', 'L5', 'L9'],
        stop: ['L1', 'L10', 'L4', 'L5', 'L6', 'L9'],
        manual: ['L1', 'L4', 'L6', 'L9'],
      };
      for (const effectiveMode of OPERATION_MODES) {
        const violations = broken.flatMap((sample) => violationsOf({ ...sample, effectiveMode }, 'unit'));
        const checks = new Set(violations.map(({ check }) => check.split('.')[0]));
        t.same([...checks].toSorted(), expected[effectiveMode], effectiveMode);
      }
    },
  );

  t.test('L7: both directions at once, among deals with an active master side (INV-5)', async (t) => {
    const opposite = aDeal({ dealId: 'd2', chargeUnitId: 'E003', dischargeUnitId: 'E001' });
    t.same(found(aSample('VOLTAGE_REFERENCE', { deals: [aDeal(), opposite] })), ['L7 safety.both-directions']);
    const { activateDateTime, ...created } = opposite;
    t.same(found(aSample('VOLTAGE_REFERENCE', { deals: [aDeal(), created] })), []);
    t.same(found(aSample('VOLTAGE_REFERENCE', { deals: [aDeal(), aDeal({ dealId: 'd3' })] })), []);
  });

  t.test('L8: the mode fits the deals', async (t) => {
    const { activateDateTime, ...created } = aDeal();
    const running = aDeal({ warmUpDateTime: 'x' });
    const stopped = aDeal({ warmUpDateTime: 'x', stopDateTime: 'x' });
    const rows: readonly (readonly [string, readonly SafetyInput['deals'][number][], readonly ConverterMode[]])[] = [
      ['only created', [created], ['WAIT']],
      ['deactivated', [aDeal({ deactivateDateTime: 'x' })], ['WAIT']],
      ['one side active', [aDeal()], ['WAIT', 'VOLTAGE_REFERENCE', 'CHARGE']],
      ['both sides active', [running], ['VOLTAGE_REFERENCE', 'CHARGE']],
      ['stopped, master side still up', [stopped], ['WAIT', 'VOLTAGE_REFERENCE', 'CHARGE']],
      ['two deals', [running, stopped], ['VOLTAGE_REFERENCE', 'CHARGE']],
    ];
    for (const [what, deals, fitting] of rows) {
      for (const mode of ANY_MODE) {
        const expected = fitting.includes(mode) ? [] : ['L8 safety.mode-against-deals'];
        t.same(found(aSample(mode, { deals })), expected, `${what}: ${mode}`);
      }
    }
    t.same(found(aSample('WAIT', { deals: [running], isLetGo: true })), [], 'it rests because it was told to (RULE-7)');
    t.same(
      found(
        aSample('CHARGE', {
          deals: [stopped, aDeal({ chargeUnitId: 'E002', dischargeUnitId: 'E001' })],
          isLetGo: true,
        }),
      ).at(-1),
      'L8 safety.mode-against-deals',
    );
  });

  t.test('L9: every meter within the static range of the hardware, and there at all (INV-9)', async (t) => {
    const rows: readonly (readonly [keyof DcdcMeter, number, string])[] = [
      ['tmp', 45.1, 'safety.over-temperature'],
      ['tmp', -1, 'safety.under-temperature'],
      ['vg', 390.1, 'safety.over-voltage'],
      ['vg', -4.1, 'safety.under-voltage'],
      ['vb', 58.5, 'safety.battery-over-voltage'],
      ['vb', 31.9, 'safety.battery-under-voltage'],
      ['ig', 2.36, 'safety.over-current'],
      ['ig', -2.36, 'safety.over-current'],
      ['ib', 20.1, 'safety.battery-over-current'],
      ['ib', -20.1, 'safety.battery-over-current'],
      ['tmp', Number.NaN, 'safety.meter-missing'],
    ];
    for (const [meter, value, reason] of rows) {
      const input = aSample('VOLTAGE_REFERENCE', { band: 'ramp-up' }, { [meter]: value });
      t.same(found(input, 'status'), [`L9.${meter} ${reason}`], `${meter} ${value}`);
      t.ok(
        violationsOf(input, 'status').every(({ stops, holdMsec }) => stops && holdMsec === undefined),
        'at once',
      );
    }
    t.same(found(aSample('WAIT', {}, { tmp: 45, vg: 390, vb: 32, ib: -20 })), [], 'the limits themselves are good');
  });

  t.test('L10: the meter follows the command; in transitions the band is wider, never absent (S2)', async (t) => {
    const rows: readonly (readonly [ConverterMode, SafetyInput['band'], Partial<DcdcMeter>, string | undefined])[] = [
      ['WAIT', 'steady', { ig: 0.125 }, undefined],
      ['WAIT', 'steady', { ig: -0.126 }, 'current'],
      ['WAIT', 'current', { ig: 0.126 }, 'current'],
      ['WAIT', 'steady', { vg: 10 }, undefined],
      ['VOLTAGE_REFERENCE', 'steady', { vg: 354 }, undefined],
      ['VOLTAGE_REFERENCE', 'steady', { vg: 354.1 }, 'voltage'],
      ['VOLTAGE_REFERENCE', 'current', { vg: 345.9 }, 'voltage'],
      ['VOLTAGE_REFERENCE', 'ramp-up', { vg: 0 }, undefined],
      ['VOLTAGE_REFERENCE', 'ramp-up', { vg: 354.1 }, 'voltage'],
      ['VOLTAGE_REFERENCE', 'excursion', { vg: 384 }, undefined],
      ['VOLTAGE_REFERENCE', 'excursion', { vg: 295.9 }, 'voltage'],
      ['VOLTAGE_REFERENCE', 'hand-over', { vg: 350 - 4 - 13.6 }, undefined],
      ['VOLTAGE_REFERENCE', 'hand-over', { vg: 350 - 4 - 13.7 }, 'voltage'],
      ['CHARGE', 'steady', { ig: 1.125 }, undefined],
      ['CHARGE', 'steady', { ig: 0.874 }, 'current'],
      ['CHARGE', 'steady', { ig: -1 }, 'current'],
      ['CHARGE', 'steady', { vg: 299.9 }, 'voltage'],
      ['CHARGE', 'steady', { vg: 299.9, ig: 0 }, 'current'],
      ['CHARGE', 'current', { ig: 0 }, undefined],
      ['CHARGE', 'current', { ig: -0.2 }, 'current'],
      ['CHARGE', 'current', { vg: 296 }, undefined],
      ['CHARGE', 'current', { vg: 295.9 }, 'voltage'],
      ['DISCHARGE', 'steady', { ig: -0.875 }, undefined],
      ['DISCHARGE', 'steady', { ig: 1 }, 'current'],
      ['DISCHARGE', 'steady', { vg: 380.1 }, 'voltage'],
      ['DISCHARGE', 'hand-over', { ig: -2.3 }, undefined],
      ['DISCHARGE', 'hand-over', { ig: 0.2 }, 'current'],
    ];
    for (const [mode, band, meter, what] of rows) {
      const quantity = what === 'current' ? 'ig' : 'vg';
      const expected = what === undefined ? [] : [`L10.${mode}.${quantity} safety.${what}-off-command`];
      t.same(found(aSample(mode, { band }, meter)), expected, `${mode} ${band} ${JSON.stringify(meter)}`);
    }
    t.same(found(aSample('CHARGE', { deals: [], effectiveMode: 'manual' }, { ig: 2 })), [], 'manual is left alone');
    const drooped = aSample('VOLTAGE_REFERENCE', {}, { vg: 337 });
    t.same(found({ ...drooped, dcdc: { ...drooped.dcdc, vdis: { dvg: 350, drg: 0.039 } } }), [], 'droop is expected');
    const mute = aSample('CHARGE');
    t.same(
      found({ ...mute, dcdc: { ...mute.dcdc, param: {} as { dig: number } } }),
      ['L10.CHARGE.ig safety.current-off-command'],
      'an echo is missing',
    );
  });

  t.test(
    'RULE-9: a reference at its current limit that has lost its voltage stops at the first sight of it',
    async (t) => {
      const rows: readonly (readonly [SafetyInput['band'], Partial<DcdcMeter>, string])[] = [
        ['steady', { ig: 2.3, vg: 379 }, 'L10.overload safety.reference-overloaded'],
        ['current', { ig: -2.3, vg: 340 }, 'L10.overload safety.reference-overloaded'],
        ['steady', { ig: 2.1, vg: 379 }, 'L10.VOLTAGE_REFERENCE.vg safety.voltage-off-command'],
        ['steady', { ig: 2.3, vg: 340 }, 'L10.VOLTAGE_REFERENCE.vg safety.voltage-off-command'],
        ['steady', { ig: -2.3, vg: 379 }, 'L10.VOLTAGE_REFERENCE.vg safety.voltage-off-command'],
        ['ramp-up', { ig: 2.3, vg: 379 }, 'L10.VOLTAGE_REFERENCE.vg safety.voltage-off-command'],
      ];
      for (const [band, meter, expected] of rows) {
        t.same(found(aSample('VOLTAGE_REFERENCE', { band }, meter)), [expected], `${band} ${JSON.stringify(meter)}`);
      }
      t.same(found(aSample('VOLTAGE_REFERENCE', {}, { ig: 2.3, vg: 353 })), [], 'it still holds the voltage');
      const [violation] = violationsOf(aSample('VOLTAGE_REFERENCE', {}, { ig: 2.3, vg: 379 }), 'unit');
      const message = 'in VOLTAGE_REFERENCE (steady) vg is 379 V, expected 346 to 354 V, at 2.3 A';
      t.match(violation, { stops: true, holdMsec: undefined, message });
    },
  );

  t.test('each wider band ends with its command or its deadline', async (t) => {
    const clock = new VirtualClock();
    const transition = new Transition(clock);
    t.equal(transition.band, 'steady');
    type Name = Exclude<DeviceCommandName, 'WAIT' | 'scram'>;
    const rows: readonly (readonly [Name, string, string, number])[] = [
      ['CHARGE', 'current', 'steady', 6000],
      ['DISCHARGE', 'current', 'steady', 6000],
      ['current', 'current', 'steady', 6000],
      ['VOLTAGE_REFERENCE', 'ramp-up', 'ramp-up', 180_000],
      ['voltage', 'excursion', 'steady', 6000],
      ['voltageReferenceAuthorization', 'excursion', 'steady', 6000],
      ['voltageReferenceWillHandOver', 'hand-over', 'hand-over', 10_000],
      ['voltageReferenceWillTakeOver', 'hand-over', 'hand-over', 10_000],
      ['voltageReferenceDidHandOver', 'hand-over', 'steady', 6000],
      ['voltageReferenceDidTakeOver', 'hand-over', 'steady', 6000],
    ];
    for (const [name, during, after, limitMsec] of rows) {
      transition.begin(name, policy);
      t.equal(transition.band, during, name);
      await clock.advance(limitMsec - 1);
      t.equal(transition.band, during);
      await clock.advance(1);
      t.equal(transition.band, 'steady', 'its deadline');
      transition.begin(name, policy);
      transition.succeeded(name);
      t.equal(transition.band, after, `${name} succeeded`);
      transition.clear();
      t.equal(transition.band, 'steady');
    }
  });

  t.test('a suspicion counts after its time and over two samples; one good sample clears it (S3)', async (t) => {
    const violation: Violation = {
      check: 'L8',
      reason: 'r',
      category: 'HARDWARE',
      message: '',
      stops: false,
      holdMsec: 500,
    };
    const levels = (...samples: readonly (readonly [number, boolean])[]) => {
      const book = new SuspicionBook();
      return samples.map(([at, isBad]) =>
        book
          .judge(isBad ? [violation] : [], at)
          .map(({ level }) => level)
          .join(),
      );
    };
    t.same(
      levels([0, true], [1, true], [499, true], [500, true]),
      ['WARN', 'WARN', 'WARN', 'ERROR'],
      'a burst does not confirm',
    );
    t.same(levels([0, true], [300, false], [600, true]), ['WARN', '', 'WARN']);
    const { holdMsec, ...atOnce } = violation;
    t.match(new SuspicionBook().judge([atOnce], 0), [{ level: 'ERROR' }]);
    const usual = new SuspicionBook();
    t.same(usual.judge([{ ...violation, isUsual: true }], 0), [], 'what is usual for a moment is no suspicion');
    t.match(usual.judge([{ ...violation, isUsual: true }], 500), [{ level: 'ERROR' }], 'and counts when it lasts');
    t.match(
      new SuspicionBook().judge([{ ...violation, holdMsec: 0 }], 5),
      [{ level: 'WARN' }],
      'one sample never confirms',
    );
  });
});

t.test('local safety acts on the running converter (INV-3)', async (t) => {
  const grave: readonly (readonly [string, (room: ControllerRoom) => void, string])[] = [
    [
      'over-voltage',
      (room) => {
        room.device.meter = { vg: 391 };
      },
      'safety.over-voltage',
    ],
    [
      'over-current',
      (room) => {
        room.device.meter = { ig: 2.4 };
      },
      'safety.over-current',
    ],
    [
      'over-temperature',
      (room) => {
        room.device.meter = { tmp: 50 };
      },
      'safety.over-temperature',
    ],
    [
      'heavy alarm',
      (room) => {
        room.device.status = { alarmState: 'Heavy alarm' };
      },
      'safety.heavy-alarm',
    ],
    [
      'unknown mode',
      (room) => {
        room.device.status = { status: '0x0034' };
      },
      'safety.unknown-mode',
    ],
    [
      'wrong text',
      (room) => {
        room.device.status = { operationMode: 'Waiting' };
      },
      'safety.wrong-mode-text',
    ],
    [
      'another mode than told',
      (room) => {
        room.device.mode = 'DISCHARGE';
      },
      'safety.unexpected-mode',
    ],
  ];
  for (const [what, break_, reason] of grave) {
    t.test(`${what}: WAIT within one acquisition period and one write, then the fault`, async (t) => {
      const room = await aRoomIn('CHARGE');
      break_(room);
      const since = room.clock.monotonic();
      await room.clock.runUntil(() => room.device.mode === 'WAIT', 5000);
      t.equal(room.device.mode, 'WAIT');
      t.ok(room.clock.monotonic() - since <= 1000 + 20 + 20, `${room.clock.monotonic() - since} ms`);
      t.ok(room.reasons.includes(`H:L:ERROR ${reason}`), room.reasons.join());
      t.equal(room.device.writes[0], WAIT_WRITE, 'no ramp first');
    });
  }

  t.test('a violation seen by a status reading in the middle of a command stops it', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    room.device.meter = { tmp: 46 };
    t.match(await room.run({ command: 'voltageReferenceAuthorization' }), {
      ok: false,
      error: { reason: 'device.superseded' },
    });
    t.equal(room.device.writes.at(-1), WAIT_WRITE);
    t.same(room.reasons, ['H:L:ERROR safety.over-temperature']);
  });

  t.test('in WAIT a violation is told and nothing is written', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.meter = { tmp: 46 };
    await room.clock.advance(3000);
    t.same(room.device.writes, []);
    t.same(room.reasons, ['H:L:ERROR safety.over-temperature'], 'once while it lasts');
    room.device.meter = {};
    await room.clock.advance(1000);
    room.device.meter = { tmp: 46 };
    await room.clock.advance(1000);
    t.equal(room.reasons.length, 2, 'and at once when it comes back');
  });

  t.test('active without a deal: suspected first, then stopped and told', async (t) => {
    const room = await aRoomIn('CHARGE');
    await room.clock.advance(500);
    room.deals = [];
    await room.clock.advance(1000);
    t.same(room.reasons, ['H:L:WARN safety.active-without-deal']);
    t.equal(room.device.mode, 'CHARGE');
    await room.clock.advance(1000);
    t.same(room.reasons, ['H:L:WARN safety.active-without-deal', 'H:L:ERROR safety.active-without-deal']);
    t.equal(room.device.mode, 'WAIT');
  });

  t.test('a current off its command is told after two periods, and left to those who know the deal', async (t) => {
    const room = await aRoomIn('CHARGE');
    await room.clock.advance(500);
    room.device.meter = { ig: 0.5 };
    await room.clock.advance(2500);
    t.same(room.reasons, ['H:L:WARN safety.current-off-command', 'H:L:ERROR safety.current-off-command']);
    t.equal(room.device.mode, 'CHARGE');
  });

  t.test('a meter stuck at its old value fails the command that should have moved it', async (t) => {
    const room = await aRoomIn('CHARGE', 1);
    room.device.meter = { ...room.device.truth };
    t.match(await room.run({ command: 'current', gridCurrentA: 2 }), {
      ok: false,
      error: { reason: 'device.checkpoint' },
    });
  });

  t.test('ramps of others on the bus disturb nobody who is in WAIT', async (t) => {
    const room = await aRoomIn('WAIT');
    for (let busV = 0; busV < 380; busV += 10) {
      room.device.busV = busV;
      await room.clock.advance(300);
    }
    t.same(room.reasons, []);
  });

  t.test('the own ramp-up is supervised in its wider band until it is authorized', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    for (let vg = 0; vg < 350; vg += 20) {
      room.device.meter = { vg };
      await room.clock.advance(500);
    }
    t.same(room.reasons, []);
    room.device.meter = {};
    await room.run({ command: 'voltageReferenceAuthorization' });
    room.device.meter = { vg: 340 };
    await room.clock.advance(2500);
    t.ok(room.reasons.includes('H:L:ERROR safety.voltage-off-command'));
  });

  t.test('a battery that does not tell its permission is fine', async (t) => {
    const room = await aRoomIn('WAIT');
    room.device.batteryOperationStatus = undefined;
    await room.clock.advance(2000);
    t.same(room.reasons, []);
  });
});

t.test('a device that tells of what it did unasked (RULE-18, INV-3)', async (t) => {
  const aTeller = () => {
    const room = new ControllerRoom();
    const listeners = new Set<(error: DeviceError) => void>();
    room.device.onTrouble = (handle) => {
      listeners.add(handle);
      return () => listeners.delete(handle);
    };
    const tell = (): void => {
      for (const handle of listeners) handle(new DeviceError('device.unsolicited', 'nobody has asked for that'));
    };
    return { room, listeners, tell };
  };
  const aStartedTeller = async () => {
    const teller = aTeller();
    const started = teller.room.controller.start();
    await teller.room.clock.advance(100);
    await started;
    teller.room.forget();
    return teller;
  };

  t.test('is let go at once, without a ramp, and then it is told', async (t) => {
    const { room, tell } = await aStartedTeller();
    room.device.busV = 350;
    await room.writesOf({ command: 'CHARGE', gridCurrentA: 1 });
    room.forget();
    let told = 0;
    room.controller.onAcquired(() => {
      told += 1;
      t.same(room.device.writes, [WAIT_WRITE], 'the stop is under way before anybody hears of it');
    });
    tell();
    t.equal(told, 1, 'nobody trades on with it');
    t.same(room.reasons, ['H:L:ERROR device.unsolicited']);
    await room.clock.advance(100);
    t.equal(room.device.mode, 'WAIT');
    t.same(room.device.writes, [WAIT_WRITE]);
  });

  t.test('is put to WAIT although its last reading shows WAIT', async (t) => {
    const { room, tell } = await aStartedTeller();
    room.device.mode = 'CHARGE';
    tell();
    await room.clock.advance(100);
    t.equal(room.device.mode, 'WAIT');
  });

  t.test('before anything was read it is stopped all the same, and there is no reading to tell of', async (t) => {
    const { room, tell } = aTeller();
    room.device.mode = 'CHARGE';
    let told = 0;
    room.controller.onAcquired(() => {
      told += 1;
    });
    const started = room.controller.start();
    t.doesNotThrow(tell);
    t.same(room.device.writes, [WAIT_WRITE]);
    t.same(room.reasons, ['H:L:ERROR device.unsolicited']);
    t.equal(told, 0);
    await room.clock.advance(100);
    await started;
    t.equal(room.device.mode, 'WAIT');
    t.match(room.controller.latest(), { stale: false });
  });

  t.test('nobody listens to it after the end', async (t) => {
    const { room, listeners } = await aStartedTeller();
    t.equal(listeners.size, 1);
    await room.settle(room.controller.stop().then(() => room.controller.latest()?.reading.dcdc as never));
    t.equal(listeners.size, 0);
  });
});

t.test('start and stop of the controller (RULE-17)', async (t) => {
  t.test('a converter found out of WAIT is put to WAIT before start resolves', async (t) => {
    const room = new ControllerRoom();
    room.device.mode = 'CHARGE';
    room.device.dig = 1;
    t.match(await room.settle(room.controller.start().then(() => room.controller.read('status'))), { ok: true });
    t.equal(room.device.mode, 'WAIT');
    t.same(room.device.writes, [WAIT_WRITE]);
  });

  t.test('a device that does not answer yet is a fault, and is put to WAIT as soon as it answers', async (t) => {
    const room = new ControllerRoom();
    room.timeouts(500);
    room.device.mode = 'DISCHARGE';
    room.device.fate = () => 'lost';
    const started = room.controller.start();
    await room.clock.advance(4000);
    await started;
    t.equal(room.controller.latest(), undefined);
    t.ok(room.reasons.includes('H:L:ERROR device.no-reply'));
    t.ok(room.reasons.includes('H:L:ERROR device.stop-failed'));
    room.device.fate = () => 'done';
    await room.clock.advance(3000);
    t.equal(room.device.mode, 'WAIT');
    t.match(room.controller.latest(), { stale: false });
  });

  t.test('a stop before anything was read writes WAIT and reads then', async (t) => {
    const room = new ControllerRoom();
    room.device.mode = 'CHARGE';
    t.match(await room.settle(room.controller.stopLocal('test')), { ok: true, dcdc: { status: { status: '0x0000' } } });
    t.same(room.device.calls, [WAIT_WRITE, 'read']);
  });

  t.test('the end: converter down in order, nothing is left to happen, nothing more is served', async (t) => {
    const room = await aRoomIn('VOLTAGE_REFERENCE');
    await room.settle(room.controller.stop().then(() => room.controller.latest()?.reading.dcdc as never));
    t.same(room.device.writes, ['setVoltage 310 0', WAIT_WRITE]);
    t.equal(room.clock.nextAt(), undefined, 'no timer is left');
    t.match(await room.run({ command: 'CHARGE', gridCurrentA: 1 }), { ok: false, error: { reason: 'device.closed' } });
    t.match(await room.settle(room.controller.read('unit')), { ok: false, error: { reason: 'device.closed' } });
  });

  t.test('an end that the converter does not confirm says so', async (t) => {
    const room = await aRoomIn('CHARGE');
    room.device.fate = () => 'refused';
    const ended = await room.settle(room.controller.stop().then(() => room.controller.read('status')));
    t.match(ended, { ok: false, error: { reason: 'device.refused' } });
    t.ok(room.reasons.includes('H:L:ERROR device.stop-failed'));
    t.equal(room.clock.nextAt(), undefined, 'no timer is left');
  });
});

t.test('battery-capacity (control.md §2.1, market.md §2.8)', async (t) => {
  const charging = (dealId: string) => aDeal({ dealId, chargeUnitId: 'E001', dischargeUnitId: 'E002' });
  const discharging = (dealId: string) => aDeal({ dealId, chargeUnitId: 'E002', dischargeUnitId: 'E001' });
  const twoProcesses = () => {
    const computer = new MemoryLocks();
    const [here, there] = [computer.process(), computer.process()];
    const capacityOf = (locks: typeof here) =>
      new BatteryCapacity({ unitId: 'E001', locks, failed: (error) => t.fail(String(error)) });
    return { mine: capacityOf(here), other: capacityOf(there), there };
  };

  t.test('one process for each direction, and asking takes nothing', async (t) => {
    const { mine, other } = twoProcesses();
    t.ok(other.isFree('charge') && mine.isFree('charge'));
    t.ok(mine.take('charge'));
    t.notOk(other.isFree('charge'));
    t.notOk(other.take('charge'));
    t.ok(mine.take('charge') && mine.isFree('charge'), 'who has it already goes on having it');
    t.ok(other.take('discharge'), 'the other direction is free');
  });

  t.test('a direction is given back with the last deal that needs it, the other one stays (D16)', async (t) => {
    const { mine, other } = twoProcesses();
    t.same(mine.keep([charging('a'), charging('b'), discharging('c')]), []);
    mine.keep([charging('b'), discharging('c')]);
    t.notOk(other.isFree('charge'));
    mine.keep([discharging('c')]);
    t.ok(other.isFree('charge'));
    t.notOk(other.isFree('discharge'));
    mine.keep([]);
    t.ok(other.isFree('discharge'));
  });

  t.test('what was taken for a deal that never came is given back', async (t) => {
    const { mine, other } = twoProcesses();
    mine.take('charge');
    mine.keep([]);
    t.ok(other.take('charge'));
  });

  t.test(
    'a holder that crashed holds nothing; deals that it has left tell what somebody else took meanwhile',
    async (t) => {
      const { mine, other, there } = twoProcesses();
      other.take('charge');
      t.same(mine.keep([charging('a'), discharging('b')]), ['charge']);
      there.crash();
      t.same(mine.keep([charging('a'), discharging('b')]), []);
    },
  );

  t.test('locks that do not work close the direction and are told, and do not end anything', async (t) => {
    const failures: string[] = [];
    const fail = (): never => {
      throw new Error('read-only file system');
    };
    let isBroken = true;
    const locks = { tryLock: () => !isBroken || fail(), unlock: fail };
    const capacity = new BatteryCapacity({ unitId: 'E001', locks, failed: (error) => failures.push(String(error)) });
    t.notOk(capacity.isFree('charge'));
    isBroken = false;
    t.ok(capacity.take('charge'));
    t.same(capacity.keep([]), []);
    t.same(failures, ['Error: read-only file system', 'Error: read-only file system']);
  });

  t.test('a battery of its own is always free', async (t) => {
    const capacity = new BatteryCapacity({ unitId: 'E001', locks: undefined, failed: () => {} });
    t.ok(capacity.isFree('charge') && capacity.take('discharge'));
    t.same(capacity.keep([charging('a')]), []);
  });
});
