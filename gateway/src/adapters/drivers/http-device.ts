import { CONVERTER_MODES } from '../../domain/converter-mode.ts';
import { ConfigError } from '../../domain/errors.ts';
import type { DcdcReply, Device, DeviceReading } from '../../ports/device.ts';
import { getJson, type HttpEndpoint, type JsonObject } from './http-get.ts';
import { batteryOf, dcdcOf, objectOf, type PartName, partsOf } from './http-replies.ts';

export type HttpSystemType = 'dcdc_emulator' | 'dcdc_v1' | 'dcdc_v2';

export interface HttpDeviceOptions {
  readonly systemType: HttpSystemType;
  /** Id under which the emulator knows the house. */
  readonly unitId: string;
  /** `connection.emulator` for the emulator, `connection.dcdc_controller` for the others. */
  readonly controller: HttpEndpoint;
  /** `connection.emu_driver`, needed by dcdc_v1. */
  readonly emuDriver?: HttpEndpoint;
}

/** Paths of one kind of driver (control.md §1.6); all requests are GET, also those that change something. */
interface Paths {
  readonly full: string;
  readonly status: string;
  readonly mode: string;
  readonly voltage: string;
  readonly current: string;
}

const PATHS: Readonly<Record<HttpSystemType, (unitId: string) => Paths>> = {
  dcdc_emulator: (unitId) => ({
    full: `/get/unit/${unitId}`,
    status: `/get/dcdc/status/${unitId}`,
    mode: `/set/dcdc/${unitId}`,
    voltage: `/set/dcdc/voltage/${unitId}`,
    current: `/set/dcdc/current/${unitId}`,
  }),
  dcdc_v1: () => ({
    full: '/remote/get',
    status: '/remote/get/status',
    mode: '/remote/set',
    voltage: '/remote/set/voltage',
    current: '/remote/set/current',
  }),
  dcdc_v2: () => ({
    full: '/all/get',
    status: '/dcdc/get/status',
    mode: '/dcdc/set',
    voltage: '/dcdc/set',
    current: '/dcdc/set',
  }),
};

type Fetch = (signal: AbortSignal) => Promise<JsonObject>;

/** How each kind of driver tells everything at once (control.md §1.6, "Shape of full reply"). */
type ReadAll = (full: Fetch, emu: Fetch, signal: AbortSignal) => Promise<DeviceReading>;
const READ_ALL: Readonly<Record<HttpSystemType, ReadAll>> = {
  dcdc_emulator: async (full, _emu, signal) => {
    const reply = await full(signal);
    const emu = objectOf(reply.emu, 'emu');
    const time = typeof reply.time === 'string' ? { time: reply.time } : {};
    return { dcdc: dcdcOf(reply.dcdc), battery: batteryOf(emu), emu, ...time };
  },
  dcdc_v1: async (full, fetchEmu, signal) => {
    const [dcdc, emu] = await Promise.all([full(signal), fetchEmu(signal)]);
    return { dcdc: dcdcOf(dcdc), battery: batteryOf(emu), emu };
  },
  dcdc_v2: async (full, _emu, signal) => {
    const { rsoc, battery_operation_status, ...dcdc } = await full(signal);
    return { dcdc: dcdcOf(dcdc), battery: batteryOf({ rsoc, battery_operation_status }) };
  },
};

/** Which parts of `dcdc` a reply is trusted for (control.md §1.6, "Replies merged"). */
const PARTS = {
  status: ['status', 'meter'],
  mode: ['status', 'meter', 'vdis', 'param'],
  voltage: ['meter', 'vdis'],
  current: ['meter', 'param'],
} as const satisfies Record<string, readonly PartName[]>;

/** Numbers as the original sends them: `350.0`, `1.0`; droop 0 as `0`. */
const decimal = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : String(value));
const droop = (value: number): string => (value === 0 ? '0' : String(value));

const EMU_PATH = '/1/log/data';

/**
 * Converter and battery behind one of the original's HTTP drivers. Every call is one request; it rejects DeviceError
 * `device.no-reply` (connection, signal), `device.refused` (status other than 200) or `device.malformed`.
 * Throws ConfigError when the energy management's driver is needed and not named.
 */
export function httpDevice({ systemType, unitId, controller, emuDriver }: HttpDeviceOptions): Device {
  if (systemType === 'dcdc_v1' && emuDriver === undefined) {
    throw new ConfigError([{ file: 'config', path: 'connection.emu_driver', message: 'needed for dcdc_v1' }]);
  }
  const paths = PATHS[systemType](encodeURIComponent(unitId));
  const full: Fetch = (signal) => getJson(controller, paths.full, signal);
  const emu: Fetch = (signal) => getJson(emuDriver ?? controller, EMU_PATH, signal);
  const ask = async (path: string, parts: readonly PartName[], signal: AbortSignal): Promise<DcdcReply> =>
    partsOf(await getJson(controller, path, signal), parts);
  return {
    read: (signal) => READ_ALL[systemType](full, emu, signal),
    readStatus: (signal) => ask(paths.status, PARTS.status, signal),
    setMode: ({ mode, dvg, dig, drg }, signal) => {
      const query = `mode=${CONVERTER_MODES[mode].code}&dvg=${decimal(dvg)}&dig=${decimal(dig)}&drg=${droop(drg)}`;
      return ask(`${paths.mode}?${query}`, PARTS.mode, signal);
    },
    setVoltage: ({ dvg, drg }, signal) =>
      ask(`${paths.voltage}?dvg=${decimal(dvg)}&drg=${droop(drg)}`, PARTS.voltage, signal),
    setCurrent: ({ dig }, signal) => ask(`${paths.current}?dig=${decimal(dig)}`, PARTS.current, signal),
  };
}

/**
 * `httpDevice`, after asking a dcdc_v2 driver for its version: its `comm_interface_version` must be 2.x
 * (control.md §1.6). Rejects ConfigError for another version, DeviceError when there is no answer.
 */
export async function openHttpDevice(options: HttpDeviceOptions, signal: AbortSignal): Promise<Device> {
  const device = httpDevice(options);
  if (options.systemType !== 'dcdc_v2') return device;
  const { comm_interface_version: version } = await getJson(options.controller, '/version/get', signal);
  if (typeof version === 'string' && /^2\.\d+$/.test(version)) return device;
  const { host, port } = options.controller;
  const message = `the driver at ${host}:${port} speaks comm_interface_version ${JSON.stringify(version)}, expected 2.x`;
  throw new ConfigError([{ file: 'config', path: 'connection.dcdc_controller', message }]);
}
