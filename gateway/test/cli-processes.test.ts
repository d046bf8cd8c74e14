import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { aHwConfig, aPolicy, aScenario, aUnitConfig } from './config/samples.ts';
import { cli } from './support/cli.ts';
import { aDirectory } from './support/directory.ts';
import { logIn } from './support/log-in.ts';
import { apis, apisBuilt, childrenOf, eventually, fakeDaemon, freePorts, isAlive } from './support/process.ts';

/** Real processes need their time on a busy machine. */
t.setTimeout(180_000);

t.test('daemon-process: exit codes, record and lock, whatever the daemon does (architecture §7)', async (t) => {
  const table: readonly [behaviour: string, code: number, err: RegExp][] = [
    ['not-ready', 3, /apis: E001 does not measure/],
    ['bad-config', 2, /apis run: unit\.json:3 unitId: expected an id/],
    ['throws', 3, /daemon\.crashed[\s\S]*internal error: a defect/],
    ['rejects', 3, /internal error: a forgotten promise/],
    ['port-taken', 2, /port 1 on 127\.0\.0\.1 is in use/],
  ];
  await Promise.all(
    table.map(async ([behaviour, code, err]) => {
      const data = await aDirectory();
      const daemon = fakeDaemon(behaviour, data);
      t.equal(await daemon.ended, code, behaviour);
      t.match(daemon.err, err, behaviour);
      t.same([existsSync(join(data, 'daemon.json')), existsSync(join(data, 'daemon.lock'))], [false, false], behaviour);
    }),
  );
  const signals: readonly [behaviour: string, signals: readonly NodeJS.Signals[], code: number][] = [
    ['well', ['SIGTERM'], 0],
    ['well', ['SIGINT'], 0],
    ['well', ['SIGHUP'], 0],
    ['stop-fails', ['SIGTERM'], 3],
    ['stop-hangs', ['SIGINT', 'SIGTERM'], 3],
  ];
  await Promise.all(
    signals.map(async ([behaviour, [first, second], code]) => {
      const data = await aDirectory();
      const daemon = fakeDaemon(behaviour, data);
      await daemon.says('out', /Gateway ready: E001 at 127\.0\.0\.1:18830; data in /);
      t.same(JSON.parse(await readFile(join(data, 'daemon.json'), 'utf8')), {
        pid: daemon.pid,
        units: [{ unitId: 'E001', host: '127.0.0.1', port: 18830 }],
        speed: 1,
      });
      daemon.child.kill(first);
      if (second !== undefined) {
        await daemon.says('err', /daemon\.stopping/);
        daemon.child.kill(second);
      }
      t.equal(await daemon.ended, code, `${behaviour} ${first}`);
      t.same([existsSync(join(data, 'daemon.json')), existsSync(join(data, 'daemon.lock'))], [false, false]);
    }),
  );
  const data = await aDirectory();
  const waiting = fakeDaemon('never-ready', data);
  const missing = 'apis: waiting for a reading of E002; a grid master, 1 of 3 members are there\n';
  await waiting.says('err', new RegExp(`${missing}${missing}`));
  t.match(
    JSON.parse(await readFile(join(data, 'daemon.json'), 'utf8')),
    { units: [{ unitId: 'E001' }] },
    'it can be reached while one of its units is not ready',
  );
  t.equal(waiting.out, '', 'and does not say that it is ready');
  waiting.child.kill('SIGTERM');
  t.equal(await waiting.ended, 0, 'it may be stopped before it is ready');
  t.notOk(existsSync(join(data, 'daemon.json')));
});

t.test(
  'stop-request: the echo of a Ctrl-C is the same wish, a second one or another signal is a new one',
  async (t) => {
    const module = new URL('../src/cli/stop-request.ts', import.meta.url).href;
    const hears = async (...deeds: readonly string[]): Promise<string> => {
      const script = `
      import { setTimeout as pause } from 'node:timers/promises';
      import { listenForStop } from '${module}';
      const { asked, askedAgain } = listenForStop();
      asked.then((signal) => console.log('asked', signal));
      askedAgain.then((signal) => console.log('again', signal));
      const kill = (signal) => process.kill(process.pid, signal);
      ${deeds.join('\n')}
      await pause(20);
      process.exit();`;
      return (await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])).stdout;
    };
    const [twice, later] = [
      "kill('SIGINT'); kill('SIGINT');",
      "await pause(400); console.log('later'); kill('SIGINT');",
    ];
    const [echo, hurried, other] = await Promise.all([
      hears(twice),
      hears(twice, later),
      hears("kill('SIGTERM'); kill('SIGINT');"),
    ]);
    t.equal(echo, 'asked SIGINT\n', 'npm and the scripts between pass a signal on that the group has had');
    t.equal(hurried, 'asked SIGINT\nlater\nagain SIGINT\n');
    t.equal(other, 'asked SIGTERM\nagain SIGINT\n');
  },
);

t.test('apis gateway and the commands that talk to it (architecture §7)', async (t) => {
  const data = await aDirectory();
  const gateway = apis('gateway', '--data', data);
  t.teardown(() => gateway.child.kill('SIGKILL'));
  await gateway.says('out', /Gateway ready: E001 at .*E004 at /);
  const { units } = JSON.parse(await readFile(join(data, 'daemon.json'), 'utf8'));
  t.equal(units.length, 4);

  const began = performance.now();
  const state = JSON.parse((await cli(['status', '--data', data, '--json'])).out);
  t.ok(performance.now() - began < 3000, 'each command ends within 3 s');
  t.same(Object.keys(state.units), ['E001', 'E002', 'E003', 'E004']);
  t.ok(Object.values(state.units).every((unit) => (unit as { online: boolean }).online));
  t.match((await cli(['status', '--data', data])).out, /E004 +online +run/);
  t.match((await cli(['status', '--gateway', `127.0.0.1:${units[2].port}`])).out, /E003 +online/);
  t.match(JSON.parse((await cli(['deals', '--data', data, '--json'])).out), { deals: Array });
  t.match(JSON.parse((await cli(['faults', '--data', data, '--json'])).out), { faults: Array });
  t.match(await cli(['faults', 'ack', 'none', '--data', data]), { code: 3, err: /none/ }, "the unit's own words");

  t.match(await cli(['mode', 'soft-stop', '--data', data, '--json']), {
    code: 0,
    out: '{"mode":"soft-stop","value":"heteronomous"}\n',
  });
  const hasMode = async (mode: string): Promise<boolean> => {
    const { units } = JSON.parse((await cli(['status', '--data', data, '--json'])).out);
    return Object.values(units).every((unit) => (unit as { mode?: { effective: string } }).mode?.effective === mode);
  };
  t.ok(await eventually(() => hasMode('heteronomous'), 10_000), 'every unit follows');
  t.match(await cli(['emergency-stop', '--data', data, '--json']), { code: 0, out: /"told":4/ });
  t.ok(await eventually(() => hasMode('stop'), 10_000));

  const second = apis('gateway', '--data', data);
  t.equal(await second.ended, 2);
  t.match(second.err, new RegExp(`the data directory .* is in use by process ${gateway.pid}`));
  const clash = apis('gateway', '--data', await aDirectory(), '--broker-port', String(units[0].port));
  t.equal(await clash.ended, 2);
  t.match(clash.err, new RegExp(`port ${units[0].port} on 127\\.0\\.0\\.1 is in use by process ${gateway.pid} `));

  gateway.child.kill('SIGINT');
  t.equal(await gateway.ended, 0);
  t.notOk(existsSync(join(data, 'daemon.json')));
  t.match(await cli(['status', '--data', data]), { code: 3, err: /no gateway runs here .*Start one with "apis up"/ });
  t.match(await cli(['status', '--gateway', `127.0.0.1:${units[0].port}`]), { code: 3, err: /no unit answers at/ });
  await writeFile(join(data, 'daemon.json'), JSON.stringify({ pid: 1, units: [], speed: 1 }));
  t.match(await cli(['deals', '--data', data]), { code: 3, err: /has no units/ });
  t.match(await cli(['emergency-stop', '--data', data]), { code: 3 }, 'nobody was told: that is no success');
  await writeFile(join(data, 'daemon.json'), JSON.stringify({ pid: 1, units: [units[0]], speed: 1 }));
  t.match(await cli(['emergency-stop', '--data', data]), { code: 3, err: /no unit answers/, out: /0 of 1 units/ });
});

t.test('node-http: a gateway loads neither the second HTTP client of Node nor HTTP/2', async (t) => {
  const load = ['commands', 'run-gateway'].map((name) => {
    const url = new URL(`../src/cli/${name}.ts`, import.meta.url);
    return `await import(${JSON.stringify(url.href)});`;
  });
  const program = `${load.join('')} console.log(process.moduleLoadList.join('\\n'))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  t.match(stdout, /NativeModule http\n/);
  t.notMatch(stdout, /undici|NativeModule http2/);
});

t.test('apis up without Node-RED: restarts a crashed gateway, leaves no orphan', async (t) => {
  const data = await aDirectory();
  const up = apis('up', '--no-node-red', '--data', data, '--speed', '30', '--start', '2026-06-21T10:00');
  t.teardown(() => up.child.kill('SIGKILL'));
  await up.says('out', /APIS Edge is running\.\n {2}Data {7}/);
  const { units, speed } = JSON.parse(await readFile(join(data, 'daemon.json'), 'utf8'));
  t.equal(speed, 30);
  const operator = ['ca.crt', 'own.crt', 'own.key'].map((name) => join(data, 'certs', name));
  const [ca = '', cert = '', key = ''] = operator;
  const from = ['status', '--gateway', `127.0.0.1:${units[1].port}`, '--ca', ca, '--cert', cert, '--key', key];
  t.match(await cli(from), { code: 0, out: /E002 +online/ }, 'the emulated community has certificates of its own');
  const plain = connect(units[1].port, '127.0.0.1');
  plain.end(Buffer.from('101000044d5154540402003c000474657374', 'hex'));
  plain.resume();
  t.ok(await eventually(() => plain.destroyed, 5_000), 'nobody comes in without');
  t.equal(plain.bytesRead, 0);
  const again = apis('up', '--no-node-red', '--data', data);
  t.equal(await again.ended, 2);
  t.match(again.err, new RegExp(`in use by process ${up.pid}`));

  const [daemon = 0] = await childrenOf(up.pid);
  process.kill(daemon, 'SIGKILL');
  await up.says('err', /The gateway has ended by itself \(signal SIGKILL\), next start in 0\.5 s/);
  t.ok(await eventually(async () => (await cli(['status', '--data', data])).code === 0, 30_000), 'it is back');

  const [next = 0] = await childrenOf(up.pid);
  up.child.kill('SIGKILL');
  const third = apis('up', '--no-node-red', '--data', data, '--fresh');
  t.teardown(() => third.child.kill('SIGKILL'));
  await third.says('out', /APIS Edge is running/);
  const issued = JSON.parse(await readFile(join(data, 'ca', 'issued.json'), 'utf8')).certificates;
  t.same(
    issued.map(({ name }: { name: string }) => name),
    ['E001', 'E002', 'E003', 'E004', 'operator', 'E001', 'E002', 'E003', 'E004'],
    'what was forgotten is issued anew, by the same CA',
  );
  t.match(third.err, new RegExp(`ending the gateway that runs already \\(process ${next}\\)`), 'its memory is to go');
  t.notOk(await isAlive(next));
  const children = await childrenOf(third.pid);
  t.equal(children.length, 1);
  third.child.kill('SIGINT');
  t.equal(await third.ended, 0, 'after an orderly stop');
  t.same(await Promise.all(children.map(isAlive)), [false]);
  t.notOk(existsSync(join(data, 'supervisor.lock')));
});

t.test('apis up: a unit that is not ready keeps nobody from seeing why, and a failed stop is told', async (t) => {
  const data = await aDirectory();
  const files = {
    unit: { ...aUnitConfig(), connection: undefined, device: { type: 'emulated', house: 'E001' } },
    hwConfig: aHwConfig(),
    policy: { ...aPolicy(), memberUnitIds: ['E001', 'E002', 'E003'] },
    scenario: aScenario(),
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(data, `${name}.json`), JSON.stringify(content));
  }
  const up = apis('up', '--no-node-red', '--data', data, join(data, 'unit.json'));
  t.teardown(() => up.child.kill('SIGKILL'));
  await up.says('out', /APIS Edge is running/);
  t.match(await cli(['status', '--data', data]), { code: 0, out: /E001 +online[\s\S]*Grid master: none heard/ });
  const [first = 0] = await childrenOf(up.pid);
  process.kill(first, 'SIGKILL');
  await up.says('err', /The gateway has ended by itself \(signal SIGKILL\), next start/);
  t.ok(await eventually(async () => (await cli(['status', '--data', data])).code === 0, 30_000), 'it is back');
  await up.says('err', /apis: waiting for a grid master, 1 of 3 members are there\n/);
  t.notMatch(up.err, /Gateway ready/);

  const [daemon = 0] = await childrenOf(up.pid);
  process.kill(daemon, 'SIGSTOP');
  up.child.kill('SIGINT');
  await up.says('err', /apis: stopping/);
  process.kill(daemon, 'SIGKILL');
  t.equal(await up.ended, 3, 'its gateway has not stopped in order');
});

t.test('apis up: what cannot run is refused before anything is started', async (t) => {
  const data = await aDirectory();
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
  t.teardown(() => server.close());
  const taken = await cli(['up', '--data', data, '--port', String(port)]);
  t.equal(taken.code, 2);
  t.match(taken.err, new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use`));
  const flow = join(data, 'flow.json');
  await writeFile(flow, '{}');
  t.match(await cli(['up', '--data', data, '--flow', flow]), { code: 2, err: /expected a Node-RED flow/ });
  t.notOk(existsSync(join(data, 'supervisor.lock')));
  const dataset = join(data, 'dataset');
  await mkdir(dataset);
  const fresh = join(data, 'fresh');
  const day = `${new Array(24).fill(0).join(',')}\n`;
  const home = `0,1,0,0,0,0,${new Array(48).fill(0.1).join(',')}\n`;
  await writeFile(join(dataset, 'load.csv'), `header\n${home.repeat(365)}`);
  const files: Readonly<Record<string, RegExp>> = {
    nonsense: /solar\.csv:1 column 1: expected a number/,
    [day.repeat(3)]: /solar\.csv: expected a whole year, .* got 3\n/,
  };
  for (const [solar, reason] of Object.entries(files)) {
    await writeFile(join(dataset, 'solar.csv'), solar);
    const commands: readonly (readonly [name: string, ...args: string[]])[] = [
      ['up', '--no-node-red', '--data', fresh],
      ['gateway', '--data', fresh],
      ['simulate', '--houses', '1', '--days', '1'],
      ['emulator', '--houses', '1', '--port', String((await freePorts(1))[0])],
    ];
    for (const [name, ...args] of commands) {
      const bad = await cli([name, ...args, '--dataset', dataset]);
      t.match(bad, { code: 2, out: '', err: reason }, `${name} refuses what is in the files`);
      t.match(bad.err, new RegExp(`^apis ${name}: `), 'under the name that was typed');
    }
  }
  t.notOk(existsSync(fresh), 'no data directory is made');
});

t.test('apis emulator (architecture §7): houses behind the HTTP API', async (t) => {
  const [port = 0] = await freePorts(1);
  const emulator = apis('emulator', '--houses', '3', '--port', String(port), '--acceleration', '10');
  t.teardown(() => emulator.child.kill('SIGKILL'));
  await emulator.says('out', /Emulator ready: 3 houses at http/);
  const units: unknown = await fetch(`http://127.0.0.1:${port}/get/log`).then((reply) => reply.json());
  t.match(units, { E001: Object, E002: Object, E003: Object });
  t.equal(await fetch(`http://127.0.0.1:${port}/get/acc`).then((reply) => reply.json()), 10);
  const clash = apis('emulator', '--port', String(port));
  t.equal(await clash.ended, 2);
  t.match(clash.err, new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use by process ${emulator.pid} `));
  emulator.child.kill('SIGINT');
  t.equal(await emulator.ended, 0);
});

/** Status of the answer to a request with these headers, 101 for a websocket; 0 when the connection just ends. */
function statusOf(port: number, path: string, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve) => {
    const call = request({ host: '127.0.0.1', port, path, headers, agent: false });
    call.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.statusCode ?? 0);
    });
    call.on('error', () => resolve(0));
    call.end();
  });
}

/** First answer of the dashboard's socket to a client that wants to talk (socket.io over polling). */
async function dashboardHello(site: string, headers: Readonly<Record<string, string>>): Promise<string> {
  const url = `${site}/dashboard/socket.io/?EIO=4&transport=polling`;
  const opened = await (await fetch(url, { headers })).text();
  const { sid } = JSON.parse(opened.slice(1)) as { sid: string };
  await fetch(`${url}&sid=${sid}`, { method: 'POST', headers, body: '40' });
  return (await fetch(`${url}&sid=${sid}`, { headers })).text();
}

const hasNodeRed = existsSync(new URL('../../node_modules/node-red/red.js', import.meta.url));

/** The least that Node-RED can begin with. */
async function aFlow(directory: string): Promise<string> {
  const flow = join(directory, 'first.json');
  await writeFile(flow, '[{"id":"a1b2c3d4e5f60718","type":"tab","label":"One"}]');
  return flow;
}

t.test(
  'apis up whose Node-RED cannot be started: that is told, and the houses trade on',
  { skip: hasNodeRed ? false : 'needs node-red', timeout: 90_000 },
  async (t) => {
    const data = await aDirectory();
    await mkdir(join(data, 'nodered', 'settings.cjs'), { recursive: true });
    const [port = 0] = await freePorts(1);
    const up = apis('up', '--data', data, '--port', String(port), '--flow', await aFlow(data));
    t.teardown(() => up.child.kill('SIGKILL'));
    await up.says('out', /APIS Edge is running\.\n {2}Data/);
    await up.says('err', /^apis: the gateway goes on without editor/m);
    t.match(up.err, /^apis: Node-RED cannot be started: .*settings\.cjs/m);
    const [daemon = 0, ...others] = await childrenOf(up.pid);
    t.same([await isAlive(daemon), others], [true, []]);
    up.child.kill('SIGINT');
    t.equal(await up.ended, 0, 'it is stopped in order, as ever');
    t.notOk(await isAlive(daemon));
  },
);

t.test(
  'apis node-red beside a gateway of somebody else: nobody enters without the login',
  { skip: hasNodeRed ? false : 'needs node-red', timeout: 90_000 },
  async (t) => {
    const data = await aDirectory();
    const [port = 0] = await freePorts(1);
    const words = ['node-red', '--data', data, '--port', String(port), '--flow', await aFlow(data)];
    const nodeRed = apisBuilt(...words);
    t.teardown(() => nodeRed.child.kill('SIGKILL'));
    await nodeRed.says('out', /Node-RED is running\.\n {2}Editor {5}\S+\n {2}User {7}apis\n {2}Password/);
    const site = `http://127.0.0.1:${port}`;
    t.equal((await fetch(`${site}/flows`)).status, 401);
    const cookie = await logIn(site, /Password +(\S+)/.exec(nodeRed.out)?.[1] ?? '');
    t.equal((await fetch(`${site}/flows`, { headers: { cookie } })).status, 200);
    const [free = 0] = await freePorts(1);
    t.match(await cli(['node-red', '--data', data, '--port', String(free)]), { code: 2, err: /in use by process/ });
    const [child = 0] = await childrenOf(nodeRed.pid);
    nodeRed.child.kill('SIGTERM');
    t.equal(await nodeRed.ended, 0);
    t.notOk(await isAlive(child));
  },
);

t.test(
  'apis up with Node-RED and dashboard',
  { skip: hasNodeRed ? false : 'needs node-red', timeout: 90_000 },
  async (t) => {
    const data = await aDirectory();
    const flow = await aFlow(data);
    const [port = 0] = await freePorts(1);
    // As it is built: the test runner's loader cannot read the settings' module in TypeScript.
    const up = apisBuilt('up', '--data', data, '--port', String(port), '--flow', flow);
    t.teardown(() => up.child.kill('SIGKILL'));
    await up.says('out', /Stop it with Ctrl-C/);
    t.match(up.out, / {2}User {7}apis\n {2}Password {3}\S+ .*once.*\n/);
    t.match(up.out, `  Data       ${data}\n`);
    const site = `http://127.0.0.1:${port}`;
    const password = /Password +(\S+)/.exec(up.out)?.[1] ?? '';
    const cookie = await logIn(site, password);
    const get = (path: string, headers: Readonly<Record<string, string>> = { cookie }): Promise<number> =>
      fetch(`${site}${path}`, { headers, redirect: 'manual' }).then(
        ({ status }) => status,
        () => 0,
      );
    t.equal(await get('/'), 200);
    const flows = await fetch(`${site}/flows`, { headers: { cookie } }).then((reply) => reply.json());
    t.match(flows, [{ label: 'One' }]);
    const nodes = await fetch(`${site}/nodes`, { headers: { accept: 'application/json', cookie } });
    const ids = ((await nodes.json()) as { id: string }[]).map(({ id }) => id);
    t.same([ids.includes('node-red/function'), ids.includes('node-red/exec')], [true, false], 'flows have no shell');

    const deploy = { method: 'POST', body: '[]', headers: { 'content-type': 'application/json' } };
    t.equal((await fetch(`${site}/flows`, deploy)).status, 401, 'nobody deploys without log-in');
    t.equal((await fetch(`${site}/flows`, { headers: { authorization: 'Bearer guessed' } })).status, 401);
    const form = new URLSearchParams({
      username: 'apis',
      password,
      client_id: 'node-red-admin',
      grant_type: 'password',
    });
    const granted = await fetch(`${site}/auth/token`, {
      method: 'POST',
      body: new URLSearchParams([...form, ['scope', '*']]),
    });
    const { access_token: token } = (await granted.json()) as { access_token: string };
    t.equal(await get('/flows', { authorization: `Bearer ${token}` }), 200, 'programs get a token of Node-RED itself');

    const [daemon = 0, nodeRed = 0] = await childrenOf(up.pid);
    process.kill(nodeRed, 'SIGKILL');
    await up.says('err', /Node-RED has ended by itself/);
    t.equal(await isAlive(daemon), true, 'a dying Node-RED leaves the gateway alone');
    t.ok(await eventually(async () => (await get('/')) === 200, 30_000), 'it is back');

    const children = await childrenOf(up.pid);
    t.equal(children.length, 2);
    up.child.kill('SIGKILL');
    t.ok(
      await eventually(async () => (await Promise.all(children.map(isAlive))).toString() === 'true,false', 20_000),
      'no orphan holds the port, and the gateway goes on for a while',
    );
    t.equal(await get('/'), 0);

    const shipped = apisBuilt('up', '--data', data, '--port', String(port), '--fresh', '--new-password');
    t.teardown(() => shipped.child.kill('SIGKILL'));
    await shipped.says('out', /Stop it with Ctrl-C/);
    t.equal(await get('/flows'), 401, 'a new password ends the sessions of the old one');
    await t.rejects(logIn(site, password), /401/);
    const own = { cookie: await logIn(site, /Password +(\S+)/.exec(shipped.out)?.[1] ?? '') };
    const [, page = ''] = /Dashboard {2}(\S+)/.exec(shipped.out) ?? [];
    t.match(page, `http://127.0.0.1:${port}/dashboard/`);
    t.equal(
      (await fetch(page, { headers: own })).status,
      200,
      'the shipped flow has a dashboard, there before it is told',
    );
    const html = { accept: 'text/html' };
    const sent = await fetch(page, { headers: html, redirect: 'manual' });
    t.equal(
      sent.headers.get('location'),
      `/login?to=${encodeURIComponent(new URL(page).pathname)}`,
      'people see the form',
    );

    const at = `127.0.0.1:${port}`;
    const socket = '/dashboard/socket.io/?EIO=4&transport=';
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'c3BlY2lhbGx5IG1hZGUgMQ==',
    };
    const entrances: readonly [path: string, headers: Readonly<Record<string, string>>, status: number][] = [
      ['/flows', own, 200],
      ['/flows', {}, 401],
      ['/dashboard/community', own, 200],
      ['/dashboard/community', {}, 401],
      ['/dashboard/community', { authorization: `Bearer ${token}` }, 401],
      ['/dashboard/_setup', {}, 401],
      ['/resources/@apis-edge/node-red-dashboard-2-apis/ui-apis-page.umd.js', {}, 401],
      ['/login', {}, 200],
      ['/comms', { ...own, ...upgrade }, 101],
      [`${socket}polling`, own, 200],
    ];
    for (const [path, headers, status] of entrances) {
      const names = [{}, { host: `localhost:${port}` }, { host: `[::1]:${port}` }];
      for (const more of names) t.equal(await statusOf(port, path, { ...headers, ...more }), status, path);
      const rebound = { host: `evil.example:${port}` };
      t.equal(await statusOf(port, path, { ...headers, ...rebound }), 403, `${path}: a name that points here`);
      const foreign = { origin: 'https://evil.example' };
      t.equal(await statusOf(port, path, { ...headers, ...foreign }), 403, `${path}: another page`);
      t.equal(await statusOf(port, path, { ...headers, origin: 'null' }), 403, `${path}: a page without address`);
    }
    t.equal(await statusOf(port, '/comms', { ...own, ...upgrade, origin: `http://${at}` }), 101, 'the editor itself');
    t.match(await dashboardHello(`http://${at}`, own), /^40\{"sid"/, 'the dashboard talks to those who are logged in');
    t.match(await dashboardHello(`http://${at}`, {}), /^44\{"message":"log in first"\}/, 'and to nobody else');
    const both = await childrenOf(shipped.pid);
    shipped.child.kill('SIGINT');
    t.equal(await shipped.ended, 0, 'Ctrl-C ends both in order');
    t.same(await Promise.all(both.map(isAlive)), [false, false]);
  },
);
