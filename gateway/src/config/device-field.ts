import { childSpot, objectAt } from './composite-fields.ts';
import type { Field } from './field.ts';
import { type JsonValue, plain } from './json-tree.ts';
import { text } from './scalar-fields.ts';

/** Which driver runs the converter and battery: `type` selects it, the rest is the driver's own business. */
export interface DeviceConfig {
  readonly type: string;
  readonly [option: string]: JsonValue;
}

/** Options that each known driver cannot do without. */
const REQUIRED_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  emulated: ['house'],
  http: ['baseUrl'],
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
    const required = new Map(Object.entries(REQUIRED_OPTIONS)).get(type) ?? [];
    for (const key of required) text.read(childSpot(object, spot, key));
    const options = [...object.members].map(([key, node]) => [key, plain(node)] as const);
    return { ...Object.fromEntries(options), type };
  },
};
