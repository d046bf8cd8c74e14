import * as v from 'valibot';
import { readJson } from '../adapters/files/read-json.ts';
import type { DealQuestion } from '../domain/question.ts';

const number = v.pipe(v.number(), v.finite());
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(200));
const optional = v.exactOptional;

const offer = v.looseObject({
  unitId: text,
  type: v.picklist(['charge', 'discharge']),
  amountWh: number,
  pointPerWh: optional(number),
  pairUnitId: optional(text),
  efficientGridVoltageV: optional(number),
  dateTime: text,
  dealGridCurrentA: number,
});
const dealQuestion = v.looseObject({
  id: text,
  step: v.picklist(['request', 'accept']),
  offer,
  peerUnitId: optional(text),
  time: number,
  limitMsec: v.pipe(number, v.gtValue(0)),
  onSilence: v.picklist(['allow', 'refuse']),
});

/** What a unit asks before it says a request or an accept; undefined for what is no such question (INV-11). */
export const parseDealQuestion = (payload: Uint8Array): DealQuestion | undefined => readJson(dealQuestion, payload);
