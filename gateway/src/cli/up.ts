import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../domain/errors.ts';
import { command, type Io } from './command.ts';
import { findDaemon } from './daemon-link.ts';
import { lockData } from './data-lock.ts';
import { ensureDemoCertificates } from './demo-certificates.ts';
import { dashboardPath, installFlow, readFlow, wiredUnits } from './flow-file.ts';
import { forgetUnits } from './fresh-data.ts';
import { answersInTime } from './http-answers.ts';
import { type PreparedLogin, prepareLogin, readLogin } from './login-file.ts';
import { cookieName, sessionToken } from './login-session.ts';
import { loginFile, nodeRedArguments, nodeRedScript, ownNodes, writeSettings } from './node-red-set-up.ts';
import { flag, one } from './option.ts';
import { checkPortIsFree } from './port-owner.ts';
import { readSetUp, SET_UP_OPTIONS, type SetUp, type SetUpValues } from './set-up.ts';
import { listenForStop, type StopRequest } from './stop-request.ts';
import { SupervisedChild } from './supervised-child.ts';
import { SupervisedGateway } from './supervised-gateway.ts';
import { file, port } from './value-kinds.ts';

const HOST = '127.0.0.1';
const DEFAULT_PORT = 1880;
/** A small machine needs its time for the first start of Node-RED. */
const DASHBOARD_MSEC = 120_000;
const NODE_RED_STOP_MSEC = 5_000;
/** Deploying a large flow keeps a small machine busy for some seconds; one that loops never comes back. */
const NODE_RED_SILENCE = { firstMsec: 120_000, silentMsec: 20_000 };

const OPTIONS = {
  ...SET_UP_OPTIONS,
  flow: one(file, 'flow that Node-RED begins with; default: the emulated community'),
  'no-node-red': flag('run the gateway alone'),
  fresh: flag('begin anew: the shipped flow, and emulated houses without memory'),
  port: one(port, `port of editor and dashboard; default ${DEFAULT_PORT}`),
  'new-password': flag('make a new password for editor and dashboard; everybody has to log in again'),
} as const;

interface UpValues extends SetUpValues {
  readonly flow: string | undefined;
  readonly fresh: boolean;
  readonly port: number | undefined;
  readonly 'no-node-red': boolean;
  readonly 'new-password': boolean;
}

/** Flow that ships with the project. */
const shippedFlow = (): string => fileURLToPath(new URL('../../../flows/emulated-community.json', import.meta.url));

export const up = command({
  summary: 'run gateway, Node-RED and dashboard together',
  words: '[CONFIG…]',
  options: OPTIONS,
  run: async (given, words, io) => {
    const values = await withWired(given, words);
    const setUp = readSetUp(values, words, io);
    await checkDataset(setUp);
    const nodeRed = values['no-node-red'] ? undefined : await checkNodeRed(values, setUp.dataDir);
    const lock = await lockData(setUp.dataDir, 'supervisor.lock');
    const stop = listenForStop();
    try {
      return await supervise({ values, words, setUp, nodeRed, io, stop });
    } finally {
      stop.dispose();
      await lock.release();
    }
  },
});

/** A flow that drives emulated devices asks for them; its own configs say so themselves. */
async function withWired(values: UpValues, words: readonly string[]): Promise<UpValues> {
  const isDemo = values.config.length === 0 && words.length === 0;
  if (values['no-node-red'] || !isDemo || values.flow === undefined) return values;
  const { flow } = await readFlow(values.flow);
  return { ...values, wired: [...new Set([...values.wired, ...wiredUnits(flow)])] };
}

/** The gateway reads it again: here only what is wrong with it is of interest, before anything is made. */
async function checkDataset(setUp: SetUp): Promise<void> {
  if (setUp.dataset === undefined) return;
  const { readDataset } = await import('../api/read-dataset.ts'); // the supervisor stays small without it
  await readDataset(setUp.dataset, idsOf(setUp));
}

const clusterOf = ({ settings }: SetUp): string => settings[0]?.unitConfig.clusterId ?? 'NA';
const idsOf = ({ settings }: SetUp): readonly string[] => settings.map(({ unitConfig }) => unitConfig.unitId);

interface NodeRedPlan {
  readonly port: number;
  readonly userDir: string;
  readonly script: string;
  readonly flowText: string;
  readonly fresh: boolean;
  readonly newPassword: boolean;
  readonly dashboard: string | undefined;
}

/** Everything that can be refused is refused before anything is started. */
async function checkNodeRed(values: UpValues, dataDir: string): Promise<NodeRedPlan> {
  const path = values.flow ?? shippedFlow();
  if (!existsSync(path))
    throw new ConfigError([{ file: path, path: '', message: 'no such file; name a flow with --flow' }]);
  const { text, flow } = await readFlow(path);
  const plan = {
    port: values.port ?? DEFAULT_PORT,
    userDir: join(dataDir, 'nodered'),
    script: nodeRedScript(),
    flowText: text,
    fresh: values.fresh,
    newPassword: values['new-password'],
    dashboard: dashboardPath(flow),
  };
  if (!plan.newPassword) await readLogin(loginFile(plan.userDir));
  await checkPortIsFree(HOST, plan.port);
  return plan;
}

/** The same set-up for the daemon's own command line. */
function daemonArguments(values: UpValues, words: readonly string[], { dataDir }: SetUp): readonly string[] {
  const pass = (name: string, value: string | number | undefined): readonly string[] =>
    value === undefined ? [] : [`--${name}`, String(value)];
  return [
    ...pass('data', dataDir),
    ...pass('dataset', values.dataset),
    ...pass('speed', values.speed),
    ...pass('broker-port', values['broker-port']),
    ...pass('start', values.start === undefined ? undefined : new Date(values.start).toISOString().slice(0, 19)),
    ...values.wired.flatMap((id) => pass('wired', id)),
    ...configPaths(values, words).flatMap((path) => pass('config', path)),
  ];
}

/** Absolute: a gateway that is taken over was started elsewhere, perhaps. */
const configPaths = (values: UpValues, words: readonly string[]): readonly string[] =>
  [...values.config, ...words].map((path) => resolve(path));

interface Supervision {
  readonly values: UpValues;
  readonly words: readonly string[];
  readonly setUp: SetUp;
  readonly nodeRed: NodeRedPlan | undefined;
  readonly io: Io;
  readonly stop: StopRequest;
}

/** Runs both children until it is asked to stop, or one of them cannot be run at all. */
async function supervise({ values, words, setUp, nodeRed, io, stop }: Supervision): Promise<number> {
  const say = (line: string): void => io.err(`apis: ${line}\n`);
  const { dataDir } = setUp;
  const env = { ...process.env, APIS_DATA: dataDir, NODE_RED_DISABLE_TELEMETRY: '1' };
  const configs = configPaths(values, words);
  const gateway = new SupervisedGateway({ dataDir, args: daemonArguments(values, words, setUp), configs, env, say });
  const others: SupervisedChild[] = [];
  stop.askedAgain.then(() => hurry(gateway, others)).catch(() => undefined); // never rejects
  const forgetsUnits = values.fresh && setUp.isDemo;
  await gateway.start(await findDaemon(dataDir), !forgetsUnits, async () => {
    if (forgetsUnits) await forgetUnits(dataDir, idsOf(setUp));
    if (setUp.isDemo) await ensureDemoCertificates(dataDir, clusterOf(setUp), idsOf(setUp));
  });
  const ended = Promise.race([gateway.gone, stop.asked.then(() => undefined)]);
  const endedEarly = await Promise.race([gateway.listening.then(() => false), ended.then(() => true)]);
  if (!endedEarly) {
    const face = nodeRed && (await startNodeRed(nodeRed, env, say));
    if (face !== undefined) others.push(face.child);
    await announce(setUp, face, ended, io, say);
  }
  await ended;
  say('stopping');
  // The converters come first: the gateway ends its deals while Node-RED still shows it.
  const code = await gateway.stop();
  await Promise.all(others.map((child) => child.stop(NODE_RED_STOP_MSEC)));
  // Whether the converters are in WAIT is what the gateway's own end tells.
  return code;
}

/** Node-RED as it runs, and who may enter. */
interface Face extends PreparedLogin {
  readonly plan: NodeRedPlan;
  readonly child: SupervisedChild;
}

async function startNodeRed(plan: NodeRedPlan, env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<Face> {
  const nodesDir = ownNodes();
  if (nodesDir.length === 0) say('the APIS nodes are not installed: flows that use them will not start');
  const { port, script, userDir } = plan;
  const prepared = await prepareLogin(loginFile(userDir), plan.newPassword);
  const settingsFile = await writeSettings(userDir, { host: HOST, port, nodesDir });
  const isOwnKept = await installFlow(plan.flowText, userDir, plan.fresh);
  if (isOwnKept) say('your edited flow is kept; --fresh replaces it with the shipped one');
  const child = new SupervisedChild({
    name: 'Node-RED',
    execPath: process.execPath,
    args: (isSafe) => nodeRedArguments({ script, userDir, settingsFile, port, isSafe }),
    env,
    say,
    hasSafeMode: true,
    silence: NODE_RED_SILENCE,
    onMessage: () => child.heard(),
  });
  child.start();
  return { ...prepared, plan, child };
}

/** One clear block, once the dashboard is really there. */
async function announce(
  { dataDir }: SetUp,
  face: Face | undefined,
  ended: Promise<unknown>,
  io: Io,
  say: (line: string) => void,
): Promise<void> {
  const lines: string[] = [];
  if (face !== undefined) {
    const { port, dashboard } = face.plan;
    const editor = `http://${HOST}:${port}`;
    const abort = new AbortController();
    ended.then(() => abort.abort()).catch(() => undefined); // never rejects
    const page = dashboard === undefined ? `${editor}/` : `${editor}${dashboard}`;
    const cookie = `${cookieName(port)}=${sessionToken(face.login, Date.now() + DASHBOARD_MSEC)}`;
    const isThere = await answersInTime(page, DASHBOARD_MSEC, abort.signal, { cookie });
    if (abort.signal.aborted) return;
    if (!isThere) say(`${page} does not answer yet; Node-RED's messages above may tell why`);
    if (dashboard !== undefined) lines.push(`  Dashboard  ${page}`);
    lines.push(`  Editor     ${editor}/`, ...loginLines(face));
  }
  io.out(['APIS Edge is running.', ...lines, `  Data       ${dataDir}`, 'Stop it with Ctrl-C.', ''].join('\n'));
}

const loginLines = ({ login, password }: PreparedLogin): readonly string[] =>
  password === undefined
    ? [`  User       ${login.user}, with the password from the first start; --new-password makes another`]
    : [`  User       ${login.user}`, `  Password   ${password}   (shown this once: keep it)`];

function hurry(gateway: SupervisedGateway, others: readonly SupervisedChild[]): void {
  gateway.hurry();
  for (const child of others) child.kill();
}
