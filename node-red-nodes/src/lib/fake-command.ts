import { CONVERTER_MODES, type ConverterMode, type WiredOrder } from '@apis-edge/gateway/domain';
import { isObject } from './loose-object.ts';

const isMode = (value: unknown): value is ConverterMode =>
  typeof value === 'string' && Object.hasOwn(CONVERTER_MODES, value);

const NUMBERS = ['dvg', 'dig', 'drg'] as const;

/** A command as `apis-dcdc` sends it. Throws with what was expected (INV-11). */
export function orderOf(payload: unknown): WiredOrder {
  const given = isObject(payload) ? payload : {};
  const wrong = (what: string, expected: string, got: unknown): Error =>
    new Error(`payload.${what}: expected ${expected}, got ${JSON.stringify(got)?.slice(0, 40) ?? 'nothing'}`);
  if (given.command === 'get' || given.command === 'status') return { command: given.command };
  if (given.command !== 'set') throw wrong('command', 'get, status or set', given.command);
  const { mode } = given;
  if (mode !== undefined && !isMode(mode)) throw wrong('mode', Object.keys(CONVERTER_MODES).join(', '), mode);
  const numbers = NUMBERS.filter((key) => given[key] !== undefined).map((key) => {
    const value = given[key];
    if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(key, 'a number', value);
    return [key, value] as const;
  });
  return { command: 'set', ...(mode === undefined ? {} : { mode }), ...Object.fromEntries(numbers) };
}

/** True when a command says that its time is over. */
export const isOverdue = (payload: unknown, now = Date.now()): boolean =>
  isObject(payload) && typeof payload.deadline === 'number' && now > payload.deadline;
