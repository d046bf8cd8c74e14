import type { WattHours, Watts } from '../../domain/quantities.ts';
import { type EnergyTotals, FLOWS, type Flow, totalsOf } from './energy-totals.ts';
import type { LossProfile } from './loss-profile.ts';
import { at, SAMPLE_SECONDS, YEAR_SECONDS } from './year-samples.ts';

/** One house, or several that are wired together behind one battery. */
export interface HouseSpec {
  /** Factor on the standard PV. */
  readonly pvFactor: number;
  /** Load at the sample points of the year. */
  readonly loadW: Float64Array;
  readonly capacityWh: WattHours;
  /** How many sets of UPS, charger and converter there are. */
  readonly devices: number;
}

export interface BankOptions {
  readonly houses: readonly HouseSpec[];
  readonly solarW: Float64Array;
  readonly losses: LossProfile;
  /** 0 … 1. */
  readonly initialCharge: number;
}

/** Thresholds of the UPS and of the AC charger, as parts of the capacity (emulator.md §1.4). */
const BYPASS_ON = 0.3;
const BYPASS_OFF = 0.35;
const CHARGER_ON = 0.2;
const CHARGER_OFF = 0.25;

/**
 * All houses side by side, in flat arrays: a year is some ten million house-steps. The formulas are those of
 * physics/house-balance.ts (emulator.md §1.5). PV and load go in straight lines, so a step's middle gives its mean
 * exactly; a battery that gets full or empty within a step is cut there, never beyond (INV-8).
 */
export class HouseBank {
  readonly count: number;
  readonly storedWh: Float64Array;
  readonly capacityWh: Float64Array;
  /** Power at the grid side of each converter, + when received; the bus sets it. */
  readonly gridW: Float64Array;
  /** Loss of each converter; the bus sets it. */
  readonly converterLossW: Float64Array;
  /** 1 while a converter is out of waiting. */
  readonly trading: Uint8Array;
  readonly #bypass: Uint8Array;
  readonly #charging: Uint8Array;
  readonly #initialWh: Float64Array;
  readonly #flows: Readonly<Record<Flow, Float64Array>>;
  readonly #options: BankOptions;

  constructor(options: BankOptions) {
    const { houses, losses, initialCharge } = options;
    this.#options = options;
    this.count = houses.length;
    this.capacityWh = Float64Array.from(houses, (house) => house.capacityWh);
    this.storedWh = this.capacityWh.map((capacity) => capacity * initialCharge);
    this.#initialWh = this.storedWh.slice();
    this.gridW = new Float64Array(this.count);
    this.converterLossW = Float64Array.from(houses, (house) => house.devices * losses.converter('WAIT', 0));
    this.trading = new Uint8Array(this.count);
    this.#bypass = new Uint8Array(this.count);
    this.#charging = new Uint8Array(this.count);
    this.#flows = Object.fromEntries(FLOWS.map((flow) => [flow, new Float64Array(this.count)])) as Record<
      Flow,
      Float64Array
    >;
  }

  /** Lets `duration` seconds pass from `second` of the run on; the span must not reach over a sample point. */
  advance(second: number, duration: number): void {
    const middle = ((second + duration / 2) % YEAR_SECONDS) / SAMPLE_SECONDS;
    const index = Math.floor(middle);
    const part = middle - index;
    const { solarW, houses } = this.#options;
    const sunW = at(solarW, index) * (1 - part) + at(solarW, index + 1) * part;
    for (let house = 0; house < this.count; house += 1) {
      const { loadW, pvFactor } = houses[house] as HouseSpec;
      this.#step(house, at(loadW, index) * (1 - part) + at(loadW, index + 1) * part, sunW * pvFactor, duration / 3600);
    }
  }

  /** Account of one house. */
  totals(house: number): EnergyTotals {
    return totalsOf((flow) =>
      flow === 'storedChangeWh' ? at(this.storedWh, house) - at(this.#initialWh, house) : at(this.#flows[flow], house),
    );
  }

  #step(house: number, loadW: Watts, pvW: Watts, hours: number): void {
    const { houses, losses } = this.#options;
    const devices = (houses[house] as HouseSpec).devices;
    const bypass = this.#bypass[house] === 1;
    const charging = this.#charging[house] === 1;
    const mode = bypass ? losses.house.bypass : losses.house.battery;
    const dcLossW = devices * mode.dcW + mode.dcPerLoad * loadW;
    const chargerLossW = charging ? devices * losses.house.chargerLossW : 0;
    const acLossW = devices * mode.acW + mode.acPerLoad * loadW + chargerLossW;
    const chargerW = charging ? devices * losses.house.chargerW : 0;
    const gridW = at(this.gridW, house);
    const converterLossW = at(this.converterLossW, house);
    const batteryW = gridW - converterLossW + pvW + chargerW - dcLossW - (bypass ? 0 : loadW);
    const missingWh = this.#store(house, batteryW * hours, pvW * hours);
    const flows = this.#flows;
    add(flows.pvWh, house, pvW * hours);
    add(flows.loadWh, house, loadW * hours);
    add(flows.importedWh, house, (acLossW + chargerW + (bypass ? loadW : 0)) * hours + missingWh);
    add(flows.houseLossWh, house, (dcLossW + acLossW) * hours);
    add(this.trading[house] === 1 ? flows.exchangeLossWh : flows.standbyLossWh, house, converterLossW * hours);
    if (gridW > 0) add(flows.receivedWh, house, gridW * hours);
    else if (gridW < 0) add(flows.sentWh, house, -gridW * hours);
    if (!losses.wholeBattery) this.#latch(house);
  }

  /** Charges the battery; full: PV is cut, then the rest spilled. Gives what an empty one could not deliver. */
  #store(house: number, deltaWh: WattHours, pvWh: WattHours): WattHours {
    const wantedWh = at(this.storedWh, house) + deltaWh;
    const capacityWh = at(this.capacityWh, house);
    this.storedWh[house] = Math.min(Math.max(wantedWh, 0), capacityWh);
    if (wantedWh > capacityWh) {
      const cutWh = Math.min(pvWh, wantedWh - capacityWh);
      add(this.#flows.curtailedWh, house, cutWh);
      add(this.#flows.spilledWh, house, wantedWh - capacityWh - cutWh);
    }
    return wantedWh < 0 ? -wantedWh : 0;
  }

  #latch(house: number): void {
    const charge = at(this.storedWh, house) / at(this.capacityWh, house);
    if (charge <= BYPASS_ON) this.#bypass[house] = 1;
    else if (charge >= BYPASS_OFF) this.#bypass[house] = 0;
    if (charge <= CHARGER_ON) this.#charging[house] = 1;
    else if (charge >= CHARGER_OFF) this.#charging[house] = 0;
  }
}

function add(values: Float64Array, index: number, value: number): void {
  values[index] = at(values, index) + value;
}
