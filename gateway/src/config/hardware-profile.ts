import { dictionary, list, optional, record } from './composite-fields.ts';
import type { Field, ValueOf } from './field.ts';
import { type JsonValue, plain } from './json-tree.ts';
import { choice, flag, integer, number, scalar, text } from './scalar-fields.ts';

/** Left to the driver that the profile selects; it validates its own points and options when it is built. */
const driversOwn: Field<JsonValue> = {
  expected: 'anything',
  optional: false,
  read: ({ node }) => (node === undefined ? undefined : plain(node)),
};
const driversTable = optional(dictionary(driversOwn));

const range = record({ min: number(), max: number() });
const slug = scalar('lower-case letters, digits and "-"', (value) =>
  typeof value === 'string' && /^[a-z0-9][a-z0-9-]*$/.test(value) ? value : undefined,
);

/** Where the device is reached: the kind decides which of the other keys the driver reads. */
const transport = record({
  kind: choice('serial', 'tcp', 'rtu-over-tcp', 'http', 'memory'),
  path: optional(text),
  baudRate: optional(integer({ min: 1200, max: 115200 })),
  dataBits: optional(integer({ min: 7, max: 8 })),
  parity: optional(choice('none', 'even', 'odd')),
  stopBits: optional(integer({ min: 1, max: 2 })),
  direction: optional(choice('auto', 'rts', 'gpio')),
  gpio: optional(text),
  echo: optional(flag),
  host: optional(text),
  port: optional(integer({ min: 1, max: 65535 })),
  baseUrl: optional(text),
  bearerTokenEnv: optional(text),
});

const common = {
  identity: driversTable,
  transport,
  unitId: optional(integer({ min: 0, max: 255 })),
  timing: optional(dictionary(integer({ min: 0 }))),
  polling: optional(dictionary(integer({ min: 10 }))),
  options: driversTable,
} as const;

const battery = record({
  ...common,
  protocol: choice('modbus', 'sunspec', 'http-driver', 'fake'),
  baseAddresses: optional(list(integer({ min: 0, max: 65535 }))),
  points: dictionary(driversOwn),
  derived: driversTable,
  staleAfterMs: optional(integer({ min: 1 })),
});

const mode = integer();
const dcdc = record({
  ...common,
  protocol: choice('eza2500', 'modbus', 'http-driver', 'fake'),
  addresses: optional(record({ converter: integer({ min: 0, max: 255 }), controller: integer({ min: 0, max: 255 }) })),
  modes: record({ WAIT: mode, VOLTAGE_REFERENCE: mode, CHARGE: mode, DISCHARGE: mode }),
  limits: record({ dvg: range, drg: range, dig: range }),
  sequences: dictionary(list(choice('mode', 'voltage', 'current'), { unique: true, atLeast: 3 })),
  points: driversTable,
  setup: optional(dictionary(number())),
  reportedAs: driversTable,
  onCommLoss: optional(choice('hold', 'wait')),
});

const above0 = number({ above: 0 });

/** Every key of a hardware profile down to where the drivers take over (hardware.md, profile.schema.json). */
export const hardwareProfileFields = record({
  $schema: optional(text),
  id: slug,
  title: text,
  profileVersion: integer({ min: 1 }),
  notes: optional(list(text)),
  verified: optional(choice('bench', 'simulator', 'document', 'template')),
  devices: record({ battery, dcdc }),
  unit: record({
    batteryNominalCapacityWh: above0,
    gridCurrentCapacityA: above0,
    gridCurrentAllowanceA: above0,
    droopRatio: number({ min: 0 }),
    efficientBatteryGridVoltageRatio: optional(above0),
    safety: record({
      tmp: optional(range),
      vg: optional(range),
      vb: optional(range),
      ig: optional(range),
      ib: optional(range),
    }),
  }),
});

/** A kind of hardware as data: how its devices are reached and what they can do. */
export type HardwareProfile = ValueOf<typeof hardwareProfileFields>;
