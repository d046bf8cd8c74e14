import type { HouseOverrides } from '@apis-edge/gateway/client';
import { isObject, type LooseObject } from './loose-object.ts';

/** What `apis-fake-house` sends; power in W, rounded to what a meter would show. */
export interface HouseMessage {
  readonly house: string;
  readonly rsoc: number;
  readonly pvW: number;
  readonly loadW: number;
  /** Drawn from the public grid. */
  readonly acImportW: number;
  /** At the battery, + into it. */
  readonly batteryW: number;
  /** Faults that were let loose on the house. */
  readonly faults: readonly string[];
}

const numberAt = (state: LooseObject, key: string, digits: number): number => {
  const value = state[key];
  return typeof value === 'number' ? Number(value.toFixed(digits)) : 0;
};

/** The state of an emulated house, as flows use it. */
export const houseMessage = (state: LooseObject): HouseMessage => ({
  house: String(state.houseId),
  rsoc: numberAt(state, 'rsoc', 1),
  pvW: numberAt(state, 'pvW', 0),
  loadW: numberAt(state, 'loadW', 0),
  acImportW: numberAt(state, 'acImportW', 0),
  batteryW: numberAt(state, 'batteryW', 0),
  faults: Array.isArray(state.faults) ? state.faults.map(String) : [],
});

const KEYS = ['rsoc', 'pvW', 'loadW'] as const;
const EXPECTED = '{rsoc in %, pvW and loadW in W or null for those of the data set}, each optional';

/** Overrides out of a message. Throws with what was expected (INV-11). */
export function overridesOf(payload: unknown): HouseOverrides {
  const wrong = (got: unknown): Error =>
    new Error(`payload: expected ${EXPECTED}, got ${JSON.stringify(got)?.slice(0, 80)}`);
  if (!isObject(payload) || Object.keys(payload).length === 0) throw wrong(payload);
  for (const [key, value] of Object.entries(payload)) {
    const isKnown = KEYS.some((one) => one === key);
    const mayBe = typeof value === 'number' || (value === null && key !== 'rsoc');
    if (!isKnown || !mayBe) throw wrong({ [key]: value });
  }
  return payload;
}
