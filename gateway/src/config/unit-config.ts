import { ROLES } from '../domain/role.ts';
import { dictionary, list, optional, record, withDefault } from './composite-fields.ts';
import { device } from './device-field.ts';
import type { ValueOf } from './field.ts';
import { choice, flag, id, integer, msec, port, secretText, text } from './scalar-fields.ts';

/** Files of mutual TLS, relative to this one. Absent: `certs` below the unit's data directory, where they are there. */
const brokerTls = record({
  ca: text,
  cert: text,
  key: text,
  crl: optional(text),
  /** By CN, for certificates whose OU names no role. */
  roles: withDefault(dictionary(choice(...ROLES)), {}),
});

const endpoint = optional(record({ host: withDefault(text, 'localhost'), port }));

/** Half a day and the widest real zone: UTC-12 to UTC+14. */
const zoneOffset = integer({ min: -12 * 60, max: 14 * 60 });

/** Every key of config.json (market §1.3), and our own at the end. */
export const unitConfigFields = record({
  programId: withDefault(text, 'apis-main'),
  communityId: withDefault(id, 'NA'),
  clusterId: withDefault(id, 'NA'),
  security: record({
    enabled: withDefault(flag, false),
    pemKeyFile: optional(text),
    pemCertFile: optional(text),
  }),
  unitId: id,
  unitName: optional(text),
  serialNumber: withDefault(text, 'NA'),
  // Which hardware: one of `systemType` (the original's way) and `device` (ours) is required (unit-config-rules.ts).
  systemType: optional(choice('dcdc_emulator', 'dcdc_v1', 'dcdc_v2')),
  hwConfigFile: text,
  policyFile: text,
  scenarioFile: text,
  // Absent: below `dataDir` (architecture §8).
  stateFileFormat: optional(text),
  dealLogDirFormat: optional(text),
  fileSystemExclusiveLockFileFormat: withDefault(text, '{tmpdir}/.apis.%s.lock'),
  policyFileReadTimeoutMsec: withDefault(msec, 60000),
  connection: record({ emulator: endpoint, dcdc_controller: endpoint, emu_driver: endpoint }),
  controlCenter: record({
    // The original's default is true: without its centre every unit then warns for ever (market W26).
    enabled: withDefault(flag, false),
    account: optional(text),
    password: optional(secretText),
  }),
  batteryCapacityManagement: record({ enabled: withDefault(flag, false) }),
  watchdog: record({
    enabled: withDefault(flag, false),
    periodMsec: withDefault(msec, 5000),
    host: optional(text),
    port: optional(port),
    uri: optional(text),
    requestTimeoutMsec: withDefault(msec, 5000),
  }),
  device: optional(device),
  mqtt: record({
    host: withDefault(text, '127.0.0.1'),
    port: optional(port),
    /** Where others reach the broker; absent: at `host`, or at the address of this machine when that is all of them. */
    reachedAt: optional(text),
    /** "external": a mosquitto at host and port stands in for the broker of the unit. */
    broker: withDefault(choice('embedded', 'external'), 'embedded'),
    /** Without TLS beyond loopback: everybody on the network may operate this unit. */
    insecure: withDefault(flag, false),
    tls: optional(brokerTls),
  }),
  dataDir: optional(text),
  discovery: record({
    /** Absent: as needed, that is, when members live in other processes and are no static peers. */
    mdns: optional(flag),
    /** Name or address of the one interface to announce on and to look on; absent: where `mqtt.host` can be reached. */
    interface: optional(text),
  }),
  /** Static peers, for networks without multicast. */
  peers: withDefault(list(record({ unitId: id, host: text, port })), []),
  /** Offset of the local time that scenario windows mean; absent: the zone of the machine. */
  timeZoneOffsetMinutes: optional(zoneOffset),
});

/** Identity and surroundings of one unit. */
export type UnitConfig = ValueOf<typeof unitConfigFields>;
