import { type ConsistencyRule, when } from './consistency.ts';
import type { UnitConfig } from './unit-config.ts';

/** The connections that each of the original's systems needs (market §1.3). */
const CONNECTIONS = {
  dcdc_emulator: ['emulator'],
  dcdc_v1: ['dcdc_controller', 'emu_driver'],
  dcdc_v2: ['dcdc_controller'],
} as const;

/** What must hold among the keys of config.json. */
export const unitConfigRules: readonly ConsistencyRule<UnitConfig>[] = [
  {
    path: 'systemType',
    severity: 'problem',
    broken: ({ systemType, device }) =>
      when(systemType === undefined && device === undefined, 'expected systemType or device, got neither'),
  },
  {
    path: 'connection',
    severity: 'problem',
    broken: ({ systemType, device, connection }) => {
      if (systemType === undefined || device !== undefined) return [];
      const missing = CONNECTIONS[systemType].filter((name) => connection[name] === undefined);
      return missing.map((name) => `expected ${name} (host, port), as systemType is "${systemType}", got nothing`);
    },
  },
  {
    path: 'watchdog',
    severity: 'problem',
    broken: ({ watchdog }) => {
      const missing = (['host', 'port', 'uri'] as const).filter((key) => watchdog[key] === undefined);
      return when(watchdog.enabled && missing.length > 0, `expected ${missing.join(', ')} while enabled, got nothing`);
    },
  },
  {
    path: 'mqtt.port',
    severity: 'problem',
    broken: ({ mqtt }) =>
      when(
        mqtt.broker === 'external' && mqtt.port === undefined,
        'expected the port of the external broker, got nothing',
      ),
  },
  {
    path: 'peers',
    severity: 'problem',
    broken: ({ peers }) => {
      const ids = peers.map(({ unitId }) => unitId);
      const repeated = new Set(ids.filter((id, index) => ids.indexOf(id) !== index));
      return [...repeated].map((id) => `expected each unit once, got ${id} again`);
    },
  },
  {
    path: 'peers',
    severity: 'warning',
    broken: ({ peers, unitId }) =>
      when(
        peers.some((peer) => peer.unitId === unitId),
        `expected other units only, got ${unitId} itself`,
      ),
  },
  {
    path: 'stateFileFormat',
    severity: 'warning',
    broken: ({ stateFileFormat }) =>
      when(stateFileFormat?.includes('%s') === false, 'expected a place %s for the name of the state, got none'),
  },
];
