import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { systemdNotifier } from '../src/adapters/system/systemd-notifier.ts';
import { findDaemon, followDaemon } from '../src/cli/daemon-link.ts';
import { lockData } from '../src/cli/data-lock.ts';
import { LoopWatch } from '../src/cli/loop-watch.ts';
import { identityOf } from '../src/cli/process-identity.ts';
import { SilenceWatch } from '../src/cli/silence-watch.ts';
import { SupervisedChild } from '../src/cli/supervised-child.ts';
import { openSupervisorLink } from '../src/cli/supervisor-link.ts';
import { type DaemonMessage, parseMessage, supervisorSocket } from '../src/cli/supervisor-socket.ts';
import { collectingLog, type LogLine } from '../src/ports/log.ts';
import { VirtualClock } from '../src/ports/virtual-clock.ts';
import { aBench } from './support/bench.ts';
import { beside } from './support/beside.ts';
import { aDirectory } from './support/directory.ts';
import { apis, eventually, isAlive, type Running } from './support/process.ts';
import { unitFiles } from './support/unit-files.ts';

t.setTimeout(170_000);

t.test(
  'loop-watch.ts: a daemon beats while all its control loops go round, and is silent as soon as one hangs',
  async (t) => {
    const clock = new VirtualClock();
    let beats = 0;
    const watch = new LoopWatch(clock, () => {
      beats += 1;
    });
    watch.pulse('E001 heartbeat', 3_000);
    watch.pulse('E001 acquisition', 12_000);
    await clock.advance(3_000);
    watch.pulse('E001 acquisition', 12_000);
    t.equal(beats, 3, 'late is not yet hung');
    await clock.advance(1);
    watch.pulse('E001 acquisition', 12_000);
    t.equal(beats, 3, 'the loop that still goes round says nothing for the other one');
    t.same(watch.overdue(), ['E001 heartbeat']);
    watch.pulse('E001 heartbeat', 3_000);
    t.equal(beats, 4);
  },
);

t.test('silence-watch.ts: tells once who is silent for too long; who has said so may be', async (t) => {
  const silences: number[] = [];
  const began = performance.now();
  const watch = new SilenceWatch({ firstMsec: 600, silentMsec: 100 }, () => silences.push(performance.now() - began));
  t.teardown(() => watch.end());
  t.ok(await eventually(() => silences.length > 0, 5_000));
  t.ok((silences[0] ?? 0) >= 600, 'a start may take its time');
  const patient = new SilenceWatch({ firstMsec: 100, silentMsec: 100 }, () => silences.push(0));
  patient.heard();
  patient.allow(60_000);
  await pause(600);
  patient.end();
  t.equal(silences.length, 1);
});

t.test('supervised-child.ts: a Node-RED whose event loop hangs is ended and started again', async (t) => {
  const said: string[] = [];
  let starts = 0;
  const deaths: string[] = [];
  const child = new SupervisedChild({
    name: 'Node-RED',
    execPath: process.execPath,
    args: () => {
      starts += 1;
      const hang = starts === 1 ? 'setTimeout(() => { for (;;); }, 1_500);' : '';
      return [
        '--import',
        new URL('../src/cli/watch-parent.ts', import.meta.url).href,
        '--eval',
        `setInterval(() => {}, 1000); ${hang}`,
      ];
    },
    env: process.env,
    say: (line) => said.push(line),
    silence: { firstMsec: 20_000, silentMsec: 3_000 },
    onMessage: () => child.heard(),
    afterDeath: async () => {
      deaths.push('dead');
      return 0;
    },
  });
  child.start();
  t.ok(await eventually(() => starts === 2, 30_000));
  t.match(
    said.join('\n'),
    /Node-RED has not been heard for 3\.\d s and is ended\n.*ended by itself \(signal SIGKILL\), next start/,
  );
  t.same(deaths, ['dead'], 'what must be done after its death was done first');
  await child.stop(5_000);
  await child.gone;
});

t.test('supervised-child.ts: what follows a death', async (t) => {
  /** A child that ends at once, every time. */
  const aMortal = (afterDeath: () => Promise<number>) => {
    const said: string[] = [];
    let starts = 0;
    const child = new SupervisedChild({
      name: 'The gateway',
      execPath: process.execPath,
      args: () => {
        starts += 1;
        return ['--eval', ''];
      },
      env: process.env,
      say: (line) => said.push(line),
      silence: { firstMsec: 60_000, silentMsec: 60_000 },
      afterDeath,
    });
    child.start();
    return { child, said, starts: () => starts };
  };

  t.test(
    'asked to stop meanwhile, it tells what came of it: converters that are not in WAIT are no success',
    async (t) => {
      const died = Promise.withResolvers<void>();
      const buried = Promise.withResolvers<number>();
      const { child } = aMortal(() => {
        died.resolve();
        return buried.promise;
      });
      await died.promise;
      const stopped = child.stop(5_000);
      buried.resolve(3);
      await stopped;
      t.same(await child.gone, { code: 3 });
    },
  );

  t.test('its failure is told, and keeps nobody from being started again', async (t) => {
    const { child, said, starts } = aMortal(() => Promise.reject(new Error('the lock is gone')));
    t.ok(await eventually(() => starts() > 1, 10_000));
    t.match(said, [/ended by itself/, 'the lock is gone']);
    await child.stop(5_000);
  });
});

t.test('supervisor-socket.ts', async (t) => {
  t.test('only what a daemon says is taken', async (t) => {
    t.same(parseMessage('{"kind":"beat"}'), { kind: 'beat' });
    for (const line of ['', '{', '{"kind":"x"}', '{"kind":"hello","pid":"1","args":[]}', '[]'])
      t.equal(parseMessage(line), undefined);
  });
  t.test('a path that is too long for the system is replaced, the same one each time', async (t) => {
    t.equal(supervisorSocket('/data'), '/data/supervisor.sock');
    const long = `/${'x'.repeat(200)}`;
    t.ok(supervisorSocket(long).length < 100);
    t.equal(supervisorSocket(long), supervisorSocket(long));
  });
});

t.test(
  'daemon-link.ts: a daemon that hangs before its first word is known by a connection without hello',
  async (t) => {
    const data = await aDirectory();
    const hanging = createServer(() => {});
    await new Promise<void>((resolve) => hanging.listen(supervisorSocket(data), resolve));
    const heard: string[] = [];
    const over = new AbortController();
    const ears = { connected: () => heard.push('connected'), hear: ({ kind }: DaemonMessage) => heard.push(kind) };
    const following = followDaemon(data, ears, over.signal);
    t.ok(await eventually(() => heard.length > 0, 5_000));
    t.same(heard, ['connected']);
    over.abort();
    await following;
    await new Promise((resolve) => hanging.close(resolve));
  },
);

t.test(
  'supervisor-link.ts: a daemon waits for a supervisor, tells whoever comes, and ends when nobody comes again',
  async (t) => {
    const data = await aDirectory();
    t.equal(await findDaemon(data), undefined, 'nobody there');
    const lock = await lockData(data);
    await t.rejects(findDaemon(data), { message: /is in use by process/ }, 'one without supervisor is left alone');
    const link = await openSupervisorLink(data, ['--data', data], 1_500);
    const over = new AbortController();
    const heard: string[] = [];
    const ears = { connected: () => heard.push('connected'), hear: ({ kind }: DaemonMessage) => heard.push(kind) };
    const following = followDaemon(data, ears, over.signal);
    t.ok(await eventually(() => heard.includes('hello'), 5_000));
    link.say({ kind: 'ready' });
    for (let n = 0; n < 100; n += 1) link.beat();
    t.ok(await eventually(() => heard.includes('beat'), 5_000));
    t.same(heard, ['connected', 'hello', 'ready', 'beat'], 'many beats at once are one');
    t.match(await findDaemon(data), {
      identity: await identityOf(process.pid),
      hello: { args: ['--data', data] },
      isStopping: false,
    });
    await pause(2_000);
    t.equal(await Promise.race([link.orphaned, 'still ours']), 'still ours');
    link.say({ kind: 'stopping' });
    t.match(await findDaemon(data), { isStopping: true }, 'who comes late hears the last word');
    const left = performance.now();
    over.abort();
    await following;
    t.match(await link.orphaned, /supervisor has gone/);
    t.ok(performance.now() - left >= 1_490);
    await link.close();
    await lock.release();
  },
);

t.test('supervisor-link.ts: only its user can connect, wherever the socket stands', async (t) => {
  const { TMPDIR } = process.env;
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  });
  process.env.TMPDIR = await aDirectory(); // stands for the one that all users share
  const rights = async (path: string): Promise<string> => ((await stat(path)).mode & 0o777).toString(8);
  const [short, long] = [await aDirectory(), `/${'x'.repeat(200)}`];
  const mask = process.umask(0);
  try {
    for (const data of [short, long]) {
      const link = await openSupervisorLink(data, []);
      t.equal(await rights(supervisorSocket(data)), '600');
      await link.close();
    }
  } finally {
    process.umask(mask);
  }
  const directory = dirname(supervisorSocket(long));
  t.equal(await rights(directory), '700');
  await chmod(directory, 0o777);
  await t.rejects(openSupervisorLink(long, []), { name: 'UsageError', message: /only this user can look into/ });
  await rm(directory, { recursive: true });
  await symlink(short, directory);
  await t.rejects(openSupervisorLink(long, []), { name: 'UsageError' }, 'nor where somebody has laid a link');
});

t.test('supervisor-link.ts: a connection that says nothing is no supervisor', async (t) => {
  const data = await aDirectory();
  const link = await openSupervisorLink(data, [], 1_000);
  t.teardown(() => link.close());
  const frozen = connect(supervisorSocket(data));
  t.teardown(() => frozen.destroy());
  await once(frozen, 'data');
  t.match(await Promise.race([link.orphaned, pause(5_000, 'still waiting')]), /supervisor has gone/);
  t.notOk(frozen.closed);
});

/** Its end, not that of its output, which the gateway it leaves behind still writes to. */
async function killed({ child, pid }: Running): Promise<void> {
  child.kill('SIGKILL');
  await eventually(async () => !(await isAlive(pid)), 10_000);
}

const isReady = (running: Running, times: number): Promise<void> =>
  running.says('err', new RegExp(`(Gateway ready[^]*){${times}}`));

/** Two houses under `apis up`, with converters that outlive every daemon. */
async function aSupervisedStreet(t: Test) {
  const bench = await aBench(t);
  const directory = await aDirectory();
  const data = join(directory, 'data');
  const configs = await unitFiles(directory, ['E001', 'E002'], bench.port);
  const up = (): Running => {
    const running = apis('up', '--no-node-red', '--data', data, ...configs);
    t.teardown(() => {
      running.child.kill('SIGTERM'); // it takes its gateway with it
      return running.ended;
    });
    return running;
  };
  const pid = async (): Promise<number> => JSON.parse(await readFile(join(data, 'daemon.json'), 'utf8')).pid;
  /** E001 holds the bus and E002 feeds it, while the daemon that would object is frozen; gives the time of its freezing. */
  const energise = (daemon: number): number => {
    process.kill(daemon, 'SIGSTOP');
    bench.set('E001', 'VOLTAGE_REFERENCE');
    bench.set('E002', 'DISCHARGE');
    return performance.now();
  };
  const supervisor = up();
  await supervisor.says('out', /APIS Edge is running/);
  await isReady(supervisor, 1);
  return { bench, data, up, pid, energise, supervisor };
}

t.test(
  'apis up: whatever becomes of the daemon, its converters come to WAIT and it comes back (RULE-7, RULE-17)',
  async (t) => {
    // Each waits many seconds for something to be missed: side by side, each with houses and a supervisor of its own.
    t.jobs = 5;

    t.test(
      'killed: constant current in WAIT within 2 s, the reference within 4 s, then it is started again',
      beside(),
      async (t) => {
        const { bench, pid, energise, supervisor } = await aSupervisedStreet(t);
        const first = await pid();
        energise(first);
        process.kill(first, 'SIGKILL');
        const died = performance.now();
        const currentMsec = (await bench.comesToWait('E002', 10_000)) - died;
        const referenceMsec = (await bench.comesToWait('E001', 10_000)) - died;
        t.comment(
          `constant current after ${currentMsec.toFixed(0)} ms, reference after ${referenceMsec.toFixed(0)} ms`,
        );
        t.ok(currentMsec < 2_000, 'constant current');
        t.ok(referenceMsec > 1_400 && referenceMsec < 4_000, 'the reference goes last');
        t.match(supervisor.err, /The gateway has ended by itself \(signal SIGKILL\)/);
        await isReady(supervisor, 2);
      },
    );

    t.test('frozen: noticed within 5 s, ended, its converters stopped, started again', beside(), async (t) => {
      const { bench, pid, energise, supervisor } = await aSupervisedStreet(t);
      const froze = energise(await pid());
      await supervisor.says('err', /The gateway has not been heard for \d\.\d s and is ended/);
      const noticed = performance.now();
      const referenceMsec = (await bench.comesToWait('E001', 10_000)) - noticed;
      t.comment(`noticed after ${(noticed - froze).toFixed(0)} ms, all in WAIT ${referenceMsec.toFixed(0)} ms later`);
      t.ok(noticed - froze < 5_000);
      t.equal(bench.mode('E002'), 'WAIT');
      t.ok(referenceMsec < 4_000);
      await isReady(supervisor, 2);
    });

    t.test('its supervisor frozen: it stops in order, and is started again after the thaw', beside(), async (t) => {
      const { bench, data, pid, supervisor } = await aSupervisedStreet(t);
      const first = await pid();
      process.kill(supervisor.pid, 'SIGSTOP');
      const froze = performance.now();
      t.ok(await eventually(() => !existsSync(join(data, 'daemon.json')), 30_000), 'nobody looks after it');
      t.ok(performance.now() - froze > 9_000, 'after 10 s');
      t.same([bench.mode('E001'), bench.mode('E002')], ['WAIT', 'WAIT']);
      process.kill(supervisor.pid, 'SIGCONT');
      await isReady(supervisor, 2);
      t.not(await pid(), first);
    });

    t.test('its supervisor killed: it goes on, and a new one takes it over', beside(), async (t) => {
      const { up, pid, supervisor } = await aSupervisedStreet(t);
      const first = await pid();
      await killed(supervisor);
      const next = up();
      await next.says('err', new RegExp(`taking over the gateway that runs already \\(process ${first}\\)`));
      await next.says('out', /APIS Edge is running/);
      await pause(11_000);
      t.ok(await isAlive(first), 'it is not started again, and is no orphan');
      process.kill(first, 'SIGKILL');
      await next.says('err', /The gateway has ended by itself/);
      await isReady(next, 1);
      t.not(await pid(), first, 'it is looked after');
    });

    t.test('its supervisor killed, and nobody takes it over: it stops in order', beside(), async (t) => {
      const { bench, data, pid, supervisor } = await aSupervisedStreet(t);
      const first = await pid();
      await killed(supervisor);
      const lost = performance.now();
      t.ok(await eventually(async () => !(await isAlive(first)), 30_000), 'by itself');
      t.ok(performance.now() - lost > 9_000, 'after 10 s');
      t.notOk(existsSync(join(data, 'daemon.json')), 'in order');
      t.same([bench.mode('E001'), bench.mode('E002')], ['WAIT', 'WAIT']);
    });
  },
);

t.test('systemd-notifier.ts: says READY, STOPPING and, often enough, WATCHDOG; nothing without systemd', async (t) => {
  const folder = await aDirectory();
  const heard = join(folder, 'heard');
  await writeFile(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$@" >> ${heard}\n`, { mode: 0o755 });
  const lines: LogLine[] = [];
  const log = collectingLog((line) => lines.push(line));
  const environment = {
    PATH: `${folder}:${process.env.PATH}`,
    NOTIFY_SOCKET: '/run/x',
    WATCHDOG_USEC: '900000',
    WATCHDOG_PID: String(process.pid),
  };
  const said = async (): Promise<string> => readFile(heard, 'utf8').catch(() => '');
  const notifier = systemdNotifier(environment, log);
  notifier.ready();
  await pause(310);
  t.equal(await said(), '', 'a unit that looks at its converter first has no watchdog yet');
  for (let n = 0; n < 50; n += 1) notifier.beat();
  t.ok(await eventually(async () => (await said()) === 'READY=1\n', 5_000), 'ready with the first beat');
  await pause(310);
  for (let n = 0; n < 50; n += 1) notifier.beat();
  t.ok(await eventually(async () => (await said()) === 'READY=1\nWATCHDOG=1\n', 5_000), 'once for many');
  await pause(310);
  notifier.beat();
  t.ok(
    await eventually(async () => (await said()).endsWith('WATCHDOG=1\nWATCHDOG=1\n'), 5_000),
    'a third of the timeout later again',
  );
  const other = systemdNotifier({ ...environment, WATCHDOG_PID: '1' }, log);
  other.beat();
  systemdNotifier({ PATH: environment.PATH }, log).ready();
  other.stopping();
  t.ok(
    await eventually(async () => (await said()).endsWith('WATCHDOG=1\nSTOPPING=1\n'), 5_000),
    'no beat for the watchdog of another process',
  );
  t.same(lines, []);

  const lost = systemdNotifier({ ...environment, PATH: '/nowhere' }, log);
  lost.ready();
  lost.beat();
  lost.stopping();
  t.ok(await eventually(() => lines.length > 0, 5_000));
  await pause(100);
  t.match(lines, [{ event: 'systemd.not-told' }], 'a missing program is warned of once');
});

const hasSystemd = ['/usr/bin/systemd-analyze', '/bin/systemd-analyze'].some((path) => existsSync(path));

t.test(
  'systemd takes the units that ship',
  hasSystemd ? {} : { skip: 'needs systemd-analyze (Debian package systemd)' },
  async (t) => {
    const folder = fileURLToPath(new URL('../systemd/', import.meta.url));
    const complaints = (path: string): readonly string[] => {
      const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
      return `${stdout}${stderr}`.split('\n').filter((line) => line.includes('apis-'));
    };
    const names = (await readdir(folder)).sort();
    t.same(names, ['apis-gateway@.service', 'apis-node-red.service']);
    // A template is looked at as one of its instances.
    for (const name of names) t.same(complaints(join(folder, name.replace('@', '@home'))), [], name);

    const text = await readFile(join(folder, 'apis-gateway@.service'), 'utf8');
    const watchdogSec = Number(/^WatchdogSec=(\d+)$/m.exec(text)?.[1]);
    t.ok(watchdogSec > 0 && watchdogSec < 5, 'a silent gateway is noticed within 5 s (RULE-17)');
    const wrong = await aDirectory();
    await writeFile(join(wrong, 'apis-gateway@.service'), text.replace('WatchdogSec=', 'WatchdogSek='));
    t.match(complaints(join(wrong, 'apis-gateway@home.service')), [/Unknown key.*WatchdogSek/], 'the check can fail');
  },
);
