import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConfigError } from '../domain/errors.ts';
import { dashboardPath, type FlowToRun, installFlow, readFlowToRun } from './flow-file.ts';
import { answersInTime } from './http-answers.ts';
import { type PreparedLogin, prepareLogin, readLogin } from './login-file.ts';
import { cookieName, sessionToken } from './login-session.ts';
import { loginFile, nodeRedArguments, nodeRedScript, ownNodes, writeSettings } from './node-red-set-up.ts';
import { flag, one } from './option.ts';
import { checkPortIsFree } from './port-owner.ts';
import { SupervisedChild } from './supervised-child.ts';
import { file, port } from './value-kinds.ts';

const HOST = '127.0.0.1';
const DEFAULT_PORT = 1880;
/** A small machine needs its time for the first start of Node-RED. */
const DASHBOARD_MSEC = 120_000;
export const NODE_RED_STOP_MSEC = 5_000;
/** Deploying a large flow keeps a small machine busy for some seconds; one that loops never comes back. */
const NODE_RED_SILENCE = { firstMsec: 120_000, silentMsec: 20_000 };

/** Of every command that runs Node-RED. */
export const NODE_RED_OPTIONS = {
  port: one(port, `port of editor and dashboard; default ${DEFAULT_PORT}`),
  flow: one(file, 'flow that Node-RED begins with; default: the emulated community'),
  'new-password': flag('make a new password for editor and dashboard; everybody has to log in again'),
} as const;

export interface NodeRedValues {
  readonly port: number | undefined;
  readonly flow: string | undefined;
  readonly fresh: boolean;
  readonly 'new-password': boolean;
}

export interface NodeRedPlan {
  readonly port: number;
  readonly userDir: string;
  readonly script: string;
  readonly flowText: string;
  readonly fresh: boolean;
  readonly newPassword: boolean;
  readonly dashboard: string | undefined;
}

/** Flow that ships with the project. */
const shippedFlow = (): string => fileURLToPath(new URL('../../../flows/emulated-community.json', import.meta.url));

/** Of every process beside a data directory: the nodes find the gateway by it. */
export const childEnvironment = (dataDir: string): NodeJS.ProcessEnv => ({
  ...process.env,
  APIS_DATA: dataDir,
  NODE_RED_DISABLE_TELEMETRY: '1',
});

const userDirIn = (dataDir: string): string => join(dataDir, 'nodered');

/** What Node-RED is going to run beside a data directory. Rejects ConfigError for a flow that cannot be read. */
export async function flowToRun(
  { flow, fresh }: Pick<NodeRedValues, 'flow' | 'fresh'>,
  dataDir: string,
): Promise<FlowToRun> {
  const path = flow ?? shippedFlow();
  if (!existsSync(path))
    throw new ConfigError([{ file: path, path: '', message: 'no such file; name a flow with --flow' }]);
  return readFlowToRun(path, userDirIn(dataDir), fresh);
}

/** Everything that can be refused is refused before anything is started. */
export async function checkNodeRed(values: NodeRedValues, dataDir: string): Promise<NodeRedPlan> {
  const { text, nodes } = await flowToRun(values, dataDir);
  const plan = {
    port: values.port ?? DEFAULT_PORT,
    userDir: userDirIn(dataDir),
    script: nodeRedScript(),
    flowText: text,
    fresh: values.fresh,
    newPassword: values['new-password'],
    dashboard: dashboardPath(nodes),
  };
  if (!plan.newPassword) await readLogin(loginFile(plan.userDir));
  await checkPortIsFree(HOST, plan.port);
  return plan;
}

/** Node-RED as it runs, and who may enter. */
export interface Face extends PreparedLogin {
  readonly plan: NodeRedPlan;
  readonly child: SupervisedChild;
}

/** Starts Node-RED under supervision, closed to everybody without the login. Rejects where its files cannot be written. */
export async function startNodeRed(
  plan: NodeRedPlan,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<Face> {
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

/** Where it is found and who may enter, once it is really there; undefined when it `ended` before. */
export async function addressLines(
  face: Face,
  ended: Promise<unknown>,
  say: (line: string) => void,
): Promise<readonly string[] | undefined> {
  const { port, dashboard } = face.plan;
  const editor = `http://${HOST}:${port}`;
  const abort = new AbortController();
  ended.then(() => abort.abort()).catch(() => undefined); // never rejects
  const page = dashboard === undefined ? `${editor}/` : `${editor}${dashboard}`;
  const cookie = `${cookieName(port)}=${sessionToken(face.login, Date.now() + DASHBOARD_MSEC)}`;
  const isThere = await answersInTime(page, DASHBOARD_MSEC, abort.signal, { cookie });
  if (abort.signal.aborted) return undefined;
  if (!isThere) say(`${page} does not answer yet; Node-RED's messages above may tell why`);
  return [...(dashboard === undefined ? [] : [`  Dashboard  ${page}`]), `  Editor     ${editor}/`, ...loginLines(face)];
}

const loginLines = ({ login, password }: PreparedLogin): readonly string[] =>
  password === undefined
    ? [`  User       ${login.user}, with the password from the first start; --new-password makes another`]
    : [`  User       ${login.user}`, `  Password   ${password}   (shown this once: keep it)`];
