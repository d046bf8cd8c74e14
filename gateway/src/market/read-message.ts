import { parseTimestamp } from '../domain/timestamp.ts';
import type { Accept, Offer, Refusal } from '../domain/trade.ts';
import { type Outcome, refuse } from './outcome.ts';
import { textOf } from './text-of.ts';

const LONGEST_ID = 100;
const LARGEST_AMOUNT_WH = 1e9;
const MOST_NUMBERS = 20;

/** An object with fields, neither null nor a list. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** Text that can be an id. */
export const isId = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= LONGEST_ID;
/** A time stamp of the original's form. */
export const isTimestamp = (value: unknown): boolean =>
  typeof value === 'string' && parseTimestamp(value) !== undefined;
const isNumberFrom =
  (least: number) =>
  (value: unknown): boolean =>
    typeof value === 'number' && Number.isFinite(value) && value >= least;

interface FieldRule {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
  readonly optional?: true;
}

/** The eight fields of a request or accept (market §3.3); no others are taken over. */
const FIELDS: Readonly<Record<keyof Offer, FieldRule>> = {
  unitId: { expected: 'a unit id', holds: isId },
  type: { expected: 'charge or discharge', holds: (value) => value === 'charge' || value === 'discharge' },
  amountWh: {
    expected: `whole Wh from 1 to ${LARGEST_AMOUNT_WH}`,
    holds: (value) => Number.isInteger(value) && isNumberFrom(1)(value) && Number(value) <= LARGEST_AMOUNT_WH,
  },
  dealGridCurrentA: { expected: 'A, at least 0', holds: isNumberFrom(0) },
  dateTime: { expected: 'yyyy/MM/dd-HH:mm:ss', holds: isTimestamp },
  // Negative prices broke the choice of the original (W11).
  pointPerWh: { expected: 'a price, at least 0', holds: isNumberFrom(0), optional: true },
  pairUnitId: { expected: 'a unit id', holds: isId, optional: true },
  efficientGridVoltageV: { expected: 'V, at least 0', holds: isNumberFrom(0), optional: true },
};

const malformed = (field: string, expected: string, got: unknown): { readonly refusal: Refusal } =>
  refuse('message.malformed', { field, expected, got: textOf(got) });

/** A request or accept as another unit sent it, checked field by field (INV-11, W16). */
export function readOffer(body: unknown, sender: string): Outcome<Offer> {
  if (!isRecord(body)) return malformed('', 'an object', body);
  const offer: Record<string, unknown> = {};
  for (const [field, { holds, expected, optional }] of Object.entries(FIELDS)) {
    const value = body[field];
    if (value === undefined && optional) continue;
    if (!holds(value)) return malformed(field, expected, value);
    offer[field] = value;
  }
  if (offer.unitId !== sender) return malformed('unitId', sender, offer.unitId);
  return { ok: offer as unknown as Offer }; // each field has just passed its rule in FIELDS
}

/** The answer to a request: an accept, or the other unit's typed no. */
export function readAnswer(body: unknown, sender: string): Outcome<{ accept: Accept } | { no: Refusal }> {
  if (!isRecord(body)) return malformed('', 'an object', body);
  if (body.unitId !== sender) return malformed('unitId', sender, body.unitId);
  if (body.refusal !== undefined) return readRefusal(body.refusal);
  const accept = readOffer(body.accept, sender);
  return 'refusal' in accept ? accept : { ok: { accept: accept.ok } };
}

function readRefusal(refusal: unknown): Outcome<{ no: Refusal }> {
  if (!isRecord(refusal) || !isId(refusal.reason)) return malformed('refusal.reason', 'a reason code', refusal);
  const numbers = Object.entries(isRecord(refusal.numbers) ? refusal.numbers : {})
    .slice(0, MOST_NUMBERS)
    .filter((entry): entry is [string, string | number] => typeof entry[1] === 'number' || isId(entry[1]));
  return { ok: { no: { reason: refusal.reason, numbers: Object.fromEntries(numbers) } } };
}
