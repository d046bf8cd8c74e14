import type { ConverterMode } from '../domain/converter-mode.ts';
import type { Amperes, Milliseconds, Percent, Volts, WattHours, Watts } from '../domain/quantities.ts';
import type { DcdcMeter } from '../domain/unit-data.ts';
import type { Bus } from './physics/bus.ts';
import type { TripKind } from './physics/converter-state.ts';
import { type Household, terminalsOf } from './physics/household.ts';

/** The truth about a house, without any meter in between. */
export interface HouseState extends DcdcMeter {
  readonly houseId: string;
  readonly rsoc: Percent;
  readonly energyWh: WattHours;
  readonly capacityWh: WattHours;
  readonly pvW: Watts;
  /** What the sun would give if nothing were cut. */
  readonly pvAvailableW: Watts;
  readonly loadW: Watts;
  readonly acImportW: Watts;
  /** At the battery's terminals, + into it. */
  readonly batteryW: Watts;
  readonly bypass: boolean;
  readonly acCharging: boolean;
  readonly mode: ConverterMode;
  readonly dvg: Volts;
  readonly dig: Amperes;
  readonly drg: number;
  /** What a voltage reference would have to carry had it no limit; for other modes the current that was commanded. */
  readonly demandedA: Amperes;
  readonly trip?: TripKind;
  readonly faults: readonly string[];
}

export function houseState(household: Household, bus: Bus, at: Milliseconds): HouseState {
  const { id, house, converter, faults } = household;
  const { index, capacityWh } = house.parts;
  const isReference = converter.mode === 'VOLTAGE_REFERENCE';
  return {
    houseId: id,
    ...terminalsOf(household, bus, at),
    rsoc: house.rsoc(at),
    energyWh: house.energyWh(at),
    capacityWh,
    pvW: house.flow('pvUsed', at),
    pvAvailableW: house.flow('pvUsed', at) + house.flow('pvCurtailed', at),
    loadW: house.flow('load', at),
    acImportW: house.flow('import', at),
    batteryW: house.flow('battery', at),
    ...house.latches,
    mode: converter.mode,
    dvg: converter.dvg,
    dig: converter.dig,
    drg: converter.drg,
    demandedA: isReference ? bus.demandedA(index, at) : converter.demandA(at),
    ...(converter.trip === undefined ? {} : { trip: converter.trip }),
    faults: faults.kinds(),
  };
}
