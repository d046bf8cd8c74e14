import { childSpot, objectAt, optional, record } from './composite-fields.ts';
import type { Field } from './field.ts';
import { id, number } from './scalar-fields.ts';
import type { Rule, Rules } from './scenario.ts';

/** Negative limits and prices would break the choice (market W11). */
const notNegative = number({ min: 0, max: 1e9 });

/** Whole Wh; a fraction is cut off as the original does (vector RQ-10). */
const limitWh: Field<number> = {
  ...notNegative,
  read(spot) {
    const value = notNegative.read(spot);
    if (value === undefined || Number.isInteger(value)) return value;
    const { report, line, path } = spot;
    report.warn({ line, path, message: `expected whole Wh, the fraction of ${value} is cut off` });
    return Math.trunc(value);
  },
};

const rule: Field<Rule> = record({ limitWh, pointPerWh: optional(notNegative), pairUnitId: optional(id) });
const rules: Field<Rules> = record({ charge: optional(rule), discharge: optional(rule) });

/** `request` and `accept` of a window: rules by status name; in a map, as a status may be called anything. */
export const ruleTable: Field<ReadonlyMap<string, Rules>> = {
  expected: 'an object',
  optional: false,
  read(spot) {
    const table = new Map<string, Rules>();
    if (spot.node === undefined) return table;
    const object = objectAt(spot);
    if (object === undefined) return undefined;
    for (const key of object.members.keys()) {
      const value = rules.read(childSpot(object, spot, key));
      if (value !== undefined) table.set(key, value);
    }
    return table;
  },
};
