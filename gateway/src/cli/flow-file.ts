import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { writeAtomically } from '../adapters/files/atomic-file.ts';
import { readIfThere } from '../adapters/files/read-optional.ts';
import { ConfigError, messageOf } from '../domain/errors.ts';

const node = v.looseObject({ type: v.string(), path: v.exactOptional(v.string()), order: v.exactOptional(v.number()) });
const driving = v.looseObject({ type: v.literal('apis-dcdc'), drives: v.literal(true), unit: v.string() });
const unit = v.looseObject({
  type: v.literal('apis-unit'),
  id: v.string(),
  unitId: v.pipe(v.string(), v.minLength(1)),
});
const flow = v.array(node);
export type Flow = v.InferOutput<typeof flow>;

/** Reads a flow; rejects ConfigError for a file that Node-RED could not load. */
export async function readFlow(path: string): Promise<{ readonly text: string; readonly flow: Flow }> {
  const wrong = (message: string): ConfigError => new ConfigError([{ file: path, path: '', message }]);
  const text = await readFile(path, 'utf8').catch((error) => {
    throw wrong(`cannot be read: ${messageOf(error)}`);
  });
  try {
    return { text, flow: v.parse(flow, JSON.parse(text)) };
  } catch {
    throw wrong('expected a Node-RED flow: an array of nodes, each with a type');
  }
}

/** Page that a flow's dashboard opens with, e.g. `/dashboard/community`; undefined for a flow without one. */
export function dashboardPath(nodes: Flow): string | undefined {
  const base = nodes.find(({ type }) => type === 'ui-base');
  if (base === undefined) return undefined;
  const [page] = nodes.filter(({ type }) => type === 'ui-page').sort((a, b) => (a.order ?? 0) - (b.order ?? 0));
  return `${base.path ?? '/dashboard'}${page?.path ?? ''}`;
}

/** Units whose converters the flow drives. */
export function wiredUnits(nodes: Flow): readonly string[] {
  const driven = nodes.filter((one) => v.is(driving, one)).map((one) => one.unit);
  return [
    ...new Set(nodes.filter((one) => v.is(unit, one) && driven.includes(one.id)).map((one) => String(one.unitId))),
  ];
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const targetIn = (userDir: string): string => join(userDir, 'flows.json');
const originIn = (userDir: string): string => join(userDir, '.flow-origin');

/** What Node-RED's directory has that its user has made or changed. */
async function editedFlow(userDir: string): Promise<string | undefined> {
  const present = await readIfThere(targetIn(userDir));
  return present === undefined || hashOf(present) === (await readIfThere(originIn(userDir))) ? undefined : present;
}

/** A flow that was given, and the nodes that are going to run: those of the user's own flow where it is kept. */
export interface FlowToRun {
  readonly text: string;
  readonly nodes: Flow;
}

/** Rejects ConfigError for a given file that Node-RED could not load, also where it is not going to run. */
export async function readFlowToRun(path: string, userDir: string, fresh: boolean): Promise<FlowToRun> {
  const { text, flow: given } = await readFlow(path);
  const edited = fresh ? undefined : await editedFlow(userDir);
  return { text, nodes: edited === undefined ? given : nodesIn(edited) };
}

/** Nodes of the user's flow; Node-RED itself tells what is wrong with one that cannot be read. */
function nodesIn(text: string): Flow {
  try {
    return v.parse(flow, JSON.parse(text));
  } catch {
    return [];
  }
}

/**
 * Puts a shipped flow where Node-RED may edit it. A copy that the user has changed is kept, unless `fresh`; one that
 * is as it was copied is replaced by a newer one. Gives true when the user's own flow was kept.
 */
export async function installFlow(text: string, userDir: string, fresh: boolean): Promise<boolean> {
  const edited = fresh ? undefined : await editedFlow(userDir);
  if (edited !== undefined) return edited !== text;
  await writeAtomically(targetIn(userDir), text);
  await writeAtomically(originIn(userDir), hashOf(text));
  return false;
}
