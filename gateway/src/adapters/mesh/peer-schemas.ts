import * as v from 'valibot';
import type { Channel } from '../../domain/messages.ts';
import { OPERATION_MODES } from '../../domain/operation-mode.ts';

/**
 * What a peer's message must be, field by field, before the core sees it (INV-11): the types of `domain/messages.ts`.
 * Fields of a newer version pass unread. Where the core checks the content itself, only the outline stands here.
 */

const text = v.pipe(v.string(), v.maxLength(2_000));
const id = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
/** Becomes the name of a file: one that could not would pass for a disk that takes nothing more. */
const dealId = v.pipe(id, v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/));
const number = v.pipe(v.number(), v.finite());
const count = v.pipe(number, v.integer(), v.minValue(0));
const ids = v.pipe(v.array(id), v.maxLength(1_000));
const mode = v.picklist(OPERATION_MODES);
const maybe = v.exactOptional;

/** Every key with the same schema. */
const each = <S extends v.GenericSchema, K extends string>(schema: S, ...keys: readonly K[]): Record<K, S> =>
  Object.fromEntries(keys.map((key) => [key, schema])) as Record<K, S>; // one entry for each key

const converterMode = v.picklist(['WAIT', 'VOLTAGE_REFERENCE', 'CHARGE', 'DISCHARGE']);

const dcdc = v.looseObject({
  status: v.looseObject(each(text, 'status', 'operationMode', 'alarmState')),
  meter: v.looseObject(each(number, 'vg', 'ig', 'wg', 'vb', 'ib', 'wb', 'tmp')),
  vdis: v.looseObject(each(number, 'dvg', 'drg')),
  param: v.looseObject({ dig: number }),
});

const unitData = v.looseObject({
  time: text,
  oesunit: v.looseObject({ id, display: text }),
  dcdc,
  battery: v.looseObject({ rsoc: number, battery_operation_status: maybe(v.nullable(number)) }),
  apis: v.looseObject({
    ...each(number, 'remaining_capacity_wh', 'deal_interlock_capacity', 'energy_wh'),
    operation_mode: v.looseObject({ global: mode, local: v.nullable(mode), effective: mode }),
    efficient_grid_voltage_v: maybe(number),
    is_grid_master: maybe(v.literal(true)),
    wired_device: maybe(v.literal(true)),
    barred: maybe(v.literal(true)),
    deal_id_list: maybe(ids),
  }),
  ...each(maybe(v.literal(true)), 'stale', 'possiblyActive'),
});

const dealEvents = maybe(v.pipe(v.array(v.looseObject({ dateTime: text, reason: text })), v.maxLength(1_000)));

const deal = v.looseObject({
  dealId,
  ...each(id, 'unitId', 'negotiationId', 'requestUnitId', 'acceptUnitId', 'chargeUnitId', 'dischargeUnitId'),
  ...each(text, 'requestDateTime', 'acceptDateTime', 'createDateTime'),
  ...each(v.nullable(number), 'requestPointPerWh', 'acceptPointPerWh', 'pointPerWh'),
  ...each(v.nullable(number), 'chargeUnitEfficientGridVoltageV', 'dischargeUnitEfficientGridVoltageV'),
  ...each(number, 'requestDealGridCurrentA', 'acceptDealGridCurrentA', 'dealGridCurrentA'),
  ...each(number, 'requestAmountWh', 'acceptAmountWh', 'dealAmountWh'),
  type: v.picklist(['charge', 'discharge']),
  ...each(maybe(text), 'activateDateTime', 'rampUpDateTime', 'warmUpDateTime', 'startDateTime', 'cumulateDateTime'),
  ...each(maybe(text), 'stopDateTime', 'deactivateDateTime', 'abortDateTime', 'abortReason'),
  ...each(maybe(text), 'scramDateTime', 'scramReason'),
  ...each(maybe(number), 'cumulateAmountWh', 'compensationTargetVoltageReferenceGridCurrentA'),
  ...each(maybe(number), 'dischargeUnitCompensatedGridCurrentA', 'chargeUnitCompensatedGridCurrentA'),
  ...each(maybe(id), 'requestPairUnitId', 'acceptPairUnitId'),
  isMaster: maybe(v.literal(true)),
  needToStopReasons: maybe(v.pipe(v.array(text), v.maxLength(1_000))),
  reset: dealEvents,
  abort: dealEvents,
  ...each(count, 'term', 'revision'),
});

const stampedMode = v.looseObject({
  value: mode,
  ...each(count, 'term', 'revision'),
  ...each(maybe(number), 'raisedAt', 'loweredAt'),
  settled: maybe(ids),
});

const deviceCommand = v.variant('command', [
  ...(['WAIT', 'scram'] as const).map((command) =>
    v.looseObject({ command: v.literal(command), descent: maybe(v.picklist(['stepwise', 'even', 'none'])) }),
  ),
  ...(['VOLTAGE_REFERENCE', 'voltageReferenceAuthorization'] as const).map((command) =>
    v.looseObject({ command: v.literal(command) }),
  ),
  ...(['voltageReferenceWillHandOver', 'voltageReferenceDidTakeOver'] as const).map((command) =>
    v.looseObject({ command: v.literal(command) }),
  ),
  ...(['CHARGE', 'DISCHARGE', 'current'] as const).map((command) =>
    v.looseObject({ command: v.literal(command), gridCurrentA: number }),
  ),
  v.looseObject({ command: v.literal('voltage'), gridVoltageV: number }),
  v.looseObject({ command: v.literal('voltageReferenceWillTakeOver'), gridVoltageV: maybe(number) }),
  v.looseObject({
    command: v.literal('voltageReferenceDidHandOver'),
    mode: maybe(v.picklist(['WAIT', 'CHARGE', 'DISCHARGE'])),
    gridCurrentA: maybe(number),
  }),
]);

const policyStamp = { version: count, term: count, hash: id };
const policyEntry = v.looseObject({ ...policyStamp, policy: v.looseObject({}) });
const publishedPolicy = v.looseObject({
  hash: id,
  policy: v.looseObject({}),
  version: maybe(count),
  staged: maybe(v.looseObject(policyStamp)),
});

const command = v.variant('kind', [
  v.looseObject({ kind: v.literal('deal.propose'), deal }),
  v.looseObject({ kind: v.literal('deal.update'), deal }),
  v.looseObject({
    kind: v.literal('control'),
    device: deviceCommand,
    deals: v.pipe(v.array(deal), v.maxLength(1_000)),
  }),
  v.looseObject({ kind: v.literal('read'), what: v.picklist(['unit', 'status']), withDeals: maybe(v.literal(true)) }),
  v.looseObject({ kind: v.literal('deal.stop'), dealId: id, reasons: v.pipe(v.array(text), v.maxLength(100)) }),
  v.looseObject({ kind: v.literal('mode.set'), value: mode, ageMsec: maybe(number) }),
  v.looseObject({ kind: v.literal('fault.acknowledge'), faultId: id }),
  v.looseObject({ kind: v.literal('policy.set'), policy: v.looseObject({}) }),
  v.looseObject({ kind: v.literal('policy.ask') }),
  v.looseObject({ kind: v.literal('policy.stage'), entry: policyEntry }),
  v.looseObject({ kind: v.literal('emergency-stop'), reason: text }),
]);

const refusal = v.looseObject({ reason: text, numbers: v.record(v.string(), v.union([number, text])) });

const reply = v.variant('ok', [
  v.looseObject({
    ok: v.literal(true),
    dcdc: maybe(dcdc),
    unit: maybe(unitData),
    deal: maybe(deal),
    deals: maybe(v.pipe(v.array(deal), v.maxLength(1_000))),
    policies: maybe(v.looseObject({ active: policyEntry, staged: maybe(policyEntry) })),
  }),
  v.looseObject({ ok: v.literal(false), refusal, message: text }),
]);

const grid = v.looseObject({
  ...each(id, 'gridMasterUnitId', 'session'),
  ...each(count, 'term', 'pass'),
  ...each(number, 'passMsec', 'permitMsec'),
  mode: stampedMode,
  ...each(maybe(id), 'voltageReferenceUnitId', 'voltageReferenceSession', 'masterDealId'),
  handOver: maybe(v.looseObject(each(id, 'from', 'to'))),
  ...each(v.boolean(), 'granting', 'hasGlobalErrors'),
  permits: v.pipe(
    v.array(
      v.looseObject({
        ...each(id, 'unitId', 'session'),
        beacon: count,
        modes: v.pipe(v.array(converterMode), v.maxLength(4)),
        dealIds: ids,
      }),
    ),
    v.maxLength(1_000),
  ),
});

const election = v.looseObject({
  session: id,
  ...each(count, 'beacon', 'term'),
  role: v.picklist(['follower', 'candidate', 'leader', 'observer']),
  ...each(maybe(id), 'votedFor', 'gridMasterUnitId', 'grantsPreVoteTo', 'successor'),
  preVoteTerm: maybe(count),
  heardGrid: maybe(v.looseObject(each(count, 'term', 'pass'))),
});

const BODIES: Partial<Record<Channel, v.GenericSchema>> = {
  unit: unitData,
  election,
  grid,
  deal,
  mode: v.looseObject({
    global: stampedMode,
    local: v.nullable(mode),
    effective: mode,
    lowerings: maybe(v.pipe(v.array(v.looseObject({ id, value: mode, at: number })), v.maxLength(1_000))),
  }),
  command,
  reply,
  policy: publishedPolicy,
};

/** What is wrong with the body of a peer's message, in words; undefined when nothing is. */
export function bodyProblem(channel: Channel, body: unknown): string | undefined {
  const schema = BODIES[channel];
  const result = schema && v.safeParse(schema, body, { abortEarly: true });
  const issue = result?.issues?.[0];
  if (issue === undefined) return undefined;
  const path = issue.path?.map(({ key }) => String(key)).join('.') ?? '';
  return `${channel} ${path}: expected ${issue.expected ?? issue.message}`;
}
