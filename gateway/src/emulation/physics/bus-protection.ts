import type { Milliseconds, Volts } from '../../domain/quantities.ts';
import type { BusInput, BusSnapshot } from './bus-solution.ts';
import type { ConverterState, TripKind } from './converter-state.ts';
import { rootsOf } from './network-solver.ts';
import { nth } from './nth.ts';

/** A converter that has stopped by itself, and the voltage at which it did. */
export interface Trip {
  readonly house: number;
  readonly kind: TripKind;
  readonly volts: Volts;
}

/** A limit that a floating voltage has just reached counts as passed. */
const TINY_V = 1e-6;

/** Only a voltage reference can start a dead bus: constant-current converters trip on it. */
export function tripsOnDeadBus(
  { forest, houseNodes, converters }: BusInput,
  at: Milliseconds,
  beforeV: readonly Volts[],
): readonly Trip[] {
  const rootOf = rootsOf(forest.parent);
  const starts = (converter: ConverterState): boolean =>
    converter.mode === 'VOLTAGE_REFERENCE' && converter.aimV(at) >= converter.options.underVoltageV;
  const started = new Set(
    converters.flatMap((converter, house) => (starts(converter) ? [rootOf[nth(houseNodes, house)]] : [])),
  );
  return converters.flatMap((converter, house): Trip[] => {
    const node = nth(houseNodes, house);
    const volts = nth(beforeV, node);
    const drives = converter.mode === 'CHARGE' || converter.mode === 'DISCHARGE';
    const isDead = volts < converter.options.underVoltageV - TINY_V && !started.has(rootOf[node]);
    return drives && converter.options.protects && isDead ? [{ house, kind: 'under-voltage', volts }] : [];
  });
}

/** Converters that must trip at the voltages of a snapshot; `slopeOf` tells where the voltage of a house is going. */
export function tripsAt(
  { houseNodes, converters }: BusInput,
  snapshot: BusSnapshot,
  at: Milliseconds,
  slopeOf: (house: number) => number,
): readonly Trip[] {
  return converters.flatMap((converter, house): Trip[] => {
    if (converter.mode === 'WAIT' || !converter.options.protects) return [];
    const volts = nth(snapshot.solution.volts, nth(houseNodes, house));
    const kind = tripOf(converter, at, { volts, amperes: nth(snapshot.houseA, house), slope: slopeOf(house) });
    return kind === undefined ? [] : [{ house, kind, volts }];
  });
}

function tripOf(
  converter: ConverterState,
  at: Milliseconds,
  { volts, amperes, slope }: { readonly volts: Volts; readonly amperes: number; readonly slope: number },
): TripKind | undefined {
  const { overVoltageV, underVoltageV } = converter.options;
  if (volts > overVoltageV || (volts > overVoltageV - TINY_V && slope > 0)) return 'over-voltage';
  const isLow = volts < underVoltageV || (volts < underVoltageV + TINY_V && slope < 0);
  // A voltage reference that follows its own low aim is right; one that is held down at its limit is not.
  const isRight = !converter.isClipped(amperes) || converter.aimV(at) < underVoltageV;
  return isLow && !(isRight && converter.mode === 'VOLTAGE_REFERENCE') ? 'under-voltage' : undefined;
}
