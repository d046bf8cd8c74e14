import { childSpot, list, objectAt } from './composite-fields.ts';
import type { Field } from './field.ts';
import { type JsonObject, type JsonValue, plain } from './json-tree.ts';
import { choice, text } from './scalar-fields.ts';

/** Which driver runs the converter and battery: `type` selects it, the rest is the driver's own business. */
export interface DeviceConfig {
  readonly type: string;
  readonly [option: string]: JsonValue;
}

/** What brings a converter behind a flow to WAIT when the flow is dead (RULE-18). */
const SAFE_STOPS = ['watchdog', 'independent'] as const;

/** Program and arguments of the independent way. */
const stopCommand = list(text, { atLeast: 1 });

/** Options that each known driver cannot do without. */
const REQUIRED_OPTIONS: Readonly<Record<string, Readonly<Record<string, Field<string>>>>> = {
  emulated: { house: text },
  http: { baseUrl: text },
  flow: { safeStop: choice(...SAFE_STOPS) },
};

const plainMember = (object: JsonObject, key: string): JsonValue | undefined => {
  const node = object.members.get(key);
  return node && plain(node);
};

/** The program that stops a converter past its flow, with its arguments; undefined where a watchdog does (RULE-18). */
export function stopCommandOf(device: DeviceConfig | undefined): readonly string[] | undefined {
  if (device?.type !== 'flow' || device.safeStop !== 'independent') return undefined;
  return [device.stopCommand].flat().map(String); // checked when it was read
}

/** The `device` key: kept open for drivers to come; those we know must have what they need. */
export const device: Field<DeviceConfig> = {
  expected: 'an object',
  optional: false,
  read(spot) {
    const object = objectAt(spot);
    if (object === undefined) return undefined;
    const type = text.read(childSpot(object, spot, 'type'));
    if (type === undefined) return undefined;
    const required = new Map(Object.entries(REQUIRED_OPTIONS)).get(type) ?? {};
    for (const [key, field] of Object.entries(required)) field.read(childSpot(object, spot, key));
    // A way that is only declared stops nothing.
    const isIndependent = type === 'flow' && plainMember(object, 'safeStop') === 'independent';
    if (isIndependent) stopCommand.read(childSpot(object, spot, 'stopCommand'));
    const options = [...object.members].map(([key, node]) => [key, plain(node)] as const);
    return { ...Object.fromEntries(options), type };
  },
};
