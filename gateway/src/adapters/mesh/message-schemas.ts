import * as v from 'valibot';
import { FAULT_CATEGORIES, FAULT_EXTENTS, FAULT_LEVELS } from '../../domain/fault.ts';
import type { Bodies, Channel } from '../../domain/messages.ts';
import { LOCAL_MODES, OPERATION_MODES } from '../../domain/operation-mode.ts';
import type { Delivery } from '../../ports/bus.ts';
import { parseJson } from '../files/read-json.ts';
import { MAX_MESSAGE_BYTES, parseTopic } from './mqtt-topics.ts';

/** A delivery of any channel, as one type. */
export type AnyDelivery = { [C in Channel]: Delivery<C> }[Channel];

const text = v.pipe(v.string(), v.maxLength(2_000));
const id = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
const number = v.pipe(v.number(), v.finite());
const endpoint = { host: id, port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)) };
const mode = v.picklist(OPERATION_MODES);
const stampedMode = v.looseObject({ value: mode, term: number, revision: number });
const optional = v.exactOptional;

const dcdc = v.looseObject({
  status: v.looseObject({ status: text, operationMode: text, alarmState: text }),
  meter: v.looseObject({ vg: number, ig: number, wg: number, vb: number, ib: number, wb: number, tmp: number }),
  vdis: v.looseObject({ dvg: number, drg: number }),
  param: v.looseObject({ dig: number }),
});

const scenarioRule = v.looseObject({ limitWh: number, pointPerWh: optional(number), pairUnitId: optional(id) });
const scenarioRules = v.looseObject({ charge: optional(scenarioRule), discharge: optional(scenarioRule) });

/**
 * What a message must at least be, by channel: the fields that clients calculate with or show. Further fields pass
 * unread, so that a newer daemon does not go dark for an older client.
 */
const BODIES = {
  birth: v.looseObject({
    unitId: id,
    session: id,
    version: text,
    display: text,
    broker: optional(v.looseObject({ ...endpoint, isOwn: optional(v.literal(true)) })),
    peers: optional(v.pipe(v.array(v.looseObject({ unitId: id, ...endpoint })), v.maxLength(256))),
    policyHash: text,
    startedAt: number,
  }),
  unit: v.looseObject({
    time: text,
    oesunit: v.looseObject({ id, display: text }),
    dcdc,
    battery: v.looseObject({ rsoc: number }),
    emu: optional(v.looseObject({})),
    apis: v.looseObject({ operation_mode: v.looseObject({ effective: mode }) }),
    scenario: optional(
      v.looseObject({
        from: text,
        to: text,
        status: optional(text),
        request: optional(scenarioRules),
        accept: optional(scenarioRules),
      }),
    ),
  }),
  election: v.looseObject({ session: id, beacon: number, term: number, role: text }),
  grid: v.looseObject({
    gridMasterUnitId: id,
    session: id,
    term: number,
    pass: number,
    passMsec: number,
    mode: stampedMode,
    permits: v.array(v.looseObject({ unitId: id })),
    hasGlobalErrors: v.boolean(),
  }),
  deal: v.looseObject({
    dealId: id,
    type: v.picklist(['charge', 'discharge']),
    chargeUnitId: id,
    dischargeUnitId: id,
    dealGridCurrentA: number,
    dealAmountWh: number,
    createDateTime: text,
    cumulateAmountWh: optional(number),
    activateDateTime: optional(text),
    startDateTime: optional(text),
    stopDateTime: optional(text),
    deactivateDateTime: optional(text),
    abortReason: optional(text),
    needToStopReasons: optional(v.array(text)),
    term: number,
    revision: number,
  }),
  mode: v.looseObject({ global: stampedMode, local: v.nullable(v.picklist(LOCAL_MODES)), effective: mode }),
  fault: v.looseObject({
    unitId: id,
    category: v.picklist(FAULT_CATEGORIES),
    extent: v.picklist(FAULT_EXTENTS),
    level: v.picklist(FAULT_LEVELS),
    reason: text,
    message: text,
    at: text,
  }),
  request: v.looseObject({ unitId: id, type: v.picklist(['charge', 'discharge']), amountWh: number }),
  accept: v.looseObject({ unitId: id }),
  command: v.looseObject({ kind: text }),
  reply: v.looseObject({ ok: v.boolean() }),
  policy: v.looseObject({ hash: text, policy: v.looseObject({}) }),
  revocations: v.looseObject({ number: number, pem: v.pipe(v.string(), v.maxLength(MAX_MESSAGE_BYTES)) }),
} as const satisfies Record<Channel, v.GenericSchema>;

const envelope = v.looseObject({
  id,
  sender: id,
  session: id,
  term: number,
  time: number,
  expiryMsec: optional(v.pipe(number, v.minValue(0))),
  uptimeMsec: optional(number),
  body: v.looseObject({}),
});

const isChannel = (channel: string): channel is Channel => Object.hasOwn(BODIES, channel);

/** A message as it came from a broker, taken apart and judged. */
export type Heard =
  | { readonly kind: 'message'; readonly unitId: string; readonly delivery: AnyDelivery }
  /** A retained message was taken back. */
  | { readonly kind: 'gone'; readonly unitId: string; readonly channel: Channel; readonly key: string }
  /** Not for us: clients' own words, or another tree. */
  | { readonly kind: 'other' }
  /** Refused; `why` is for the log (INV-11). */
  /** `what` is one of a few: of garbage there is no end, and a log is not for filling. */
  | { readonly kind: 'garbage'; readonly what: string; readonly why: string };

const garbage = (why: string, what = why): Heard => ({ kind: 'garbage', what, why });

/** Judges a message by its topic, size, envelope, sender and the schema of its channel; never throws. */
export function hear(topicText: string, payload: Uint8Array): Heard {
  const topic = parseTopic(topicText);
  if (topic === undefined || !isChannel(topic.channel)) return { kind: 'other' };
  const { unitId, channel, key } = topic;
  if (payload.length === 0) return { kind: 'gone', unitId, channel, key };
  if (payload.length > MAX_MESSAGE_BYTES) return garbage(`over ${MAX_MESSAGE_BYTES} bytes`);
  try {
    const parsed: unknown = parseJson(payload);
    if (!v.is(envelope, parsed)) return garbage('no envelope');
    // What stands on a unit's topics was said by that unit (architecture.md §3).
    if (parsed.sender !== unitId) return garbage(`sender ${parsed.sender} on the topic of ${unitId}`, 'another sender');
    if (!v.is(BODIES[channel], parsed.body)) return garbage(`body does not fit channel ${channel}`);
    const body: Bodies[Channel] = parsed.body as never; // just judged by the channel's own schema
    return { kind: 'message', unitId, delivery: { channel, key, envelope: { ...parsed, body } } as AnyDelivery };
  } catch {
    return garbage('no JSON');
  }
}
