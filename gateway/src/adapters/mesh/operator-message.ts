import * as v from 'valibot';
import { CONVERTER_MODES, type ConverterMode } from '../../domain/converter-mode.ts';
import type { EmulationBody, EmulationState } from '../../domain/emulation.ts';
import type { OperatorBody } from '../../domain/messages.ts';
import { LOCAL_MODES, OPERATION_MODES } from '../../domain/operation-mode.ts';
import type { EpochMsec, Milliseconds } from '../../domain/quantities.ts';
import { LONGEST_VETO_MSEC } from '../../domain/question.ts';
import { parseJson, readJson } from '../files/read-json.ts';

const CONVERTER_MODE_NAMES = Object.keys(CONVERTER_MODES) as ConverterMode[]; // the table has no other keys

const word = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
const reason = v.pipe(v.string(), v.maxLength(1000));

const number = v.pipe(v.number(), v.finite());
/** What it means is known where the houses are emulated. */
const fault = v.objectWithRest(
  { kind: word, houseId: v.exactOptional(word), branch: v.exactOptional(word) },
  v.union([v.string(), number, v.boolean()]),
);

const operatorBody = v.variant('kind', [
  v.strictObject({ kind: v.literal('mode'), value: v.picklist(OPERATION_MODES), unitId: v.exactOptional(word) }),
  v.strictObject({ kind: v.literal('local-mode'), value: v.nullable(v.picklist(LOCAL_MODES)) }),
  v.strictObject({ kind: v.literal('emergency-stop'), reason }),
  v.strictObject({ kind: v.literal('deal.stop'), dealId: word, reason }),
  v.strictObject({ kind: v.literal('fault.acknowledge'), faultId: word }),
  v.strictObject({ kind: v.literal('scenario'), value: v.nullable(v.looseObject({})) }),
  v.strictObject({
    kind: v.literal('deal.request'),
    type: v.picklist(['charge', 'discharge']),
    amountWh: v.exactOptional(v.pipe(number, v.gtValue(0))),
    pairUnitId: v.exactOptional(word),
  }),
  v.strictObject({
    kind: v.literal('veto'),
    onSilence: v.nullable(v.picklist(['allow', 'refuse'])),
    limitMsec: v.exactOptional(v.pipe(number, v.minValue(10), v.maxValue(LONGEST_VETO_MSEC))),
    holdMsec: v.exactOptional(v.pipe(number, v.minValue(1_000), v.maxValue(600_000))),
  }),
  v.strictObject({
    kind: v.literal('verdict'),
    id: word,
    allow: v.boolean(),
    reason: v.exactOptional(reason),
  }),
  v.strictObject({ kind: v.literal('policy'), value: v.looseObject({}) }),
  v.strictObject({
    kind: v.literal('manual'),
    mode: v.picklist(CONVERTER_MODE_NAMES),
    gridCurrentA: v.exactOptional(v.pipe(v.number(), v.finite(), v.minValue(0))),
    gridVoltageV: v.exactOptional(v.pipe(v.number(), v.finite(), v.minValue(0))),
    holdMsec: v.exactOptional(v.pipe(v.number(), v.minValue(500), v.maxValue(60_000))),
  }),
  v.strictObject({
    kind: v.literal('schedule'),
    scope: v.picklist(['cluster', 'unit']),
    at: v.nullable(number),
  }),
  v.strictObject({ kind: v.literal('emulation.look') }),
  v.strictObject({
    kind: v.literal('emulation.set'),
    houseId: word,
    rsoc: v.exactOptional(number),
    pvW: v.exactOptional(v.nullable(number)),
    loadW: v.exactOptional(v.nullable(number)),
  }),
  v.strictObject({ kind: v.literal('emulation.inject'), fault }),
  v.strictObject({ kind: v.literal('emulation.heal'), target: v.exactOptional(fault) }),
  v.strictObject({ kind: v.literal('emulation.speed'), value: number }),
]);

/** Only what an operator's message needs of the envelope; further fields of it are let through unread. */
const operatorEnvelope = v.object({
  time: v.exactOptional(number),
  expiryMsec: v.exactOptional(v.pipe(v.number(), v.finite(), v.minValue(0))),
  body: operatorBody,
});

export interface OperatorMessage {
  readonly body: OperatorBody | EmulationBody;
  /** By the sender's wall clock. */
  readonly time?: EpochMsec;
  readonly expiryMsec?: Milliseconds;
}

/** Answer to one operator's message, on `answer/<id>` of the unit that heard it. */
export type OperatorAnswer =
  | { readonly ok: true; readonly emulation?: EmulationState }
  | { readonly ok: false; readonly message: string };

const houseState = v.object({
  houseId: word,
  unitId: word,
  rsoc: number,
  capacityWh: number,
  pvW: number,
  loadW: number,
  faults: v.array(word),
});
const emulation = v.object({
  time: number,
  speed: number,
  houses: v.array(houseState),
  branches: v.array(v.object({ branch: word, isBroken: v.boolean() })),
});

const operatorAnswer = v.union([
  v.object({ ok: v.literal(true), emulation: v.exactOptional(emulation) }),
  v.object({ ok: v.literal(false), message: v.string() }),
]);

/** `value: expected …, got "x"` for the first thing wrong. */
const describe = (issues: readonly v.BaseIssue<unknown>[]): string => {
  const issue = issues[0];
  if (issue === undefined) return 'not understood';
  const path = issue.path?.map((item) => String(item.key)).join('.') ?? '';
  return `${path === '' ? 'message' : path}: expected ${issue.expected ?? issue.message}, got ${issue.received}`;
};

/** Reads an operator's message, or says in one sentence what is wrong with it (INV-11). */
export function parseOperatorMessage(payload: Uint8Array): OperatorMessage | string {
  try {
    const result = v.safeParse(operatorEnvelope, parseJson(payload));
    return result.success ? result.output : describe(result.issues);
  } catch {
    return 'message: expected JSON';
  }
}

/** What is wrong with a body, or undefined when an operator may say it. */
export function problemOfOperatorBody(body: unknown): string | undefined {
  const result = v.safeParse(operatorBody, body);
  return result.success ? undefined : describe(result.issues);
}

/** Reads the answer to an operator's message; undefined for anything else. */
export const parseOperatorAnswer = (payload: Uint8Array): OperatorAnswer | undefined =>
  readJson(operatorAnswer, payload);

/** What stops or lowers is obeyed however late it comes; the rest is dropped once it has expired. */
const isStop = (body: OperatorBody | EmulationBody): boolean =>
  body.kind === 'emergency-stop' ||
  body.kind === 'deal.stop' ||
  (body.kind === 'manual' && body.mode === 'WAIT') ||
  (body.kind === 'mode' && body.value === 'stop') ||
  (body.kind === 'local-mode' && body.value !== null);

/** True when the message came too late to be acted upon (a thawed process reads what waited in its socket). */
export const isExpired = ({ body, time, expiryMsec }: OperatorMessage, now: EpochMsec): boolean =>
  time !== undefined && expiryMsec !== undefined && now - time > expiryMsec && !isStop(body);
