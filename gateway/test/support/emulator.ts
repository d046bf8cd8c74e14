import { setTimeout as pause } from 'node:timers/promises';
import { CONVERTER_MODES, type ConverterMode } from '../../src/domain/converter-mode.ts';
import { apis, freePorts, type Running } from './process.ts';

/** A real `apis emulator` process, and its converters as a bystander sees and sets them. */
export interface RunningEmulator {
  readonly port: number;
  readonly process: Running;
  modeOf(unitId: string): Promise<string>;
  set(unitId: string, mode: ConverterMode, dvg?: number, dig?: number): Promise<void>;
  /** Resolves with the time of the first look at which the converter was in the mode; rejects after `limitMsec`. */
  reaches(unitId: string, mode: ConverterMode, limitMsec: number): Promise<number>;
}

const LOOK_MSEC = 20;

export async function anEmulator(houses: number): Promise<RunningEmulator> {
  const [port = 0] = await freePorts(1);
  const process = apis('emulator', '--houses', String(houses), '--port', String(port));
  await process.says('out', /Emulator ready/);
  const get = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
  const codeOf = async (unitId: string): Promise<string> =>
    JSON.parse(await get(`/get/dcdc/status/${unitId}`)).status.status;
  const nameOf = (code: string): string =>
    Object.entries(CONVERTER_MODES).find(([, row]) => row.code === code)?.[0] ?? code;
  const modeOf = async (unitId: string): Promise<string> => nameOf(await codeOf(unitId));
  return {
    port,
    process,
    modeOf,
    set: async (unitId, mode, dvg = 350, dig = 0) => {
      await get(`/set/dcdc/${unitId}?mode=${CONVERTER_MODES[mode].code}&dvg=${dvg}&dig=${dig}&drg=0`);
    },
    reaches: async (unitId, mode, limitMsec) => {
      for (const end = performance.now() + limitMsec; ; await pause(LOOK_MSEC)) {
        const found = await modeOf(unitId);
        if (found === mode) return performance.now();
        if (performance.now() > end) throw new Error(`${unitId} is in ${found}, not in ${mode}, after ${limitMsec} ms`);
      }
    },
  };
}
