import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { command } from '../src/cli/command.ts';
import { COMMANDS } from '../src/cli/commands.ts';
import { dealPhase, dealsText, faultsText, statusText } from '../src/cli/community-tables.ts';
import { FIRST_BROKER_PORT } from '../src/cli/daemon.ts';
import { DaemonRecord } from '../src/cli/daemon-record.ts';
import { lockData, lockHolder } from '../src/cli/data-lock.ts';
import { demoSettings } from '../src/cli/demo-set-up.ts';
import { dashboardPath, installFlow, readFlow, readFlowToRun, wiredUnits } from '../src/cli/flow-file.ts';
import { onFreePorts } from '../src/cli/free-broker-ports.ts';
import { forgetUnits } from '../src/cli/fresh-data.ts';
import { logLevel } from '../src/cli/log-level.ts';
import { ownPath } from '../src/cli/login-door.ts';
import { generatedPassword, isPassword, loginOf, prepareLogin, readLogin } from '../src/cli/login-file.ts';
import { loginPage } from '../src/cli/login-page.ts';
import { cookieName, sessionCookie, sessionOf, sessionToken } from '../src/cli/login-session.ts';
import { nearest } from '../src/cli/nearest.ts';
import { loginFile, nodeRedArguments, writeSettings } from '../src/cli/node-red-set-up.ts';
import { flag, many, one, UsageError, type ValueKind } from '../src/cli/option.ts';
import { checkPortIsFree } from '../src/cli/port-owner.ts';
import { identityOf, isRunning } from '../src/cli/process-identity.ts';
import { RestartPolicy } from '../src/cli/restart-policy.ts';
import { textTable } from '../src/cli/text-table.ts';
import * as kinds from '../src/cli/value-kinds.ts';
import { waitingFor } from '../src/cli/waiting-for.ts';
import { ConfigError, PeerError } from '../src/domain/errors.ts';
import { cli } from './support/cli.ts';
import { aDirectory } from './support/directory.ts';
import { aDeal, aGrid, aMode, aUnit } from './support/messages.ts';
import { freePorts } from './support/process.ts';

t.test('run-cli: help and version come out of the table', async (t) => {
  for (const args of [[], ['--help'], ['-h'], ['help']]) {
    const { code, out, err } = await cli(args);
    t.equal(code, 0);
    t.equal(err, '');
    for (const name of Object.keys(COMMANDS)) t.match(out, new RegExp(`^  ${name}\\b`, 'm'));
  }
  for (const [name, { summary, options }] of Object.entries(COMMANDS)) {
    const { code, out } = await cli([name, '--help']);
    t.equal(code, 0, name);
    t.ok(out.includes(summary), name);
    for (const option of Object.keys(options)) t.match(out, new RegExp(`--${option}\\b`), `${name} --${option}`);
    t.equal((await cli(['help', name])).out, out);
  }
  t.match((await cli(['gateway', '--help'])).out, new RegExp(`from ${FIRST_BROKER_PORT} up`));
  for (const args of [['--version'], ['-V'], ['version'], ['status', '--version'], ['help', '--version']]) {
    t.same(await cli(args), { code: 0, out: '1.2.3\n', err: '' });
  }
});

t.test('run-cli: what is unknown is refused with the nearest valid word, exit 2', async (t) => {
  const refused: readonly [args: readonly string[], err: RegExp][] = [
    [['staus'], /unknown command "staus". Did you mean "status"\?/],
    [['help', 'gatway'], /Did you mean "gateway"\?/],
    [['zzzzzz'], /unknown command "zzzzzz"\. "apis --help" lists all/],
    [['constructor'], /unknown command "constructor"/],
    [['up', '--prot', '3'], /apis up: unknown option "--prot"\. Did you mean "--port"\?/],
    [['up', '-x'], /unknown option "-x"/],
    [['up', '--port'], /--port needs a value: PORT/],
    [['up', '--port', '--fresh'], /--port.*(needs a value|expected a whole number)/],
    [['up', '--fresh=yes'], /--fresh takes no value/],
    [['up', '--port', '0'], /--port: expected a whole number from 1 to 65535, got "0"/],
    [['up', '--port', '1880', '--port', '1881'], /--port: expected once/],
    [['up', '--speed', '0'], /--speed: expected a number above 0/],
    [['up', '--speed', '-3'], /--speed/],
    [['up', '--speed', 'fast'], /--speed: expected a number above 0 and up to 3600, got "fast"/],
    [['up', '--start', '2026-02-30'], /--start: expected a time such as/],
    [['up', '--dataset', '/nowhere'], /--dataset: expected a directory with/],
    [['up', '--config', '/nowhere.json'], /--config: expected a file/],
    [['up', '--flow', '/nowhere.json'], /--flow: expected a file/],
    [['up', '/nowhere.json'], /nowhere\.json: cannot be read/],
    [['status', 'now'], /unexpected "now"/],
    [['status', '--gateway', 'nonsense'], /--gateway: expected HOST:PORT/],
    [['mode'], /expected one of run, soft-stop, force-stop, manual/],
    [['mode', 'runn'], /got "runn"\. Did you mean "run"\?/],
    [['mode', 'run', 'fast'], /unexpected "fast"/],
    [['policy'], /expected the file of one policy/],
    [['policy', 'nowhere.json'], /nowhere\.json.*cannot be read/],
    [['faults', 'ack'], /expected "ack" and the id of one fault/],
    [['faults', 'clear', 'F1'], /got "clear F1"/],
    [['check'], /at least one file/],
  ];
  for (const [args, err] of refused) {
    const said = await cli(args);
    t.equal(said.code, 2, args.join(' '));
    t.match(said.err + said.out, err, args.join(' '));
    t.notMatch(said.err, /^ +at /m, 'no stack trace');
  }
});

t.test('run-cli: the exit code tells who was wrong', async (t) => {
  const failing = (error: unknown) => ({
    go: command({
      summary: '',
      options: {},
      run: () => {
        throw error;
      },
    }),
  });
  const problem = { file: 'policy.json', line: 3, path: 'a.b', message: 'expected x' };
  t.match(await cli(['go'], failing(new ConfigError([problem]))), {
    code: 2,
    err: 'apis go: policy.json:3 a.b: expected x\n',
  });
  t.match(await cli(['go'], failing(new UsageError('no'))), { code: 2, err: /apis go: no\n"apis go --help"/ });
  t.match(await cli(['go'], failing(new PeerError('peer.timeout', 'E001', 'late'))), {
    code: 3,
    err: 'apis go: late\n',
  });
  t.match(await cli(['go'], failing(new Error('defect'))), { code: 3, err: 'apis go: defect\n' });
  t.match(await cli(['go'], failing('text')), { code: 3, err: 'apis go: text\n' });
  process.env.APIS_DEBUG = '1';
  t.teardown(() => {
    delete process.env.APIS_DEBUG;
  });
  t.match(await cli(['go'], failing(new Error('defect'))), { err: /^ +at /m }, 'with APIS_DEBUG we see where');
});

t.test('option and command: values are read by their kinds', async (t) => {
  let seen: unknown;
  const commands = {
    go: command({
      summary: '',
      words: 'FILE…',
      options: { port: one(kinds.port, ''), config: many(kinds.text('FILE'), ''), json: flag('') },
      run: (values, words) => {
        seen = { ...values, words };
        return 0;
      },
    }),
  };
  t.equal(
    (await cli(['go', '--port', '80', 'a', '--config=x', '--json', '--config', 'y', '--', '--help'], commands)).code,
    0,
  );
  t.same(seen, { port: 80, config: ['x', 'y'], json: true, words: ['a', '--help'] });
  await cli(['go'], commands);
  t.same(seen, { port: undefined, config: [], json: false, words: [] });
});

t.test('value-kinds: what is taken and what is refused', async (t) => {
  const directory = await aDirectory();
  const file = join(directory, 'f.json');
  await writeFile(file, '{}');
  const dataset = join(directory, 'data');
  await mkdir(dataset);
  await writeFile(join(dataset, 'the_solar_x.csv.gz'), '');
  const half = kinds.datasetDirectory.parse(dataset);
  await writeFile(join(dataset, 'LOAD.csv'), '');
  const table = <T>(kind: ValueKind<T>, good: Record<string, T>, bad: readonly string[]): void => {
    for (const [text, value] of Object.entries(good)) t.same(kind.parse(text), value, `${kind.value} ${text}`);
    for (const text of bad) t.equal(kind.parse(text), undefined, `${kind.value} ${JSON.stringify(text)}`);
  };
  table(kinds.port, { '1': 1, '65535': 65_535 }, ['', '0', '65536', '1.5', '0x10', '1e3', ' 80', 'http']);
  table(kinds.speed, { '1': 1, '0.5': 0.5, '.5': 0.5, '3600': 3600 }, [
    '',
    '0',
    '-1',
    '3601',
    'Infinity',
    'NaN',
    '1,5',
  ]);
  const noon = Date.UTC(2026, 5, 21, 12, 30);
  table(
    kinds.startTime,
    {
      '2026-06-21T12:30': noon,
      '2026-06-21T12:30:00Z': noon,
      '2026/06/21-12:30:00': noon,
      '2026-06-21': Date.UTC(2026, 5, 21),
    },
    ['', 'now', '2026-13-01', '2026-02-29', '2026-06-21T25:00', '21.6.2026', '2026-06-21T12:30+09:00'],
  );
  table(kinds.file, { [file]: file }, ['', directory, `${file}x`]);
  table(kinds.dataDirectory, { [directory]: directory, [join(directory, 'new')]: join(directory, 'new') }, ['', file]);
  table(kinds.datasetDirectory, { [dataset]: dataset }, [directory, file, '/nowhere']);
  t.equal(half, undefined, 'the loads were missing');
  table(
    kinds.brokerAddress,
    {
      '18830': { host: '127.0.0.1', port: 18830 },
      'pi:1883': { host: 'pi', port: 1883 },
      '[::1]:1883': { host: '::1', port: 1883 },
    },
    ['', 'pi', 'pi:', ':1', 'pi:0', 'a b:1', 'pi:99999'],
  );
  table(kinds.seedRange, { '1..20': { first: 1, last: 20 }, '7': { first: 7, last: 7 } }, [
    '',
    '3..1',
    'a..b',
    '1..',
    '1...2',
  ]);
});

t.test('nearest: the word that was meant', (t) => {
  const known = ['up', 'gateway', 'status', 'emergency-stop', 'deals'];
  t.equal(nearest('stats', known), 'status');
  t.equal(nearest('GATEWAY', known), 'gateway');
  t.equal(nearest('emergency', known), 'emergency-stop', 'the beginning of one');
  t.equal(nearest('emergencystop', known), 'emergency-stop');
  t.equal(nearest('nonsense', known), undefined);
  t.equal(nearest('', ['status']), undefined);
  t.end();
});

t.test('tables for people: units on every number, phases in words', (t) => {
  t.equal(
    textTable(['a', 'num'], [['x', '1'], ['long', '–'], ['y']]),
    ['a     num', '────  ───', 'x       1', 'long    –', 'y'].join('\n'),
  );
  const state = {
    units: {
      E001: { online: true, seenAt: 1, unit: aUnit('E001', 61.25), mode: aMode('heteronomous') },
      E002: { online: false, seenAt: 1 },
      E003: { online: true, seenAt: 1, unit: { ...aUnit('E003'), stale: true as const } },
    },
    deals: [aDeal('D1', { startDateTime: 'x' }), aDeal('D2', { deactivateDateTime: 'x' })],
    grid: aGrid('E001', { term: 4, voltageReferenceUnitId: 'E002' }),
    faults: [],
  };
  const text = statusText(state);
  t.match(text, /E001 +online +soft-stop +61\.[23] % +CHARGE +350\.1 V +2\.01 A +800 W +300 W/);
  t.match(text, /E002 +offline/);
  t.match(text, /E003 +stale/);
  t.match(text, /Grid master: E001 \(term 4\), mode run, voltage reference E002/);
  t.match(text, /Deals: 1 open\./);
  t.match(statusText({ units: {}, deals: [], faults: [] }), /Grid master: none heard/);
  const phases = {
    agreed: {},
    starting: { activateDateTime: 'x' },
    running: { startDateTime: 'x' },
    stopping: { startDateTime: 'x', stopDateTime: 'x' },
    finished: { deactivateDateTime: 'x' },
    aborted: { deactivateDateTime: 'x', abortReason: 'x' },
    scrammed: { deactivateDateTime: 'x', scramReason: 'x' },
  };
  for (const [phase, marks] of Object.entries(phases)) t.equal(dealPhase(aDeal('D', marks)), phase);
  t.match(
    dealsText([aDeal('D1', { cumulateAmountWh: 12.34, pointPerWh: null })]),
    /D1 .*E002 +E001 +agreed +2\.00 A +12\.3 Wh +100 Wh +–/,
  );
  t.match(dealsText([aDeal('D1', { cumulateAmountWh: -0.02 })]), / 0\.0 Wh/, 'what rounds to nothing has no sign');
  t.notMatch(dealsText([aDeal('D1', { cumulateAmountWh: -0.02 })]), /-0\.0/);
  t.equal(dealsText([]), 'No deals.');
  t.equal(faultsText([]), 'No faults.');
  const fault = {
    unitId: 'E001',
    category: 'HARDWARE',
    extent: 'LOCAL',
    level: 'ERROR',
    reason: 'r',
    message: '400 V',
    at: 'now',
    faultId: '7',
  } as const;
  t.match(faultsText([fault]), /7 +now +1× +E001 +H:L:ERROR +new +r +400 V/);
  const noted = { ...fault, count: 3, lastAt: 'later', acknowledgedAt: 'x' };
  t.match(faultsText([noted]), /7 +later +3× +E001 +H:L:ERROR +acknowledged/);
  t.end();
});

t.test('restart-policy: 0.5 s doubling to 30 s, safe mode after three crashes in a minute', (t) => {
  const policy = new RestartPolicy();
  t.equal(policy.isSafeModeDue(), false);
  t.same(
    [0, 1000, 2000].map((at) => policy.crashed(at)),
    [500, 1000, 2000],
  );
  t.equal(policy.isSafeModeDue(), true);
  for (let at = 3000; at < 10_000; at += 1000) policy.crashed(at);
  t.equal(policy.crashed(10_000), 30_000);
  t.equal(policy.crashed(75_000), 500, 'a quiet minute forgives');
  t.equal(policy.isSafeModeDue(), false);
  t.end();
});

t.test('flow-file: a shipped flow is copied, an edited one is kept', async (t) => {
  const directory = await aDirectory();
  const target = join(directory, 'flows.json');
  const first = '[{"type":"tab"}]';
  const second = '[{"type":"tab"},{"type":"comment"}]';
  t.equal(await installFlow(first, directory, false), false);
  t.equal(await readFile(target, 'utf8'), first);
  t.equal(await installFlow(second, directory, false), false, 'a newer one replaces an untouched copy');
  t.equal(await readFile(target, 'utf8'), second);
  await writeFile(target, '[{"type":"inject"}]');
  t.equal(await installFlow(first, directory, false), true, 'the user is told');
  t.equal(await readFile(target, 'utf8'), '[{"type":"inject"}]');
  t.equal(await installFlow(first, directory, true), false, 'fresh');
  t.equal(await readFile(target, 'utf8'), first);

  const shipped = fileURLToPath(new URL('../../flows/wired-device.json', import.meta.url));
  const wired = async (fresh = false): Promise<readonly string[]> =>
    wiredUnits((await readFlowToRun(shipped, directory, fresh)).nodes);
  t.same(await wired(), ['E004'], 'an untouched copy gives way to the flow that is asked for');
  await writeFile(target, '[{"type":"inject"}]');
  t.same(await wired(), [], 'a house is driven by a flow only where that flow is the one that runs');
  t.same(await wired(true), ['E004']);
  await writeFile(target, await readFile(shipped, 'utf8'));
  t.same(await wired(), ['E004'], 'also where its user has brought it himself');
  await writeFile(target, 'what Node-RED will not load');
  t.same(await wired(), []);

  const flow = join(directory, 'x.json');
  for (const bad of ['{', '{}', '[1]', '[{"id":"a"}]']) {
    await writeFile(flow, bad);
    await t.rejects(readFlow(flow), { name: 'ConfigError', message: /x\.json: expected a Node-RED flow/ });
  }
  await t.rejects(readFlow(join(directory, 'none.json')), { name: 'ConfigError', message: /cannot be read/ });
  await writeFile(flow, second);
  t.equal((await readFlow(flow)).text, second);
  t.equal(dashboardPath([{ type: 'tab' }]), undefined);
  t.equal(dashboardPath([{ type: 'ui-base', path: '/d' }]), '/d');
  const page = (path: string, order?: number) => ({ type: 'ui-page', path, ...(order === undefined ? {} : { order }) });
  t.equal(dashboardPath([page('/two', 2), { type: 'ui-base' }, page('/one', 1)]), '/dashboard/one');
  t.equal(dashboardPath([page('/two', 2), { type: 'ui-base' }, page('/none')]), '/dashboard/none');
});

t.test('node-red-set-up: loopback, no telemetry, nothing installable, the secret is kept', async (t) => {
  const directory = join(await aDirectory(), 'nodered');
  await prepareLogin(loginFile(directory), false);
  const path = await writeSettings(directory, { host: '127.0.0.1', port: 1999, nodesDir: ['/nodes'] });
  const { default: settings } = await import(path);
  t.match(settings, {
    uiHost: '127.0.0.1',
    uiPort: 1999,
    nodesDir: ['/nodes'],
    telemetry: { enabled: false },
    nodesExcludes: ['90-exec.js'],
    externalModules: { palette: { allowInstall: false }, modules: { allowInstall: false } },
    functionTimeout: 5,
    logging: { console: { level: 'warn' } },
    paletteCategories: ['APIS', 'dashboard_2'],
    adminAuth: { type: 'credentials', tokenHeader: 'cookie' },
    httpAdminMiddleware: Function,
    httpNodeAuth: Function,
    webSocketNodeVerifyClient: Function,
    dashboard: { middleware: Function, ioMiddleware: Function },
    credentialSecret: /^[0-9a-f]{64}$/,
  });
  t.equal((await stat(join(directory, '.credential-secret'))).mode & 0o077, 0, 'only the owner reads the secret');
  t.match(JSON.parse(await readFile(join(directory, 'flows_cred.json'), 'utf8')), { $: /^[0-9a-f]{32}./ });
  await writeSettings(directory, { host: '127.0.0.1', port: 2000, nodesDir: [] });
  t.equal(await readFile(join(directory, '.credential-secret'), 'utf8'), settings.credentialSecret);
  t.notMatch(await readFile(path, 'utf8'), settings.credentialSecret, 'it does not stand in the settings');
  const start = { script: 'red.js', userDir: '/u', settingsFile: '/s', port: 1999, isSafe: false };
  const args = nodeRedArguments(start);
  t.same(args.slice(0, 2), ['--max-old-space-size=192', '--max-semi-space-size=2']);
  t.match(args[args.lastIndexOf('--import') + 1], /\/guard-node-red\.(ts|js)\?port=1999$/);
  t.equal(args.includes('--safe'), false);
  t.equal(nodeRedArguments({ ...start, isSafe: true }).at(-1), '--safe');
});

t.test('log-level: at a terminal what was told once stays in sight; elsewhere everything is written', async (t) => {
  const table: readonly [wanted: string | undefined, isSupervised: boolean, isTerminal: boolean, level: string][] = [
    [undefined, true, true, 'warn'],
    [undefined, true, false, 'info'],
    [undefined, false, true, 'info'],
    ['', false, false, 'info'],
    ['debug', true, true, 'debug'],
  ];
  for (const [wanted, isSupervised, isTerminal, level] of table)
    t.equal(logLevel({ APIS_LOG_LEVEL: wanted }, isSupervised, isTerminal), level);
  t.throws(
    () => logLevel({ APIS_LOG_LEVEL: 'loud' }, true, true),
    /APIS_LOG_LEVEL: expected one of fatal, .* got "loud"/,
  );
});

t.test('login-file: a password is told once and kept only as a hash', async (t) => {
  const path = join(await aDirectory(), 'nodered', 'login.json');
  t.equal(await readLogin(path), undefined);
  const first = await prepareLogin(path, false);
  const { login, password = '' } = first;
  t.match(password, /^([a-z2-9]{4}-){3}[a-z2-9]{4}$/);
  t.equal((await stat(path)).mode & 0o077, 0, 'only the owner reads it');
  t.notMatch(await readFile(path, 'utf8'), password);
  t.equal(await isPassword(login, 'apis', password), true);
  t.equal(await isPassword(login, 'apis', `${password}x`), false);
  t.equal(await isPassword(login, 'root', password), false);

  t.same(await prepareLogin(path, false), { login }, 'the next start keeps it and cannot tell it');
  const renewed = await prepareLogin(path, true);
  t.not(renewed.password, undefined);
  t.equal(await isPassword(renewed.login, 'apis', password), false, 'the old password opens nothing');
  t.not(renewed.login.sessionKey, login.sessionKey, 'and ends every session');
  t.not(generatedPassword(), generatedPassword());

  await writeFile(path, '{"user":"apis"}');
  await t.rejects(readLogin(path), /expected a login .* --new-password/);
});

t.test('login-session: a signed cookie that outlives restarts, and nothing else is one (INV-11)', async (t) => {
  const login = await loginOf('apis', 'secret');
  const now = Date.UTC(2026, 0, 2);
  const token = sessionToken(login, now + 1000);
  const cookies = `theme=dark; ${cookieName(1880)}=${token}; other=1`;
  t.equal(sessionOf(login, 1880, cookies, now), now + 1000);
  t.equal(sessionOf(login, 1880, cookies, now + 1000), undefined, 'it ends');
  t.equal(sessionOf(login, 1881, cookies, now), undefined, 'the set-up on another port has its own');
  t.equal(sessionOf(await loginOf('apis', 'secret'), 1880, cookies, now), undefined, 'another key');
  const [, signature = ''] = token.split('.');
  for (const forged of [`${now + 9_999_999}.${signature}`, `${now + 1000}.`, `${now + 1000}`, '', '.', 'x.y'])
    t.equal(sessionOf(login, 1880, `${cookieName(1880)}=${forged}`, now), undefined, forged);
  t.equal(sessionOf(login, 1880, undefined, now), undefined);
  t.match(sessionCookie(1880, token), /; Path=\/; Max-Age=2592000; HttpOnly; SameSite=Strict$/);
  t.match(sessionCookie(1880, undefined), /^apis_session_1880=; Path=\/; Max-Age=0;/);
});

t.test('login-door leads to pages of this server only, and its form shows what was typed as text', async (t) => {
  const table: readonly [to: string | null, path: string][] = [
    ['/dashboard/deals?x=1', '/dashboard/deals?x=1'],
    ['//evil.example', '/'],
    ['/\\evil.example', '/'],
    ['https://evil.example', '/'],
    ['/a\r\nset-cookie: x', '/'],
    [null, '/'],
  ];
  for (const [to, path] of table) t.equal(ownPath(to), path, String(to));
  const html = loginPage('apis', '/"><script>alert(1)</script>', 'wrong');
  t.notMatch(html, '<script');
  t.match(html, /role="alert">User or password is not right/);
  t.notMatch(html, /https?:/, 'nothing is asked for from outside');
});

t.test('data-lock: one process per data directory', async (t) => {
  const directory = await aDirectory();
  const path = join(directory, 'daemon.lock');
  const lock = await lockData(directory);
  await t.rejects(lockData(directory), {
    name: 'UsageError',
    message: `the data directory ${directory} is in use by process ${process.pid}`,
  });
  await lock.release();
  t.notOk(existsSync(path));
  const own = await identityOf(process.pid);
  const beforeReboot = JSON.stringify({ ...own, bootId: 'another start of the system' });
  for (const stale of [
    '{"pid":999999999}',
    JSON.stringify({ pid: process.pid, startedAt: '1' }),
    ...(own.bootId === undefined ? [] : [beforeReboot]),
    'nonsense',
    '',
  ]) {
    await writeFile(path, stale);
    const taken = await lockData(directory);
    t.match(JSON.parse(await readFile(path, 'utf8')), { pid: process.pid }, `taken over from ${JSON.stringify(stale)}`);
    await taken.release();
  }
  const mine = await lockData(directory);
  await writeFile(path, '{"pid":1}');
  await mine.release();
  t.ok(existsSync(path), "another one's lock is not removed");
  t.equal(await isRunning({ pid: 1 }), true, 'a process that is not ours runs, too');
  t.equal(await isRunning(await identityOf(process.pid)), true);
  t.same(await identityOf(999_999_999), { pid: 999_999_999 });
});

t.test('data-lock: of many processes that find one stale lock at once a single one gets it', async (t) => {
  const script = fileURLToPath(new URL('support/lock-racer.ts', import.meta.url));
  const racers = Array.from({ length: 6 }, () => fork(script));
  t.teardown(() => racers.map((racer) => racer.kill('SIGKILL')));
  const answers = (): Promise<readonly unknown[]> =>
    Promise.all(racers.map(async (racer) => (await once(racer, 'message'))[0]));
  await answers();
  for (let round = 0; round < 40; round += 1) {
    const directory = await aDirectory();
    await writeFile(join(directory, 'daemon.lock'), '{"pid":999999999}');
    const told = answers();
    for (const racer of racers) racer.send(directory);
    const owners = (await told).map((answer, index) => (answer === 'taken' ? racers[index]?.pid : undefined));
    const [owner, ...more] = owners.filter((pid) => pid !== undefined);
    t.same(more, [], `round ${round}: one owner`);
    t.match(await lockHolder(directory), { pid: owner }, 'and all know it');
  }
});

t.test('fresh-data: forgets the named units and nothing else', async (t) => {
  const directory = await aDirectory();
  for (const name of ['E001', 'E002', 'photos', 'history/E001', 'history/E009']) {
    await mkdir(join(directory, name), { recursive: true });
    await writeFile(join(directory, name, 'state.json'), '{}');
  }
  await forgetUnits(directory, ['E001', 'E002', 'E003']);
  t.same([existsSync(join(directory, 'E001')), existsSync(join(directory, 'photos', 'state.json'))], [false, true]);
  t.same(
    [existsSync(join(directory, 'history', 'E001')), existsSync(join(directory, 'history', 'E009'))],
    [false, true],
  );
});

t.test('ports: a taken one is named with its taker; brokers move on from 18830', async (t) => {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
  t.teardown(() => server.close());
  await t.rejects(checkPortIsFree('127.0.0.1', port), {
    name: 'UsageError',
    message: new RegExp(`port ${port} on 127\\.0\\.0\\.1 is in use by process ${process.pid} \\(`),
  });
  const [free = 0] = await freePorts(1);
  await checkPortIsFree('127.0.0.1', free);
  await t.rejects(checkPortIsFree('203.0.113.1', free), { code: 'EADDRNOTAVAIL' }, 'other errors are other errors');

  const taken = (at: number) => Object.assign(new Error('listen'), { code: 'EADDRINUSE', port: at });
  const tried: number[] = [];
  const first = await onFreePorts(4, async (at) => {
    tried.push(at);
    if (tried.length < 3) throw taken(at + 1);
    return at;
  });
  t.same(tried, [18_830, 18_834, 18_838]);
  t.equal(first, 18_838);
  await t.rejects(
    onFreePorts(4, () => Promise.reject(taken(1883))),
    { code: 'EADDRINUSE', message: 'listen' },
  );
  await t.rejects(
    onFreePorts(4, () => Promise.reject(new Error('other'))),
    { message: 'other' },
  );
  let attempts = 0;
  await t.rejects(
    onFreePorts(1, (at) => Promise.reject(taken(at + 0 * attempts++))),
    { code: 'EADDRINUSE' },
  );
  t.equal(attempts, 20);
});

t.test('waiting-for: what keeps units from trading, in words', async (t) => {
  const aWaitingUnit = (unitId: string, hasRead: boolean, isLed: boolean) => ({
    unitId,
    data: () => (hasRead ? aUnit(unitId) : undefined),
    isReady: () => hasRead && isLed,
    present: () => [unitId],
  });
  const members = ['E001', 'E002', 'E003'];
  const said = (...units: readonly (readonly [string, boolean, boolean])[]) =>
    waitingFor(
      units.map((one) => aWaitingUnit(...one)),
      members,
    );
  t.same(said(['E001', true, true], ['E002', true, true]), []);
  t.same(said(['E001', true, true], ['E002', false, true]), ['a reading of E002']);
  t.same(said(['E002', true, false]), ['a grid master, 1 of 3 members are there']);
  t.same(said(['E001', true, false], ['E003', false, false]), [
    'a reading of E003',
    'a grid master, 2 of 3 members are there',
  ]);
});

t.test('daemon-record: what is removed does not come back', async (t) => {
  const path = join(await aDirectory(), 'daemon.json');
  const content = { pid: 1, units: [], speed: 1 };
  const record = new DaemonRecord(path);
  t.equal(await record.write(content), true);
  t.same(JSON.parse(await readFile(path, 'utf8')), content);
  const late = record.write({ ...content, pid: 2 });
  await record.remove();
  t.equal(await late, false, 'it was being written when the daemon stopped');
  t.notOk(existsSync(path));
  t.equal(await record.write(content), false);
  t.notOk(existsSync(path));
  await writeFile(path, '');
  const blocked = new DaemonRecord(join(path, 'daemon.json'));
  await t.rejects(blocked.write(content));
});

t.test('houses that a flow drives (RULE-18)', async (t) => {
  const { flow } = await readFlow(fileURLToPath(new URL('../../flows/wired-device.json', import.meta.url)));
  t.same(wiredUnits(flow), ['E004']);
  const unit = { type: 'apis-unit', id: 'u', unitId: 'E002' };
  t.same(wiredUnits([unit, { type: 'apis-dcdc', unit: 'u', drives: false }]), []);
  t.same(wiredUnits([unit, { type: 'apis-dcdc', unit: 'u', drives: true }]), ['E002']);
  const devices = demoSettings(['E002']).map(({ unitConfig }) => unitConfig.device?.type);
  t.same(devices, ['emulated', 'flow', 'emulated', 'emulated']);
  t.throws(() => demoSettings(['E009']), /wired: expected one of the emulated houses E001, .*, got E009/);
});
