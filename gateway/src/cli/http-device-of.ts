import { type HttpDeviceOptions, openHttpDevice } from '../adapters/drivers/http-device.ts';
import type { UnitConfig } from '../config/unit-config.ts';
import { ConfigError } from '../domain/errors.ts';
import type { Device } from '../ports/device.ts';

/** A driver that says its version does so within this time, or the daemon does not start. */
const HAND_SHAKE_MSEC = 5_000;

/** The driver over HTTP that a unit config asks for. Rejects `ConfigError` for a config that names none. */
export async function httpDeviceOf(config: UnitConfig): Promise<Device> {
  return openHttpDevice(httpOptionsOf(config), AbortSignal.timeout(HAND_SHAKE_MSEC));
}

/** Where the driver is (`systemType` and `connection`, control.md §1.6). @throws ConfigError when a key is missing */
export function httpOptionsOf(config: UnitConfig): HttpDeviceOptions {
  const { systemType, connection, unitId } = config;
  const need = (key: 'emulator' | 'dcdc_controller' | 'emu_driver') => {
    const endpoint = connection[key];
    if (endpoint !== undefined) return endpoint;
    throw new ConfigError([
      {
        file: `config of ${unitId}`,
        path: `connection.${key}`,
        message: `expected host and port for ${systemType}, got nothing`,
      },
    ]);
  };
  if (systemType === undefined) {
    throw new ConfigError([
      {
        file: `config of ${unitId}`,
        path: 'device.type',
        message: `expected emulated, or a systemType, got ${config.device?.type ?? 'nothing'}`,
      },
    ]);
  }
  return {
    systemType,
    unitId,
    controller: need(systemType === 'dcdc_emulator' ? 'emulator' : 'dcdc_controller'),
    ...(systemType === 'dcdc_v1' ? { emuDriver: need('emu_driver') } : {}),
  };
}
