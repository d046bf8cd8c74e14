import { CONVERTER_MODES } from '../domain/converter-mode.ts';
import { DeviceError } from '../domain/errors.ts';
import { readFaultKind, readHouseFault } from '../emulation/read-fault.ts';
import type { Device } from '../ports/device.ts';
import { BadRequest, houseOf, modeFrom, numberOf, type Route, type RouteInput } from './emulator-routes.ts';

/** The device itself gives up sooner. */
const DEVICE_MSEC = 15_000;

const LONGEST_WATCHDOG_MSEC = 600_000;

/** The device of a house. `watchdogMsec` winds its watchdog up: without a further request for so long it goes to WAIT. */
function deviceOf(input: RouteInput): Device {
  const id = houseOf(input);
  const limitMsec = numberOf(input.query, 'watchdogMsec');
  if (limitMsec !== undefined && !(limitMsec >= 1 && limitMsec <= LONGEST_WATCHDOG_MSEC)) {
    throw new BadRequest(`watchdogMsec: expected 1 … ${LONGEST_WATCHDOG_MSEC}, got ${limitMsec}`);
  }
  if (limitMsec !== undefined) input.session.windWatchdog(id, limitMsec);
  return input.session.world.device(id);
}
const patience = (): AbortSignal => AbortSignal.timeout(DEVICE_MSEC);

/** A command as a driver gives it: what is not named stays as it is. */
function command(input: RouteInput): Promise<object> {
  const { query, session } = input;
  const device = deviceOf(input);
  // To stop is understood without any number.
  const stop = query.get('mode') === CONVERTER_MODES.WAIT.code ? session.world.house(houseOf(input)) : undefined;
  const [dvg, dig, drg] = (['dvg', 'dig', 'drg'] as const).map((key) => numberOf(query, key) ?? stop?.[key]);
  const missing = (what: string): BadRequest => new BadRequest(`${what}: expected a number of 0 or more, got nothing`);
  if (query.has('mode')) {
    if (dvg === undefined || dig === undefined || drg === undefined) throw missing('dvg, dig and drg');
    return device.setMode({ mode: modeFrom(query), dvg, dig, drg }, patience());
  }
  if (dig !== undefined) return device.setCurrent({ dig }, patience());
  if (dvg === undefined || drg === undefined) throw missing('mode, dig, or dvg and drg');
  return device.setVoltage({ dvg, drg }, patience());
}

/** Text of a query as a value: numbers, true and false, else the text itself. */
function readValue(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true';
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : text;
}

const valuesOf = (query: URLSearchParams): Record<string, unknown> =>
  Object.fromEntries([...query].map(([key, text]) => [key, readValue(text)]));

const SETTINGS = ['rsoc', 'pvW', 'loadW'] as const;

/** Sets charge, sun and load of a house; an empty value gives sun or load back to the data set. */
function setHouse(input: RouteInput): unknown {
  const { session, query } = input;
  const id = houseOf(input);
  const given = SETTINGS.filter((key) => query.has(key));
  const setting = given.map((key) => [key, query.get(key) === '' && key !== 'rsoc' ? null : numberOf(query, key)]);
  session.world.set(id, Object.fromEntries(setting));
  return session.world.house(id);
}

function faults({ session: { world } }: RouteInput): unknown {
  const houses = world.houseIds().map((id) => [id, world.house(id).faults]);
  return { houses: Object.fromEntries(houses), lines: world.brokenBranches() };
}

const andFaults =
  (act: (input: RouteInput) => void): Route =>
  (input) => {
    act(input);
    return faults(input);
  };

/**
 * What our emulator serves beside the original's paths: the devices as drivers reach them, with their latency and
 * their faults; the truth about a house; and everything that can be broken (emulator.md §6.4).
 */
export const EXTENSION: Readonly<Record<string, Route>> = {
  '/device/read/': (input) => deviceOf(input).read(patience()),
  '/device/status/': (input) => deviceOf(input).readStatus(patience()),
  '/device/set/': command,
  '/get/houses': ({ session: { world } }) => ({ houses: world.houseIds(), lines: world.branches() }),
  '/get/states': ({ session: { world } }) => Object.fromEntries(world.houseIds().map((id) => [id, world.house(id)])),
  '/get/state/': (input) => input.session.world.house(houseOf(input)),
  '/set/house/': setHouse,
  '/get/faults': faults,
  '/set/fault/': andFaults((input) => {
    const houseId = houseOf(input);
    input.session.world.inject({ ...readHouseFault(valuesOf(input.query)), houseId });
  }),
  '/heal/fault/': andFaults((input) => {
    const houseId = houseOf(input);
    const { world } = input.session;
    const kind = input.query.get('kind');
    const kinds = kind === null ? world.house(houseId).faults.map(readFaultKind) : [readFaultKind(kind)];
    for (const one of kinds) world.heal({ kind: one, houseId });
  }),
  '/set/line-break/': andFaults(({ session: { world }, name }) => world.inject({ kind: 'lineBreak', branch: name })),
  '/heal/line-break/': andFaults(({ session: { world }, name }) => world.heal({ kind: 'lineBreak', branch: name })),
  '/heal/all': andFaults(({ session: { world } }) => world.heal()),
};

/** Why a device did not do as it was told; clients tell the reasons apart by it. */
export const reasonIn = (error: unknown): { readonly reason?: string } =>
  error instanceof DeviceError ? { reason: error.reason } : {};
