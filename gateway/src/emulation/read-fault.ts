import * as v from 'valibot';
import { CONVERTER_MODES, type ConverterMode } from '../domain/converter-mode.ts';
import { worldError } from './world-checks.ts';
import type { HouseFault, HouseFaultKind } from './world-fault.ts';

const within = (lowest: number, highest: number) => v.pipe(v.number(), v.minValue(lowest), v.maxValue(highest));
const optional = v.exactOptional;

const delayMsec = within(0, 600_000);
const modes = Object.keys(CONVERTER_MODES) as ConverterMode[]; // the table has no other keys
const trips = [
  'over-voltage',
  'under-voltage',
  'over-current',
  'over-temperature',
  'battery-locked',
  'heavy-alarm',
] as const;

/** The values that each fault has besides its kind. */
const VALUES = {
  noReply: { probability: optional(within(0, 1)), commandsAct: optional(v.boolean()) },
  lateReply: { delayMsec },
  duplicate: { delayMsec: optional(delayMsec) },
  stuckMeter: {},
  offsetCurrent: { amperes: within(-20, 20) },
  meterOffset: { volts: optional(within(-500, 500)), amperes: optional(within(-20, 20)) },
  wrongMode: { mode: v.picklist(modes) },
  trip: { trip: v.picklist(trips) },
  lightAlarm: {},
  heavyAlarm: {},
  refuseVoltageReference: {},
  secondVoltageSource: { volts: within(0, 500), ohms: optional(within(0.01, 1000)), limitA: optional(within(0, 100)) },
  leak: { siemens: within(0, 1) },
  batteryLocked: {},
  pvDead: {},
  houseOffline: {},
  overheat: { ambientC: within(-50, 150) },
  clockSkew: { offsetMsec: within(-1e9, 1e9) },
  reboot: {},
} as const satisfies Record<HouseFaultKind, v.ObjectEntries>;

export const HOUSE_FAULT_KINDS: readonly HouseFaultKind[] = Object.keys(VALUES) as HouseFaultKind[]; // by its type

/** The kind of a house's fault. @throws ConfigError for a word that is none */
export function readFaultKind(value: unknown): HouseFaultKind {
  const kind = HOUSE_FAULT_KINDS.find((one) => one === value);
  if (kind === undefined)
    throw worldError('kind', `expected one of ${HOUSE_FAULT_KINDS.join(', ')}, got ${shown(value)}`);
  return kind;
}

/** A fault of a house with all its values. @throws ConfigError that names what is missing, wrong or unknown (INV-11) */
export function readHouseFault(value: Readonly<Record<string, unknown>>): HouseFault {
  const kind = readFaultKind(value.kind);
  const result = v.safeParse(v.strictObject({ kind: v.literal(kind), ...VALUES[kind] }), value);
  if (result.success) return result.output as HouseFault; // the table pairs each kind with its own values
  const [issue] = result.issues;
  const path = (issue.path ?? []).map((item) => String(item.key)).join('.');
  throw worldError(path, `${kind}: expected ${issue.expected ?? issue.message}, got ${issue.received}`);
}

const shown = (value: unknown): string => JSON.stringify(value)?.slice(0, 40) ?? 'nothing';
