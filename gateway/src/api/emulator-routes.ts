import { type ConverterMode, modeOfCode } from '../domain/converter-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import type { ConverterWrite } from '../emulation/emulated-device.ts';
import type { World } from '../emulation/world.ts';
import type { Cancel } from '../ports/clock.ts';
import { dcdcJson, emuJson, NOTHING_SHOWN, REDUCED, type ShownValues, unitJson } from './emulator-unit.ts';

/** How fast virtual time goes; the owner of the clock provides it. */
export interface Pacer {
  speed(): number;
  setSpeed(speed: number): void;
}

/** A request that cannot be carried out: the client is told why, and nothing has changed. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

interface SavedHouse {
  readonly id: string;
  readonly rsoc: number;
  readonly write: ConverterWrite;
}

/** What the routes work on. */
export class EmulatorSession {
  readonly world: World;
  readonly pacer: Pacer | undefined;
  /** The port that unit data name. */
  port = 0;
  readonly #shown = new Map<string, ShownValues>();
  readonly #watchdogs = new Map<string, Cancel>();
  #saved: readonly SavedHouse[] | undefined;

  constructor(world: World, pacer: Pacer | undefined) {
    this.world = world;
    this.pacer = pacer;
  }

  /** The watchdog of an emulated converter (RULE-18): its end is WAIT, also when nobody asks any more. */
  windWatchdog(houseId: string, limitMsec: Milliseconds): void {
    this.#watchdogs.get(houseId)?.();
    const bark = (): void => {
      if (!this.world.houseIds().includes(houseId)) return;
      const { dvg, dig, drg } = this.world.house(houseId);
      this.world.command(houseId, { write: 'mode', mode: 'WAIT', dvg, dig, drg });
    };
    this.#watchdogs.set(houseId, this.world.clock.after(limitMsec, bark));
  }

  /** Nothing happens by itself any more. */
  close(): void {
    for (const cancel of this.#watchdogs.values()) cancel();
  }

  shown(houseId: string): ShownValues {
    return this.#shown.get(houseId) ?? NOTHING_SHOWN;
  }

  show(houseId: string, part: keyof ShownValues, values: Readonly<Record<string, number>>): void {
    const before = this.shown(houseId);
    this.#shown.set(houseId, { ...before, [part]: { ...before[part], ...values } });
  }

  all(): object {
    const units = this.world.houseIds().map((id) => [id, unitJson(this.world, id, this.port, this.shown(id))]);
    return Object.fromEntries(units);
  }

  /** Remembers charge and converter of every house. */
  save(): void {
    this.#saved = this.world.houseIds().map((id) => {
      const { rsoc, mode, dvg, dig, drg } = this.world.house(id);
      return { id, rsoc, write: { write: 'mode', mode, dvg, dig, drg } };
    });
  }

  /** Brings back what `save` has remembered, voltage references first. */
  restore(): void {
    if (this.#saved === undefined) throw new BadRequest('expected /save before /get/last, got nothing saved yet');
    const here = new Set(this.world.houseIds());
    const saved = this.#saved.filter(({ id }) => here.has(id));
    for (const { id, rsoc } of saved) this.world.set(id, { rsoc });
    const isReference = ({ write }: SavedHouse): boolean =>
      write.write === 'mode' && write.mode === 'VOLTAGE_REFERENCE';
    for (const { id, write } of [...saved.filter(isReference), ...saved.filter((one) => !isReference(one))]) {
      this.world.command(id, write);
    }
  }

  /** Everything as at the beginning, but the time goes on: faults healed, converters off, batteries half full. */
  restart(): void {
    this.world.heal();
    this.#shown.clear();
    for (const id of this.world.houseIds()) {
      this.world.command(id, { write: 'mode', mode: 'WAIT', dvg: 350, dig: 2, drg: 0 });
      this.world.set(id, { rsoc: 50, pvW: null, loadW: null });
    }
  }
}

export interface RouteInput {
  readonly session: EmulatorSession;
  /** The last part of the path, where the route has one. */
  readonly name: string;
  readonly query: URLSearchParams;
}

/** Returns, or resolves with, what is sent as JSON. Throws `BadRequest`, and what the world throws. */
export type Route = (input: RouteInput) => unknown;

const HIGHEST_SPEED = 100_000;

export function numberOf(query: URLSearchParams, key: string): number | undefined {
  const text = query.get(key);
  if (text === null) return undefined;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || value < 0)
    throw new BadRequest(`${key}: expected a number of 0 or more, got ${text.slice(0, 40) || 'nothing'}`);
  return value;
}

function needed(query: URLSearchParams, key: string): number {
  const value = numberOf(query, key);
  if (value === undefined) throw new BadRequest(`${key}: expected a number of 0 or more, got nothing`);
  return value;
}

export function modeFrom(query: URLSearchParams): ConverterMode {
  const text = query.get('mode') ?? '';
  const mode = modeOfCode(text);
  if (mode === undefined)
    throw new BadRequest(`mode: expected 0x0000, 0x0002, 0x0014 or 0x0041, got ${text.slice(0, 40) || 'nothing'}`);
  return mode;
}

/** The id of a house that is there. */
export function houseOf({ session, name }: RouteInput): string {
  const ids = session.world.houseIds();
  if (!ids.includes(name))
    throw new BadRequest(`unit: expected one of ${ids.join(', ')}, got ${name.slice(0, 40) || 'nothing'}`);
  return name;
}

const isKnown = ({ session, name }: RouteInput): boolean => session.world.houseIds().includes(name);

/** The original truncates set voltages to whole volts. */
const wholeVolts = (volts: number): number => Math.trunc(volts);

function setMode(input: RouteInput): unknown {
  const { session, query } = input;
  const id = houseOf(input);
  const write = {
    write: 'mode',
    mode: modeFrom(query),
    dvg: wholeVolts(needed(query, 'dvg')),
    dig: needed(query, 'dig'),
    drg: numberOf(query, 'drg') ?? session.world.house(id).drg,
  } as const;
  const meters = { p1: numberOf(query, 'p1'), p2: numberOf(query, 'p2') };
  session.world.command(id, write);
  const given = Object.entries(meters).filter((entry): entry is [string, number] => entry[1] !== undefined);
  session.show(id, 'powermeter', Object.fromEntries(given));
  return REDUCED.mode(session.world.dcdc(id));
}

/** Sets the voltage; the answer carries the meters from before, as in the original. */
function setVoltage(input: RouteInput): unknown {
  const { session, query } = input;
  const id = houseOf(input);
  const before: Dcdc = session.world.dcdc(id);
  const drg = numberOf(query, 'drg') ?? session.world.house(id).drg;
  session.world.command(id, { write: 'voltage', dvg: wholeVolts(needed(query, 'dvg')), drg });
  return REDUCED.voltage({ ...session.world.dcdc(id), meter: before.meter });
}

function setCurrent(input: RouteInput): unknown {
  const { session, query } = input;
  const id = houseOf(input);
  session.world.command(id, { write: 'current', dig: needed(query, 'dig') });
  return REDUCED.current(session.world.dcdc(id));
}

/** Keys of `emu` that the physics follows. */
const PHYSICAL = { rsoc: 'rsoc', pvc_charge_power: 'pvW', ups_output_power: 'loadW' } as const;
const isPhysical = (key: string): key is keyof typeof PHYSICAL => Object.hasOwn(PHYSICAL, key);

function setEmu(input: RouteInput): unknown {
  const { session, query } = input;
  const id = houseOf(input);
  const known = emuJson(session.world, id, session.shown(id));
  const keys = [...query.keys()];
  const unknown = keys.filter((key) => typeof known[key] !== 'number');
  if (unknown.length > 0) throw new BadRequest(`following key not found: ${unknown.join(', ').slice(0, 80)}`);
  const values = keys.map((key) => [key, needed(query, key)] as const);
  const physical = values.flatMap(([key, value]) => (isPhysical(key) ? [[PHYSICAL[key], value] as const] : []));
  session.world.set(id, Object.fromEntries(physical));
  session.show(id, 'emu', Object.fromEntries(values.filter(([key]) => !isPhysical(key))));
  return session.all();
}

function setSpeed({ session, name }: RouteInput): unknown {
  const speed = /^\d+$/.test(name) ? Number(name) : Number.NaN;
  if (!(speed >= 1 && speed <= HIGHEST_SPEED))
    throw new BadRequest(`acc: expected a whole number of 1 … ${HIGHEST_SPEED}, got ${name.slice(0, 40) || 'nothing'}`);
  if (session.pacer === undefined)
    throw new BadRequest('acc: expected an emulator whose speed can be changed, got one that runs in real time');
  session.pacer.setSpeed(speed);
  return speed;
}

const andAll =
  (act: (session: EmulatorSession) => void): Route =>
  ({ session }) => {
    act(session);
    return session.all();
  };

/** Paths of the original's interface (emulator.md §2). Those that end in a slash are followed by a name. */
export const ROUTES: Readonly<Record<string, Route>> = {
  '/get/log': ({ session }) => session.all(),
  '/get/unit/': (input) =>
    isKnown(input)
      ? unitJson(input.session.world, input.name, input.session.port, input.session.shown(input.name), true)
      : {},
  '/get/emu/': (input) => emuJson(input.session.world, houseOf(input), input.session.shown(input.name)),
  '/get/dcdc/status/': (input) => (isKnown(input) ? REDUCED.status(input.session.world.dcdc(input.name)) : {}),
  '/get/dcdc/': (input) => dcdcJson(input.session.world, houseOf(input), input.session.shown(input.name)),
  '/set/dcdc/voltage/': setVoltage,
  '/set/dcdc/current/': setCurrent,
  '/set/dcdc/': setMode,
  '/set/emu/': setEmu,
  '/get/acc': ({ session }) => session.pacer?.speed() ?? 1,
  '/set/acc/': setSpeed,
  '/add/unit': andAll(({ world }) => world.addHouse()),
  '/remove/unit': andAll(({ world }) => world.removeHouse()),
  '/restart': andAll((session) => session.restart()),
  '/save': andAll((session) => session.save()),
  '/get/last': andAll((session) => session.restore()),
};
