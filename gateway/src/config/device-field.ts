import { childSpot, objectAt } from './composite-fields.ts';
import type { Field } from './field.ts';
import { type JsonValue, plain } from './json-tree.ts';
import { choice, text } from './scalar-fields.ts';

/** Which driver runs the converter and battery: `type` selects it, the rest is the driver's own business. */
export interface DeviceConfig {
  readonly type: string;
  readonly [option: string]: JsonValue;
}

/** What brings a converter behind a flow to WAIT when the flow is dead (RULE-18). */
const SAFE_STOPS = ['watchdog', 'independent'] as const;

/** Options that each known driver cannot do without. */
const REQUIRED_OPTIONS: Readonly<Record<string, Readonly<Record<string, Field<string>>>>> = {
  emulated: { house: text },
  http: { baseUrl: text },
  flow: { safeStop: choice(...SAFE_STOPS) },
};

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
    const options = [...object.members].map(([key, node]) => [key, plain(node)] as const);
    return { ...Object.fromEntries(options), type };
  },
};
