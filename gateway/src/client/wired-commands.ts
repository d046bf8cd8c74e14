import * as v from 'valibot';
import { readJson } from '../adapters/files/read-json.ts';
import type { ConverterMode } from '../domain/converter-mode.ts';
import { CONVERTER_MODES } from '../domain/converter-mode.ts';
import type { WiredCommand } from '../domain/wired-device.ts';

const number = v.pipe(v.number(), v.finite());
const optional = v.exactOptional;
const modes = Object.keys(CONVERTER_MODES) as ConverterMode[]; // the table has no other keys

const common = {
  id: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  sequence: v.pipe(number, v.integer(), v.minValue(1)),
  time: number,
  deadlineMsec: v.pipe(number, v.gtValue(0)),
};
const wiredCommand = v.variant('command', [
  v.looseObject({ ...common, command: v.literal('get') }),
  v.looseObject({ ...common, command: v.literal('status') }),
  v.looseObject({
    ...common,
    command: v.literal('set'),
    mode: optional(v.picklist(modes)),
    dvg: optional(number),
    dig: optional(number),
    drg: optional(number),
  }),
]);

/** What a unit asks of the flow that drives its device; undefined for what is no such command (INV-11). */
export const parseWiredCommand = (payload: Uint8Array): WiredCommand | undefined => readJson(wiredCommand, payload);
