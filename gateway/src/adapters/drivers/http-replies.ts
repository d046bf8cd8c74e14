import * as v from 'valibot';
import { DeviceError } from '../../domain/errors.ts';
import type { BatteryState, Dcdc } from '../../domain/unit-data.ts';
import type { DcdcReply } from '../../ports/device.ts';
import type { JsonObject } from './http-get.ts';

const number = v.pipe(v.number(), v.finite());

const PARTS = {
  status: v.looseObject({
    status: v.string(),
    operationMode: v.string(),
    alarmState: v.string(),
    alarm: v.exactOptional(v.string()),
    statusName: v.exactOptional(v.string()),
    runningState: v.exactOptional(v.string()),
  }),
  meter: v.looseObject({ vg: number, ig: number, wg: number, vb: number, ib: number, wb: number, tmp: number }),
  vdis: v.looseObject({ dvg: number, drg: number }),
  param: v.objectWithRest({ dig: number }, number),
};
export type PartName = keyof typeof PARTS;

const fullDcdc = v.looseObject({
  ...PARTS,
  powermeter: v.exactOptional(v.record(v.string(), number)),
});

const battery = v.object({
  rsoc: v.pipe(number, v.minValue(0), v.maxValue(100)),
  battery_operation_status: v.exactOptional(v.nullable(v.pipe(number, v.integer()))),
});

function parse<S extends v.GenericSchema>(schema: S, value: unknown, what: string): v.InferOutput<S> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = [what, ...(issue.path ?? []).map((item) => String(item.key))].join('.');
  throw new DeviceError('device.malformed', `${path}: expected ${issue.expected}, got ${issue.received}`);
}

/** The whole `dcdc` block, or DeviceError `device.malformed` that names what is missing or wrong in it. */
export const dcdcOf = (value: unknown): Dcdc => parse(fullDcdc, value, 'dcdc');

/** Those parts of a reply that are asked for. */
export const partsOf = (reply: JsonObject, names: readonly PartName[]): DcdcReply =>
  Object.fromEntries(names.map((name) => [name, parse(PARTS[name], reply[name], name)]));

/** Battery block out of the fields that stand in the energy management's reply. */
export function batteryOf({ rsoc, battery_operation_status: status }: JsonObject): BatteryState {
  return parse(battery, status === undefined ? { rsoc } : { rsoc, battery_operation_status: status }, 'battery');
}

/** A block of a reply that must be an object, whatever is in it. */
export function objectOf(value: unknown, what: string): JsonObject {
  if (Array.isArray(value)) throw new DeviceError('device.malformed', `${what}: expected an object, got a list`);
  return parse(v.looseObject({}), value, what);
}
