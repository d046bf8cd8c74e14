import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { apis, freePorts } from '../../gateway/test/support/process.ts';
import { manifest, nodeTypes, PACKAGE_DIR } from './support/package-files.ts';

const run = promisify(execFile);
const ROOT = join(PACKAGE_DIR, '..');
const GATEWAY_DIR = join(ROOT, 'gateway');

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

async function pack(directory: string, ...options: readonly string[]): Promise<Packed> {
  const { stdout } = await run('npm', ['pack', '--json', ...options], { cwd: directory, maxBuffer: 16_000_000 });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as Packed[];
  if (packed === undefined) throw new Error(`npm packed nothing in ${directory}`);
  return packed;
}

t.test('packages carry what a user needs, and nothing of the workshop', async (t) => {
  for (const directory of [PACKAGE_DIR, GATEWAY_DIR]) {
    const paths = (await pack(directory, '--dry-run')).files.map(({ path }) => path);
    for (const paper of ['README.md', 'LICENSE', 'CHANGELOG.md', 'package.json'])
      t.ok(paths.includes(paper), `${directory.slice(ROOT.length)}: ${paper}`);
    t.same(
      paths.filter((path) => /\.map$|tsbuildinfo|\/test\/|\.test\.|^src\//.test(path)),
      [],
    );
  }
});

/** A Node.js 20 of this machine: Node-RED 4.1 is used with it. */
const NODE_20 = [process.env.NODE_20, '/usr/bin/node'].find((path) => path !== undefined && existsSync(path));

const versionOf = async (node: string): Promise<string> => (await run(node, ['--version'])).stdout.trim();

/** It fetches a whole Node-RED or two from the registry: a minute or two. */
const SLOW = process.env.APIS_INSTALL_TESTS ? {} : { skip: 'slow: set APIS_INSTALL_TESTS=1' };
t.setTimeout(590_000);

interface Place {
  readonly node: string;
  readonly nodeRed: string;
  readonly packages: readonly string[];
}

interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  readonly output: () => string;
}

/** Installs packages and Node-RED into a directory of nobody, as a user does, and starts it with a flow. */
async function start(
  directory: string,
  { node, nodeRed, packages }: Place,
  dataDir: string,
  flow: readonly object[],
): Promise<Started> {
  await writeFile(join(directory, 'package.json'), '{"name":"somebody","private":true}');
  await writeFile(join(directory, 'flows.json'), JSON.stringify(flow));
  const [port = 0] = await freePorts(1);
  const settings = { uiHost: '127.0.0.1', uiPort: port, flowFile: 'flows.json', telemetry: { enabled: false } };
  await writeFile(join(directory, 'settings.js'), `module.exports = ${JSON.stringify(settings)};`);
  await run('npm', ['install', '--no-audit', '--no-fund', '--omit=dev', `node-red@${nodeRed}`, ...packages], {
    cwd: directory,
  });
  let output = '';
  const child = spawn(node, [join(directory, 'node_modules/node-red/red.js'), '-u', directory], {
    env: { ...process.env, APIS_DATA: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started = new Promise<void>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      output += String(chunk);
      if (output.includes('"rsoc"') || /rsoc:/.test(output)) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('exit', (code) => reject(new Error(`Node-RED ended with ${code}: ${output}`)));
    setTimeout(() => reject(new Error(`no reading within 60 s: ${output}`)), 60_000).unref();
  });
  await started;
  return { child, url: `http://127.0.0.1:${port}`, output: () => output };
}

const FLOW = [
  { id: 'tab.one', type: 'tab', label: 'One' },
  { id: 'cfg.unit', type: 'apis-unit', name: '', unitId: 'E001', host: '', port: '', role: 'operator', version: 1 },
  { id: 'battery', type: 'apis-battery', z: 'tab.one', name: '', unit: 'cfg.unit', version: 1, wires: [['said'], []] },
  {
    id: 'said',
    type: 'debug',
    z: 'tab.one',
    active: true,
    console: true,
    tosidebar: false,
    complete: 'payload',
    targetType: 'msg',
    wires: [],
  },
];

interface LoadedModule {
  readonly module: string;
  readonly types: readonly string[];
  readonly enabled: boolean;
  readonly err?: unknown;
}
const loadedTypes = async (url: string): Promise<readonly string[]> => {
  const sets = (await (
    await fetch(`${url}/nodes`, { headers: { accept: 'application/json' } })
  ).json()) as LoadedModule[];
  return sets
    .filter(({ module, enabled, err }) => module === manifest.name && enabled && err === undefined)
    .flatMap(({ types }) => types);
};

t.test('installs beside a stranger’s Node-RED and attaches to a gateway that runs', SLOW, async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'apis-installed-'));
  const gateway = apis('gateway', '--data', dataDir);
  t.teardown(async () => {
    gateway.child.kill('SIGINT');
    await gateway.ended;
    await rm(dataDir, { recursive: true, force: true });
  });
  await gateway.says('out', /Gateway ready/);
  const tarballs = await mkdtemp(join(tmpdir(), 'apis-packed-'));
  t.teardown(() => rm(tarballs, { recursive: true, force: true }));
  const packages: string[] = [];
  for (const directory of [GATEWAY_DIR, PACKAGE_DIR])
    packages.push(join(tarballs, (await pack(directory, '--pack-destination', tarballs)).filename));

  const has20 = NODE_20 !== undefined && (await versionOf(NODE_20)).startsWith('v20.');
  const on41 = has20 ? {} : { skip: 'needs Node.js 20: set NODE_20' };
  await t.test('Node-RED 4.1.15 on Node.js 20, without Dashboard: every node is in the palette', on41, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'apis-node-red-4-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const place = { node: NODE_20 ?? '', nodeRed: '4.1.15', packages };
    const { child, url, output } = await start(directory, place, dataDir, FLOW);
    t.teardown(() => child.kill('SIGKILL'));
    t.strictSame([...(await loadedTypes(url))].sort(), [...nodeTypes].sort());
    t.notMatch(output(), /\[error\]/);
  });

  await t.test('Node-RED 5.0.7 with Dashboard: its pages are found by the package’s name', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'apis-node-red-5-'));
    t.teardown(() => rm(directory, { recursive: true, force: true }));
    const withDashboard = [...packages, '@flowfuse/node-red-dashboard@1.31.0'];
    const place = { node: process.execPath, nodeRed: '5.0.7', packages: withDashboard };
    const { child, url, output } = await start(directory, place, dataDir, [
      ...FLOW,
      {
        id: 'cfg.ui',
        type: 'ui-base',
        name: 'UI',
        path: '/dashboard',
        includeClientData: false,
        acceptsClientConfig: [],
      },
    ]);
    t.teardown(() => child.kill('SIGKILL'));
    t.strictSame([...(await loadedTypes(url))].sort(), [...nodeTypes].sort());
    t.notMatch(output(), /\[error\]/);
    const { output: file } = manifest['node-red-dashboard-2'].widgets['ui-apis-page'] ?? { output: '' };
    t.equal((await fetch(`${url}/resources/${manifest.name}/${file}`)).status, 200);
    const html = await (await fetch(`${url}/dashboard`)).text();
    t.match(html, '<div id="app">', 'the dashboard is there');
  });
});
