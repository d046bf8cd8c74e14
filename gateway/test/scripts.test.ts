import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { projectRoot } from './house/scan.ts';

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs Node in the project root, with `input` on stdin. */
async function runNode(args: string[], input = '', env: Record<string, string> = {}): Promise<Outcome> {
  const child = spawn(process.execPath, args, { cwd: projectRoot, env: { PATH: process.env.PATH ?? '', ...env } });
  child.stdin.end(input);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, out, err };
}

const lastLine = (out: string): string | undefined => out.trimEnd().split('\n').at(-1);

const PIPE_REPORTER = `
  import Reporter from './gateway/scripts/summary-reporter.js';
  process.stdin.pipe(new Reporter()).pipe(process.stdout);
`;

const report = (tap: string, checks = {}): Promise<Outcome> =>
  runNode(['--input-type=module', '--eval', PIPE_REPORTER], tap, { APIS_CHECKS: JSON.stringify(checks) });

t.test('summary-reporter.js', async (t) => {
  t.test('counts the assertions of all files in the last line', async (t) => {
    const { out } = await report(
      [
        'TAP version 14',
        '# Subtest: a.test.ts',
        '    ok 1 - one',
        '    # Subtest: inner',
        '        ok 1 - two',
        '        not ok 2 - three',
        '          ---',
        '          at: {fileName: a.test.ts, lineNumber: 7}',
        '          diff: "-1 +2"',
        '          ...',
        '        1..2',
        '    not ok 2 - inner',
        '    ok 3 - four # SKIP needs a board',
        '    1..3',
        'not ok 1 - a.test.ts # time=12ms',
        '1..1',
        '',
      ].join('\n'),
    );
    t.equal(lastLine(out), '2 passed, 1 failed, 1 skipped');
    t.match(out, /not ok .*inner > three\n +at a\.test\.ts:7\n +-1 \+2/, 'a failure says where and why');
    t.match(out, /^FAIL a\.test\.ts \(12 ms\)$/m);
    t.match(out, /^skip .*four: needs a board$/m, 'a skip says its reason');
  });

  t.test('a file that dies without an assertion counts as failed', async (t) => {
    const { out } = await report('TAP version 14\nnot ok 1 - b.test.ts\n  ---\n  exitCode: 3\n  ...\n1..1\n');
    t.equal(lastLine(out), '0 passed, 1 failed, 0 skipped');
    t.match(out, /exitCode: 3/);
  });

  t.test('a run that breaks its plan counts as failed although every assertion passed', async (t) => {
    const { out } = await report('TAP version 14\nok 1 - a\n1..2\n');
    t.equal(lastLine(out), '1 passed, 1 failed, 0 skipped');
  });

  t.test('the checks before the tests count too', async (t) => {
    const { out } = await report('TAP version 14\nok 1 - a\n1..1\n', { lint: true, types: false });
    t.match(out, /^ok {3}lint\nFAIL types\n/);
    t.equal(lastLine(out), '2 passed, 1 failed, 0 skipped');
  });
});

t.test('run.js refuses an unknown task with exit code 2 and names the known ones', async (t) => {
  const { code, out, err } = await runNode(['gateway/scripts/run.js', 'dance']);
  t.equal(code, 2);
  t.equal(out, '', 'stdout belongs to the tasks');
  t.match(err, /unknown task "dance".*start.*test/);
});

t.test('run-child.js: the exit code and signals of the task pass through', async (t) => {
  const wrap = (program: string): string[] => [
    '--input-type=module',
    '--eval',
    `import { runChild } from './gateway/scripts/lib/run-child.js';
     process.exitCode = await runChild(process.execPath, ['--eval', ${JSON.stringify(program)}]);`,
  ];
  t.equal((await runNode(wrap('process.exitCode = 7'))).code, 7);
  t.equal((await runNode(wrap("process.kill(process.pid, 'SIGKILL')"))).code, 137);

  const child = spawn(
    process.execPath,
    wrap("process.on('SIGTERM', () => process.exit(42)); setInterval(() => {}, 1000); console.log('up')"),
    { cwd: projectRoot, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  const [code] = await once(child, 'close');
  t.equal(code, 42, 'the child handled SIGTERM itself');
});

t.test('with-lock.js', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'apis-lock-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const name = `test-${process.pid}`;
  const locked = (action: string): string[] => [
    '--input-type=module',
    '--eval',
    `import { withLock } from './gateway/scripts/lib/with-lock.js';
     import { appendFileSync, readFileSync } from 'node:fs';
     await withLock('${name}', async () => { ${action} });`,
  ];
  const locksLeft = (): string[] => readdirSync(join(projectRoot, '.cache')).filter((entry) => entry.includes(name));

  t.test('actions of several processes never overlap', async (t) => {
    const log = join(folder, 'log');
    const noted = `appendFileSync('${log}', '('); await new Promise((go) => setTimeout(go, 30)); appendFileSync('${log}', ')');`;
    writeFileSync(log, '');
    await Promise.all([1, 2, 3].map(() => runNode(locked(noted))));
    const { out } = await runNode(locked(`process.stdout.write(readFileSync('${log}'))`));
    t.equal(out, '()()()');
    t.same(locksLeft(), []);
  });

  t.test('the lock of a process that was killed is taken over', async (t) => {
    const dead = await runNode(locked("process.kill(process.pid, 'SIGKILL')"));
    t.equal(dead.code, null, 'died while holding it');
    t.equal(locksLeft().length, 1);
    const { code, out } = await runNode(locked("process.stdout.write('mine')"));
    t.same([code, out], [0, 'mine']);
  });

  t.test('a failed action gives the lock back', async (t) => {
    const { code } = await runNode(locked("throw new Error('no')"));
    t.equal(code, 1);
    t.same(locksLeft(), []);
  });
});

t.test('build-stamp.js', async (t) => {
  const project = mkdtempSync(join(tmpdir(), 'apis-stamp-'));
  t.teardown(() => rmSync(project, { recursive: true }));
  const put = (path: string, content: string): void => {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), content);
  };
  const scripts = join(project, 'gateway/scripts/lib');
  for (const name of ['build-stamp.js', 'paths.js'])
    cpSync(join(projectRoot, 'gateway/scripts/lib', name), join(scripts, name));
  const configs = ['gateway', 'node-red-nodes', 'registry'].map((folder) => `${folder}/tsconfig.json`);
  const sources = ['gateway/src/a.ts', 'node-red-nodes/src/b.ts', 'node-red-nodes/build.mjs', 'registry/src/c.ts'];
  for (const file of [...sources, ...configs, 'flows/demo.json', 'tsconfig.base.json', 'package-lock.json'])
    put(file, 'as written');
  const stamp = (await import(join(scripts, 'build-stamp.js'))) as {
    isBuildCurrent(): boolean;
    rememberBuild(): () => void;
  };
  const build = (): void => {
    const remember = stamp.rememberBuild();
    const results = ['gateway/dist/a.js', 'node-red-nodes/dist/nodes/b.js', 'node-red-nodes/resources/b.umd.js'];
    for (const file of [...results, 'node-red-nodes/examples/flows/demo.json']) put(file, `built ${performance.now()}`);
    remember();
  };

  t.equal(stamp.isBuildCurrent(), false, 'nothing is built yet');
  build();
  t.equal(stamp.isBuildCurrent(), true, 'what a build writes does not put it out of date');
  put('node-red-nodes/docs/picture.png', 'nothing that a build reads');
  t.equal(stamp.isBuildCurrent(), true);

  for (const file of ['flows/demo.json', 'node-red-nodes/build.mjs', 'registry/src/new.ts']) {
    put(file, 'changed by somebody');
    t.equal(stamp.isBuildCurrent(), false, `${file} is read`);
    build();
    t.equal(stamp.isBuildCurrent(), true);
  }
  rmSync(join(project, 'node-red-nodes/resources'), { recursive: true });
  t.equal(stamp.isBuildCurrent(), false, 'a result is gone');
});

t.test('system-packages.js', async (t) => {
  const program = (folder: string, name: string, text = ''): void =>
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });

  /** A machine with some programs, whose apt-get notes what it is asked for and refuses to install spin. */
  const aMachine = (t: Test, programs: readonly string[]) => {
    const folder = mkdtempSync(join(tmpdir(), 'apis-apt-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const bin = join(folder, 'bin');
    const calls = join(folder, 'calls');
    const policy = join(folder, 'policy-rc.d');
    mkdirSync(bin);
    for (const name of programs) program(bin, name);
    const withApt = (): void =>
      program(
        bin,
        'apt-get',
        `echo "$@" $(test -x ${policy} && echo no-services) >> ${calls}; case "$*" in *spin) exit 100; esac`,
      );
    const ensure = (userId: number): Promise<Outcome> =>
      runNode(
        [
          '--input-type=module',
          '--eval',
          `import { ensureSystemPackages } from './gateway/scripts/lib/system-packages.js';
           process.getuid = () => ${userId};
           await ensureSystemPackages(['${bin}'], '${policy}');`,
        ],
        '',
        { PATH: `${bin}:/bin:/usr/bin` },
      );
    const called = (): readonly string[] => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []);
    return { withApt, ensure, called, policy };
  };

  const MOST = ['chromium', 'openssl', 'ip', 'nft', 'gcc', 'systemd-analyze'];

  t.test('installs what is missing, each with its progress, and starts no service', async (t) => {
    const { withApt, ensure, called, policy } = aMachine(t, MOST);
    withApt();
    const { code, out, err } = await ensure(0);
    t.same([code, out], [0, ''], 'stdout belongs to the tasks');
    t.equal(called().length, 3, 'an index, two packages');
    t.match(called()[0], /update no-services$/);
    t.match(called()[1], /install --yes --no-install-recommends mosquitto no-services$/);
    t.match(err, /install mosquitto \(apt-get, 1 of 2\): done/);
    t.match(err, /install spin \(apt-get, 2 of 2\) failed .*skipped: the check of the model/, 'one failure is told');
    t.notOk(existsSync(policy), 'the machine keeps no policy of ours');
  });

  t.test('does nothing and says nothing when all is there', async (t) => {
    const { withApt, ensure, called } = aMachine(t, [...MOST, 'mosquitto', 'spin']);
    withApt();
    t.match(await ensure(0), { code: 0, err: '' });
    t.same(called(), []);
  });

  t.test('without root or apt-get it says which tests are skipped, and why', async (t) => {
    const { withApt, ensure, called } = aMachine(t, MOST);
    t.match((await ensure(0)).err, /not found: mosquitto, spin, and there is no apt-get; skipped: the tests against/);
    withApt();
    t.match((await ensure(1000)).err, /only root may install it; skipped: .*mosquitto, the check of the model/);
    t.same(called(), []);
  });
});

t.test('coverage-gate.js: passes where every branch was taken, else names the file', async (t) => {
  const after = async (program: string, paths: readonly string[]): Promise<Outcome> => {
    const directory = mkdtempSync(join(tmpdir(), 'apis-coverage-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    // Two that count at the same time take each other's counts away: here tap does not.
    const counted = { NODE_V8_COVERAGE: directory, _TAPJS_PROCESSINFO_COVERAGE_: '0' };
    await runNode(['--input-type=module', '--eval', program], '', counted);
    const gate = `
      import { coverageGate } from './gateway/scripts/lib/coverage-gate.js';
      process.exitCode = await coverageGate(${JSON.stringify(directory)}, ${JSON.stringify(paths)});
    `;
    return runNode(['--input-type=module', '--eval', gate]);
  };
  const afterCalls = (...sides: readonly string[]): Promise<Outcome> =>
    after(`import { otherSide } from './gateway/src/domain/deal.ts'; ${JSON.stringify(sides)}.map(otherSide);`, [
      'gateway/src/domain/deal.ts',
    ]);
  t.match(await afterCalls('chargeUnit', 'dischargeUnit'), { code: 0 });
  const short = await afterCalls('chargeUnit');
  t.equal(short.code, 1);
  t.match(short.err, /branches .* does not meet threshold \(100%\) for gateway\/src\/domain\/deal\.ts/);

  const unloaded = await after('', ['gateway/src/market']);
  t.equal(unloaded.code, 1, '0 of 0 branches are not all of them');
  t.match(unloaded.err, /no test has loaded gateway\/src\/market\/backoff\.ts/);
  t.notMatch(unloaded.err, /market\/needs\.ts/, 'types alone are never loaded');
});
