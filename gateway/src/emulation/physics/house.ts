import type { EpochMsec, Milliseconds, Percent, Volts, WattHours, Watts } from '../../domain/quantities.ts';
import type { BatteryModel } from './battery-model.ts';
import type { Bus } from './bus.ts';
import type { ConverterState } from './converter-state.ts';
import { type Flow, firstCrossing, integralOf, rootsOf, valueAtFraction } from './flow.ts';
import { emptyAccount, FLOW_KEYS, type HouseAccount } from './house-account.ts';
import { balance, type HouseFlows } from './house-balance.ts';
import { type Latches, latchesAt, nextThresholds } from './house-latches.ts';
import type { HouseLoss } from './house-loss.ts';
import { Thermal } from './thermal.ts';

/** Sun and load of one house over time. */
export interface HouseSupply {
  solarW(at: EpochMsec): Watts;
  loadW(at: EpochMsec): Watts;
  /** The next time after `at` at which either stops being linear. */
  nextSampleAt(at: EpochMsec): EpochMsec;
}

export interface HouseParts {
  readonly index: number;
  readonly capacityWh: WattHours;
  readonly rsoc: Percent;
  readonly losses: HouseLoss;
  readonly battery: BatteryModel;
  readonly converter: ConverterState;
  readonly supply: HouseSupply;
  readonly ambientC: number;
  /** Wall time of the world for a time of its clock. */
  readonly wallTime: (at: Milliseconds) => EpochMsec;
}

interface Segment {
  readonly from: Milliseconds;
  readonly until: Milliseconds;
  readonly points: readonly [HouseFlows, HouseFlows, HouseFlows];
  readonly batteryLoss: Flow;
  /** Power that really ends up in the battery's charge. */
  readonly stored: Flow;
}

/** What people or faults have set, in place of what the data say. */
export interface HouseOverrides {
  pvW?: Watts | undefined;
  loadW?: Watts | undefined;
  pvDead?: boolean;
  /** The battery neither takes nor gives. */
  locked?: boolean;
  /** The whole house is without supply. */
  offline?: boolean;
}

/** What of a house is either so or not. */
export interface HouseSwitches extends Latches {
  readonly full: boolean;
  readonly empty: boolean;
}

const MSEC_PER_HOUR = 3_600_000;
const SHORTEST_MSEC = 1e-3;
const LONGEST_MSEC = MSEC_PER_HOUR;
const TINY_W = 1e-9;

/** Share of the capacity within which a battery counts as full or empty: rounding, not physics. */
const NEAR_END = 1e-9;

/**
 * One house. Between two events all its flows are parabolas in time, so that charge and energy follow exactly;
 * reading it at any time changes nothing.
 */
export class House {
  readonly parts: HouseParts;
  readonly overrides: HouseOverrides = {};
  readonly account: HouseAccount;
  readonly thermal: Thermal;
  latches: Latches = { bypass: false, acCharging: false };
  /** When something happens in the house by itself. */
  dueAt: Milliseconds = 0;
  #energyWh: WattHours;
  #segment: Segment;
  #switches: HouseSwitches = { bypass: false, acCharging: false, full: false, empty: false };

  constructor(parts: HouseParts, at: Milliseconds, bus: Bus) {
    this.parts = parts;
    this.thermal = new Thermal(parts.ambientC);
    this.#energyWh = (parts.capacityWh * parts.rsoc) / 100;
    this.account = emptyAccount(this.#energyWh);
    this.#segment = this.#build(at, bus);
  }

  energyWh(at: Milliseconds): WattHours {
    return this.#energyWh + this.#hours() * integralOf(this.#segment.stored, this.#fraction(at));
  }

  rsoc(at: Milliseconds): Percent {
    return Math.min(100, Math.max(0, (100 * this.energyWh(at)) / this.parts.capacityWh));
  }

  flow(key: keyof HouseFlows, at: Milliseconds): Watts {
    return valueAtFraction(this.#flow(key), this.#fraction(at));
  }

  /** Power at the battery side of the converter, + into the battery. */
  converterW(at: Milliseconds, bus: Bus): Watts {
    const gridW = bus.volts(this.parts.index, at) * bus.amperes(this.parts.index, at);
    return this.overrides.offline ? 0 : gridW - this.parts.converter.lossW(gridW);
  }

  batteryV(at: Milliseconds): Volts {
    return this.parts.battery.voltage(this.rsoc(at) / 100, this.flow('battery', at));
  }

  /** What the sun would give if nothing were cut. */
  pvAvailableW(at: Milliseconds): Watts {
    if (this.overrides.pvDead || this.overrides.offline) return 0;
    return this.overrides.pvW ?? this.parts.supply.solarW(this.parts.wallTime(at));
  }

  loadW(at: Milliseconds): Watts {
    return this.overrides.offline ? 0 : (this.overrides.loadW ?? this.parts.supply.loadW(this.parts.wallTime(at)));
  }

  /** Books everything up to `at`; a `rebuild` must follow. */
  commit(at: Milliseconds): void {
    const x = this.#fraction(at);
    const hours = this.#hours();
    this.#energyWh = this.energyWh(at);
    // Integrals of the three Lagrange parabolas: the same weights for every flow.
    const first = hours * x * (1 - x * (1.5 - (2 * x) / 3));
    const second = hours * x * x * (2 - (4 * x) / 3);
    const third = hours * x * x * (-0.5 + (2 * x) / 3);
    const [start, middle, end] = this.#segment.points;
    for (const key of FLOW_KEYS) this.account[key] += first * start[key] + second * middle[key] + third * end[key];
    this.account.batteryLoss += hours * integralOf(this.#segment.batteryLoss, x);
  }

  /** Starts a new segment at `at`; returns the state before, to be compared with the new one. */
  rebuild(at: Milliseconds, bus: Bus): HouseSwitches {
    const before = this.#switches;
    this.latches = this.overrides.locked
      ? { bypass: true, acCharging: false }
      : latchesAt(this.latches, (100 * this.#energyWh) / this.parts.capacityWh);
    this.#segment = this.#build(at, bus);
    this.#switches = { ...this.latches, full: this.isFull(), empty: this.isEmpty() };
    return before;
  }

  state(): HouseSwitches {
    return this.#switches;
  }

  /** Sets the state of charge by hand; a `rebuild` must follow. */
  setRsoc(rsoc: Percent): void {
    const wanted = (this.parts.capacityWh * rsoc) / 100;
    this.account.adjusted += wanted - this.#energyWh;
    this.#energyWh = wanted;
  }

  /** Gives energy at once to charge the bus (or takes it back). */
  giveToBus(wh: WattHours): void {
    this.account.busCharge += wh;
    this.#energyWh -= wh;
    const missingWh = Math.max(0, -this.#energyWh);
    const tooMuchWh = Math.max(0, this.#energyWh - this.parts.capacityWh);
    this.account.import += missingWh;
    this.account.spilled += tooMuchWh;
    this.#energyWh += missingWh - tooMuchWh;
  }

  isFull(): boolean {
    return this.#energyWh >= this.parts.capacityWh * (1 - NEAR_END);
  }

  isEmpty(): boolean {
    return this.#energyWh <= this.parts.capacityWh * NEAR_END;
  }

  #hours(): number {
    return (this.#segment.until - this.#segment.from) / MSEC_PER_HOUR;
  }

  #fraction(at: Milliseconds): number {
    const { from, until } = this.#segment;
    return Math.min(1, Math.max(0, (at - from) / (until - from)));
  }

  #flow(key: keyof HouseFlows): Flow {
    const [start, middle, end] = this.#segment.points;
    return { start: start[key], middle: middle[key], end: end[key] };
  }

  #build(at: Milliseconds, bus: Bus): Segment {
    const wall = this.parts.wallTime(at);
    const sampleAt = at + (this.parts.supply.nextSampleAt(wall) - wall);
    const until = Math.max(at + SHORTEST_MSEC, Math.min(sampleAt, at + LONGEST_MSEC, bus.segment.until));
    const free = this.#points(at, until, bus, true, true);
    const wanted = { start: free[0].wanted, middle: free[1].wanted, end: free[2].wanted };
    const direction = Math.abs(wanted.start) > TINY_W ? wanted.start : wanted.middle;
    const mayCharge = !this.overrides.locked && !(this.isFull() && direction > 0);
    const mayDischarge = !this.overrides.locked && !(this.isEmpty() && direction < 0);
    if (mayCharge && mayDischarge) return this.#start(at, until, free);
    // A clipped flow has a corner where it turns round: the segment must end there.
    const turn = rootsOf(wanted).find((x) => x * (until - at) > SHORTEST_MSEC) ?? 1;
    const turnsAt = at + turn * (until - at);
    return this.#start(at, turnsAt, this.#points(at, turnsAt, bus, mayCharge, mayDischarge));
  }

  #start(from: Milliseconds, until: Milliseconds, points: Segment['points']): Segment {
    const batteryLoss = this.#lossFlow(points);
    const stored = {
      start: points[0].battery - batteryLoss.start,
      middle: points[1].battery - batteryLoss.middle,
      end: points[2].battery - batteryLoss.end,
    };
    const segment = { from, until, points, batteryLoss, stored };
    this.thermal.heat(from, points[0].converterLoss);
    this.dueAt = this.#due(segment);
    return segment;
  }

  #points(
    at: Milliseconds,
    until: Milliseconds,
    bus: Bus,
    mayCharge: boolean,
    mayDischarge: boolean,
  ): Segment['points'] {
    const middle = (at + until) / 2;
    const [pvStart, pvMiddle] = [this.pvAvailableW(at), this.pvAvailableW(middle)];
    const [loadStart, loadMiddle] = [this.loadW(at), this.loadW(middle)];
    const flows = (when: Milliseconds, pvW: Watts, loadW: Watts): HouseFlows => {
      const gridW = bus.volts(this.parts.index, when) * bus.amperes(this.parts.index, when);
      return this.#flowsOf({
        pvW,
        loadW,
        gridW,
        busChargeW: bus.chargingW(this.parts.index, when),
        mayCharge,
        mayDischarge,
      });
    };
    // The end is extrapolated: the data may jump there (end of the year), the segment must not see it.
    return [
      flows(at, pvStart, loadStart),
      flows(middle, pvMiddle, loadMiddle),
      flows(until, Math.max(0, 2 * pvMiddle - pvStart), Math.max(0, 2 * loadMiddle - loadStart)),
    ];
  }

  #flowsOf(input: {
    readonly pvW: Watts;
    readonly loadW: Watts;
    readonly gridW: Watts;
    readonly busChargeW: Watts;
    readonly mayCharge: boolean;
    readonly mayDischarge: boolean;
  }): HouseFlows {
    const { bypass, acCharging } = this.latches;
    const dark = this.overrides.offline === true;
    const converterLossW = dark ? 0 : this.parts.converter.lossW(input.gridW);
    return balance({ ...input, converterLossW, bypass, acCharging }, dark ? DARK : this.parts.losses);
  }

  #lossFlow(points: Segment['points']): Flow {
    const charge = Math.min(1, Math.max(0, this.#energyWh / this.parts.capacityWh));
    const loss = (flows: HouseFlows): Watts => this.parts.battery.loss(charge, flows.battery);
    return { start: loss(points[0]), middle: loss(points[1]), end: loss(points[2]) };
  }

  /** The end of the segment, or earlier when a threshold is crossed or the converter gets too hot. */
  #due(segment: Segment): Milliseconds {
    const { from, until, stored } = segment;
    const { capacityWh, converter } = this.parts;
    const gain = (until - from) / MSEC_PER_HOUR;
    const fractions = nextThresholds(this.latches).map(
      (rsoc) => firstCrossing(stored, this.#energyWh, gain, (capacityWh * rsoc) / 100) ?? 1,
    );
    const earliest = from + Math.min(1, ...fractions) * (until - from);
    const { protects, overTemperatureC } = converter.options;
    const mayTrip = protects && converter.mode !== 'WAIT';
    const hotAt = mayTrip ? this.thermal.reachesAt(overTemperatureC) : Infinity;
    return Math.max(from + SHORTEST_MSEC, Math.min(earliest, until, hotAt));
  }
}

/** A house without supply loses nothing. */
const DARK: HouseLoss = {
  battery: { dcW: 0, dcPerLoad: 0, acW: 0, acPerLoad: 0 },
  bypass: { dcW: 0, dcPerLoad: 0, acW: 0, acPerLoad: 0 },
  chargerW: 0,
  chargerLossW: 0,
};
