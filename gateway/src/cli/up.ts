import { resolve } from 'node:path';
import { messageOf } from '../domain/errors.ts';
import { command, type Io } from './command.ts';
import { findDaemon } from './daemon-link.ts';
import { lockData } from './data-lock.ts';
import { ensureDemoCertificates } from './demo-certificates.ts';
import { wiredUnits } from './flow-file.ts';
import { forgetUnits } from './fresh-data.ts';
import {
  addressLines,
  checkNodeRed,
  childEnvironment,
  type Face,
  flowToRun,
  NODE_RED_OPTIONS,
  NODE_RED_STOP_MSEC,
  type NodeRedPlan,
  type NodeRedValues,
  startNodeRed,
} from './node-red-face.ts';
import { flag } from './option.ts';
import { dataDirOf, readSetUp, SET_UP_OPTIONS, type SetUp, type SetUpValues } from './set-up.ts';
import { listenForStop, type StopRequest } from './stop-request.ts';
import type { SupervisedChild } from './supervised-child.ts';
import { SupervisedGateway } from './supervised-gateway.ts';

const OPTIONS = {
  ...SET_UP_OPTIONS,
  ...NODE_RED_OPTIONS,
  'no-node-red': flag('run the gateway alone'),
  fresh: flag('begin anew: the shipped flow, and emulated houses without memory'),
} as const;

interface UpValues extends SetUpValues, NodeRedValues {
  readonly 'no-node-red': boolean;
}

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

/** The flow that is going to run asks for the emulated devices that it drives; somebody's own configs say so themselves. */
async function withWired(values: UpValues, words: readonly string[]): Promise<UpValues> {
  const isDemo = values.config.length === 0 && words.length === 0;
  if (values['no-node-red'] || !isDemo) return values;
  const { nodes } = await flowToRun(values, dataDirOf(values));
  return { ...values, wired: [...new Set([...values.wired, ...wiredUnits(nodes)])] };
}

/** The gateway reads it again: here only what is wrong with it is of interest, before anything is made. */
async function checkDataset(setUp: SetUp): Promise<void> {
  if (setUp.dataset === undefined) return;
  const { readDataset } = await import('../api/read-dataset.ts'); // the supervisor stays small without it
  await readDataset(setUp.dataset, idsOf(setUp));
}

const clusterOf = ({ settings }: SetUp): string => settings[0]?.unitConfig.clusterId ?? 'NA';
const idsOf = ({ settings }: SetUp): readonly string[] => settings.map(({ unitConfig }) => unitConfig.unitId);

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
  const env = childEnvironment(dataDir);
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
  const end = async (): Promise<number> => {
    say('stopping');
    // The converters come first: the gateway ends its deals while Node-RED still shows it.
    const code = await gateway.stop();
    await Promise.all(others.map((child) => child.stop(NODE_RED_STOP_MSEC)));
    return code;
  };
  try {
    const endedEarly = await Promise.race([gateway.listening.then(() => false), ended.then(() => true)]);
    if (!endedEarly) {
      const face = await faceOf(nodeRed, env, say);
      if (face !== undefined) others.push(face.child);
      await announce(setUp, face, ended, io, say);
    }
    await ended;
  } catch (error) {
    await end(); // a defect here is no reason to leave the houses to themselves
    throw error;
  }
  // Whether the converters are in WAIT is what the gateway's own end tells.
  return end();
}

/** The houses trade without Node-RED, too: what keeps it from starting is told, and keeps nobody from trading. */
async function faceOf(
  plan: NodeRedPlan | undefined,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<Face | undefined> {
  try {
    return plan && (await startNodeRed(plan, env, say));
  } catch (error) {
    say(`Node-RED cannot be started: ${messageOf(error)}`);
    say('the gateway goes on without editor and dashboard; mend that, and run "apis up" again');
    return undefined;
  }
}

/** One clear block, once the dashboard is really there. */
async function announce(
  { dataDir }: SetUp,
  face: Face | undefined,
  ended: Promise<unknown>,
  io: Io,
  say: (line: string) => void,
): Promise<void> {
  const lines = face === undefined ? [] : await addressLines(face, ended, say);
  if (lines === undefined) return;
  io.out(['APIS Edge is running.', ...lines, `  Data       ${dataDir}`, 'Stop it with Ctrl-C.', ''].join('\n'));
}

function hurry(gateway: SupervisedGateway, others: readonly SupervisedChild[]): void {
  gateway.hurry();
  for (const child of others) child.kill();
}
