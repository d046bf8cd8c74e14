import type { EmulatorClient } from '@apis-edge/gateway/client';
import { isObject } from './loose-object.ts';

type Values = Readonly<Record<string, string | number | boolean>>;

/** What a message or the node itself asks for. */
export interface FaultWish {
  readonly house: string;
  /** A kind of fault, or `lineBreak` with a line. */
  readonly fault: string;
  readonly heal: boolean;
  readonly values: Values;
}

export interface FaultFields {
  readonly house?: string;
  readonly fault?: string;
  /** Its values as JSON, e.g. `{"siemens": 0.002}`. */
  readonly values?: string;
}

const isPlain = (entry: [string, unknown]): entry is [string, string | number | boolean] =>
  ['string', 'number', 'boolean'].includes(typeof entry[1]);

function valuesOf(text: string | undefined): Values {
  if ((text ?? '').trim() === '') return {};
  try {
    const values: unknown = JSON.parse(text ?? '');
    if (isObject(values)) return Object.fromEntries(Object.entries(values).filter(isPlain));
  } catch {
    // The same complaint as for JSON that is no object.
  }
  throw new Error(`values: expected a JSON object, got ${text?.slice(0, 40)}`);
}

const HEAL_WORDS: readonly unknown[] = [false, 'heal', 'off'];

/**
 * The wish of a message: `{unit, fault, heal, …values}`, each part missing there taken from the node; `false`, `heal`
 * and `off` mend what the node names, everything else lets it loose. Throws with what is missing (INV-11).
 */
export function faultWish(payload: unknown, fields: FaultFields): FaultWish {
  const { unit, house, fault, heal, ...more } = isObject(payload) ? payload : {};
  const kind = typeof fault === 'string' ? fault : (fields.fault ?? '');
  const at = [unit, house].find((one) => typeof one === 'string') ?? fields.house?.trim() ?? '';
  if (kind === '') throw new Error('fault: expected a kind of fault in the node or in payload.fault, got none');
  if (at === '' && kind !== 'lineBreak')
    throw new Error('house: expected one in the node or in payload.unit, got none');
  // Values of the node belong to the fault that it names.
  const own = kind === fields.fault ? valuesOf(fields.values) : {};
  const given = Object.fromEntries(Object.entries(more).filter(isPlain));
  return {
    house: String(at),
    fault: kind,
    heal: heal === true || HEAL_WORDS.includes(payload),
    values: { ...own, ...given },
  };
}

/** Lets a fault loose, or mends it; resolves with all faults that are present then. */
export function carryOut(client: EmulatorClient, { house, fault, heal, values }: FaultWish) {
  if (fault === 'lineBreak') {
    const line = String(values.line ?? '');
    return heal ? client.mendLine(line) : client.breakLine(line);
  }
  return heal ? client.heal(house, fault) : client.inject(house, { kind: fault, ...values });
}
