import type { SafetyCheck, Violation } from './safety-check.ts';

const METERS = ['tmp', 'vg', 'vb', 'ig', 'ib'] as const;
type Meter = (typeof METERS)[number];

/** Codes by meter and by the side on which it left its range. */
const REASONS: Readonly<Record<Meter, { readonly above: string; readonly below: string }>> = {
  tmp: { above: 'safety.over-temperature', below: 'safety.under-temperature' },
  vg: { above: 'safety.over-voltage', below: 'safety.under-voltage' },
  vb: { above: 'safety.battery-over-voltage', below: 'safety.battery-under-voltage' },
  ig: { above: 'safety.over-current', below: 'safety.over-current' },
  ib: { above: 'safety.battery-over-current', below: 'safety.battery-over-current' },
};

function reasonOf(meter: Meter, value: number, min: number, max: number): string | undefined {
  if (value > max) return REASONS[meter].above;
  if (value < min) return REASONS[meter].below;
  return value >= min && value <= max ? undefined : 'safety.meter-missing';
}

/** L9, L9a: every meter is there and within the static range of the hardware; else WAIT at once (INV-3, INV-9). */
export const checkRanges: SafetyCheck = ({ dcdc, hwConfig }) => {
  const found: Violation[] = [];
  for (const meter of METERS) {
    const { min, max } = hwConfig.safety.range.dcdc.meter[meter];
    const reason = reasonOf(meter, dcdc.meter[meter], min, max);
    if (reason === undefined) continue;
    const message = `${meter} is ${dcdc.meter[meter]}, the range is ${min} to ${max}`;
    found.push({ check: `L9.${meter}`, reason, category: 'HARDWARE', message, stops: true });
  }
  return found;
};
