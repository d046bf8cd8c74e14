import { ConfigError, DeviceError } from '../domain/errors.ts';
import type { Percent, Watts } from '../domain/quantities.ts';
import type { ConverterWrite } from './emulated-device.ts';
import type { HouseOptions } from './world-options.ts';

/** What can be set by hand; null gives a value back to the dataset. */
export interface HouseSetting {
  readonly rsoc?: Percent;
  readonly pvW?: Watts | null;
  readonly loadW?: Watts | null;
}

export const worldError = (path: string, message: string): ConfigError =>
  new ConfigError([{ file: 'world', path, message }]);

const isBetween = (value: number, lowest: number, highest: number): boolean => value >= lowest && value <= highest;

/** Throws `ConfigError` for houses that cannot be. */
export function checkHouses(houses: readonly HouseOptions[]): void {
  if (houses.length === 0) throw worldError('houses', 'expected at least one house, got none');
  const ids = new Set(houses.map(({ id }) => id));
  if (ids.size !== houses.length)
    throw worldError('houses', 'expected every house to have an id of its own, got one twice');
  for (const { id, capacityWh = 4800, rsoc = 50 } of houses) {
    if (!isBetween(capacityWh, 1, 1e9))
      throw worldError(`houses.${id}.capacityWh`, `expected 1 … 1e9 Wh, got ${capacityWh}`);
    if (!isBetween(rsoc, 0, 100)) throw worldError(`houses.${id}.rsoc`, `expected 0 … 100 %, got ${rsoc}`);
  }
}

const HIGHEST_W = 1e6;

/** Throws `ConfigError` for values that no house can have. */
export function checkSetting({ rsoc, pvW, loadW }: HouseSetting): void {
  if (rsoc !== undefined && !isBetween(rsoc, 0, 100)) throw worldError('rsoc', `expected 0 … 100 %, got ${rsoc}`);
  for (const [name, watts] of Object.entries({ pvW, loadW })) {
    if (watts != null && !isBetween(watts, 0, HIGHEST_W))
      throw worldError(name, `expected 0 … ${HIGHEST_W} W, got ${watts}`);
  }
}

/** Throws `DeviceError` for numbers that no converter takes. */
export function checkWrite(houseId: string, command: ConverterWrite): void {
  for (const [name, value] of Object.entries(command)) {
    if (typeof value === 'number' && !isBetween(value, 0, HIGHEST_W)) {
      throw new DeviceError('device.bad-value', `${houseId}: expected ${name} to be 0 or more, got ${value}`);
    }
  }
}
