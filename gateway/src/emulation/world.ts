import { DeviceError } from '../domain/errors.ts';
import type { EpochMsec, Milliseconds } from '../domain/quantities.ts';
import { formatTimestamp } from '../domain/timestamp.ts';
import type { Dcdc, EmuData } from '../domain/unit-data.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Device, DeviceReading } from '../ports/device.ts';
import { type ConverterWrite, EmulatedDevice } from './emulated-device.ts';
import { type EnergyAccount, energyAccount } from './energy-account.ts';
import { beginFault, endFault, type FaultScene, standingTrip } from './fault-effects.ts';
import { batteryOf, dcdcOf, emuOf } from './house-reading.ts';
import { type HouseState, houseState } from './house-state.ts';
import { supplyOf } from './house-supply.ts';
import { BATTERY_MODELS } from './physics/battery-model.ts';
import { Bus, type BusOptions } from './physics/bus.ts';
import { CONVERTER_PRESETS } from './physics/converter-options.ts';
import { ConverterState, type TripKind } from './physics/converter-state.ts';
import { House } from './physics/house.ts';
import { HOUSE_LOSSES } from './physics/house-loss.ts';
import type { Household } from './physics/household.ts';
import { METER_PRESETS, Meter } from './physics/meter.ts';
import { type NetworkSpec, Topology } from './physics/topology.ts';
import { checkHouses, checkSetting, checkWrite, type HouseSetting, worldError } from './world-checks.ts';
import type { WorldEvent, WorldHappening } from './world-event.ts';
import { type FaultTarget, HouseFaults, type WorldFault } from './world-fault.ts';
import { type HouseOptions, houseIds, type LatencyOptions, type WorldOptions } from './world-options.ts';

const DEFAULT_LATENCY: LatencyOptions = { kind: 'log-normal', medianMsec: 20, sigma: 0.3 };
const DEFAULT_BUS: BusOptions = { faradsPerHouse: 500e-6, bleedVPerS: 500 };
/** A timer that is due now still needs a moment, so that time always goes on. */
const SOONEST_MSEC = 1e-3;

/**
 * The physical world: houses, batteries, converters and the DC bus between them, exact between events
 * (emulator.md §6). It has no loop of its own: one timer for its next event, and it catches up whenever it is asked.
 */
export class World {
  readonly clock: Clock;
  readonly #options: WorldOptions;
  readonly #households: Household[] = [];
  readonly #converters: ConverterState[] = [];
  readonly #byId = new Map<string, Household>();
  #topology: Topology;
  readonly #bus: Bus;
  readonly #handlers = new Set<(event: WorldEvent) => void>();
  readonly #broken = new Set<string>();
  readonly #epoch: EpochMsec;
  #at: Milliseconds;
  #nextAt: Milliseconds = 0;
  #cancel: Cancel = () => {};
  #closed = false;

  /** Throws `ConfigError` for a network that is not radial or houses that do not fit. */
  constructor(options: WorldOptions) {
    this.clock = options.clock;
    this.#options = options;
    this.#at = options.clock.monotonic();
    this.#epoch = (options.startAt ?? options.clock.now()) - this.#at;
    const houses = typeof options.houses === 'number' ? houseIds(options.houses).map((id) => ({ id })) : options.houses;
    checkHouses(houses);
    const ids = houses.map(({ id }) => id);
    this.#topology = new Topology(networkOf(options), ids);
    this.#converters.push(...ids.map(() => newConverter(options)));
    this.#bus = new Bus(this.#topology, ids, this.#converters, { ...DEFAULT_BUS, ...options.bus });
    for (const house of houses) this.#enter(house);
    this.#settle(this.#at);
  }

  houseIds(): readonly string[] {
    return this.#households.map(({ id }) => id);
  }

  /** Adds a house at the end of the bus, like the others but with the defaults; returns its id. */
  addHouse(options: Partial<HouseOptions> = {}): string {
    const ids = this.houseIds();
    const id = options.id ?? houseIds(ids.length + 1).find((one) => !ids.includes(one)) ?? '';
    checkHouses([...ids.map((one) => ({ id: one })), { ...options, id }]);
    this.#resize([...ids, id], () => {
      this.#converters.push(newConverter(this.#options));
      this.#enter({ ...options, id });
    });
    return id;
  }

  /** Takes the last house off the bus. Throws `ConfigError` when it is the only one. */
  removeHouse(): void {
    const ids = this.houseIds();
    const last = this.#households.at(-1);
    if (last === undefined || ids.length === 1)
      throw worldError('houses', 'expected to keep at least one house, got none');
    this.#resize(ids.slice(0, -1), () => {
      for (const kind of last.faults.kinds()) endFault(kind, this.#scene(last, this.#at));
      this.#households.pop();
      this.#converters.pop();
      this.#byId.delete(last.id);
      this.#bus.account.foreignWh += last.house.account.busCharge - last.house.account.grid;
    });
  }

  /** Names of the lines, as `lineBreak` takes them. */
  branches(): readonly string[] {
    return this.#topology.branchNames();
  }

  /** Names of the lines that are broken now. */
  brokenBranches(): readonly string[] {
    return [...this.#broken];
  }

  /** Wall time of the world, UTC. */
  now(): EpochMsec {
    return this.#epoch + this.clock.monotonic();
  }

  /** The converter and battery of a house, as a driver would reach them. */
  device(houseId: string): Device {
    return this.#of(houseId).device;
  }

  /** The truth about a house now; looking changes nothing. Throws `ConfigError` for a house that is not there. */
  house(houseId: string): HouseState {
    const household = this.#of(houseId);
    this.#sync();
    return houseState(household, this.#bus, this.#at);
  }

  /** The converter block now, as the meters see it, with no latency. */
  dcdc(houseId: string): Dcdc {
    const household = this.#of(houseId);
    this.#sync();
    return dcdcOf(household, this.#bus, this.#at);
  }

  /** The household's data now. */
  emu(houseId: string): EmuData {
    const household = this.#of(houseId);
    this.#sync();
    return emuOf(household, this.#at);
  }

  /** Writes to the converter now, with no latency. Throws `DeviceError` when it refuses. */
  command(houseId: string, command: ConverterWrite): void {
    this.#write(this.#of(houseId), command);
  }

  /** Sets the state of charge, the sun or the load of a house by hand. Throws `ConfigError` for impossible values. */
  set(houseId: string, setting: HouseSetting): void {
    const { house, id } = this.#of(houseId);
    checkSetting(setting);
    this.#change(() => {
      if (setting.rsoc !== undefined) house.setRsoc(setting.rsoc);
      if (setting.pvW !== undefined) house.overrides.pvW = setting.pvW ?? undefined;
      if (setting.loadW !== undefined) house.overrides.loadW = setting.loadW ?? undefined;
    });
    this.#emit({ event: 'world.set', houseId: id, values: { ...setting } });
  }

  /** Breaks something; a second fault of the same kind at the same place replaces the first. */
  inject(fault: WorldFault): void {
    if (fault.kind === 'lineBreak') {
      this.#change(() => this.#topology.setBroken(fault.branch, true));
      this.#broken.add(fault.branch);
    } else {
      const household = this.#of(fault.houseId);
      this.#change((at) => {
        household.faults.add(fault);
        beginFault(fault, this.#scene(household, at));
      });
    }
    this.#emit({ event: 'fault.injected', fault });
  }

  /** Mends what `inject` has broken; without an argument everything. */
  heal(target?: FaultTarget): void {
    if (target === undefined) {
      for (const branch of [...this.#broken]) this.heal({ kind: 'lineBreak', branch });
      for (const { id, faults } of this.#households)
        for (const kind of faults.kinds()) this.heal({ kind, houseId: id });
      return;
    }
    if (target.kind === 'lineBreak') {
      this.#change(() => this.#topology.setBroken(target.branch, false));
      this.#broken.delete(target.branch);
    } else {
      const household = this.#of(target.houseId);
      this.#change((at) => {
        if (household.faults.remove(target.kind)) endFault(target.kind, this.#scene(household, at));
      });
    }
    this.#emit({ event: 'fault.healed', fault: { ...target } });
  }

  /** Where all energy came from and went to since the beginning (INV-8). */
  energy(): EnergyAccount {
    this.#change(() => {});
    const at = this.#at;
    const books = this.#households.map(({ id, house }) => ({
      id,
      account: house.account,
      storedWh: house.energyWh(at),
    }));
    return energyAccount(books, this.#bus.account, this.#bus.storedWh(at));
  }

  onEvent(handle: (event: WorldEvent) => void): Unsubscribe {
    this.#handlers.add(handle);
    return () => this.#handlers.delete(handle);
  }

  /** Gives its timer back; the world still answers, but does nothing by itself any more. */
  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  /** Gives the bus another set of houses; those that stay keep their places. */
  #resize(ids: readonly string[], change: () => void): void {
    const topology = new Topology(networkOf(this.#options, 'fixed'), ids);
    for (const branch of this.#broken) if (topology.branchNames().includes(branch)) topology.setBroken(branch, true);
    this.#change((at) => {
      change();
      this.#topology = topology;
      this.#bus.resize(topology, ids, at);
    });
  }

  /** Lets a house in whose converter stands ready already. */
  #enter(options: HouseOptions): void {
    const index = this.#households.length;
    const household = this.#build(
      options,
      index,
      this.#converters[index] ?? newConverter(this.#options),
      this.#options,
    );
    this.#households.push(household);
    this.#byId.set(options.id, household);
  }

  #build(options: HouseOptions, index: number, converter: ConverterState, world: WorldOptions): Household {
    const entropy = world.entropy.fork(`house/${options.id}`);
    const { meters = 'small', clock } = world;
    const faults = new HouseFaults();
    const parts = {
      index,
      capacityWh: options.capacityWh ?? 4800,
      rsoc: options.rsoc ?? 50,
      losses: HOUSE_LOSSES[world.lossProfile ?? 'compat'],
      battery: BATTERY_MODELS[world.battery ?? 'ideal'],
      converter,
      supply: supplyOf(options, index, world),
      ambientC: world.ambientC ?? 22,
      wallTime: (at: Milliseconds) => this.#epoch + at + clock.zoneOffsetMinutes() * 60_000,
    };
    const household: Household = {
      id: options.id,
      house: new House(parts, this.#at, this.#bus),
      converter,
      faults,
      meter: new Meter(typeof meters === 'string' ? METER_PRESETS[meters] : meters, entropy.fork('meter')),
      stuck: undefined,
      device: new EmulatedDevice({
        houseId: options.id,
        clock,
        entropy: entropy.fork('line'),
        latency: world.latency ?? DEFAULT_LATENCY,
        faults,
        dcdc: () => this.dcdc(options.id),
        reading: () => this.#reading(household),
        write: (command) => this.#write(household, command),
      }),
    };
    return household;
  }

  #of(houseId: string): Household {
    const found = this.#byId.get(houseId);
    if (found === undefined)
      throw worldError('houseId', `expected one of ${this.houseIds().join(', ')}, got ${houseId}`);
    return found;
  }

  #scene(household: Household, at: Milliseconds): FaultScene {
    return { household, bus: this.#bus, at, trip: (kind) => this.#trip(household, kind, at) };
  }

  /** Lets everything happen that is due by now. */
  #sync(): void {
    const now = this.clock.monotonic();
    while (this.#nextAt <= now) this.#happen(this.#nextAt);
    this.#at = now;
  }

  /** Changes the world at the present time. */
  #change(action: (at: Milliseconds) => void): void {
    this.#sync();
    const at = this.#at;
    this.#commit(at);
    try {
      action(at);
    } finally {
      this.#settle(at);
    }
  }

  #commit(at: Milliseconds): void {
    for (const { house } of this.#households) house.commit(at);
    this.#bus.commit(at);
  }

  /** One event of the world itself: of the bus, and so of everybody, or of single houses. */
  #happen(at: Milliseconds): void {
    this.#at = at;
    const isOfBus = this.#bus.segment.until <= at;
    const due = this.#households.filter(({ house }) => house.dueAt <= at);
    if (isOfBus || due.some((household) => this.#overTemperature(household, at))) {
      this.#commit(at);
      this.#settle(at);
      return;
    }
    for (const household of due) {
      household.house.commit(at);
      this.#rebuild(household, at);
    }
    this.#schedule();
  }

  /** Starts new segments for bus and houses, again and again while converters trip. */
  #settle(at: Milliseconds): void {
    for (;;) {
      const { trips, lumpsWh } = this.#bus.rebuild(at);
      for (const { house, kind, volts } of trips) {
        const houseId = this.#households[house]?.id ?? '';
        this.#emit({ event: 'converter.tripped', houseId, trip: kind, vg: volts });
      }
      for (const [house, wh] of lumpsWh) this.#households[house]?.house.giveToBus(wh);
      for (const household of this.#households) this.#rebuild(household, at);
      const tripped = this.#households.filter((one) => this.#tripsInside(one, at));
      if (tripped.length === 0) break;
    }
    this.#schedule();
  }

  #rebuild({ id, house }: Household, at: Milliseconds): void {
    const before = house.rebuild(at, this.#bus);
    const now = house.state();
    const rsoc = house.rsoc(at);
    if (before.bypass !== now.bypass) this.#emit({ event: 'house.bypass', houseId: id, on: now.bypass, rsoc });
    if (before.acCharging !== now.acCharging) {
      this.#emit({ event: 'house.ac-charging', houseId: id, on: now.acCharging, rsoc });
    }
    if (now.full && !before.full) this.#emit({ event: 'battery.full', houseId: id });
    if (now.empty && !before.empty) this.#emit({ event: 'battery.empty', houseId: id });
  }

  /** Trips that come from the inside of a house: battery current, temperature, a locked battery. */
  #tripsInside(household: Household, at: Milliseconds): boolean {
    const { house, converter } = household;
    if (converter.mode === 'WAIT') return false;
    if (house.overrides.locked) return this.#trip(household, 'battery-locked', at);
    if (!converter.options.protects) return false;
    const amperes = Math.abs(house.converterW(at, this.#bus) / house.batteryV(at));
    if (amperes > converter.options.batteryLimitA) return this.#trip(household, 'over-current', at);
    return this.#overTemperature(household, at);
  }

  #overTemperature(household: Household, at: Milliseconds): boolean {
    const { house, converter } = household;
    if (converter.mode === 'WAIT' || !converter.options.protects) return false;
    const isHot = house.thermal.celsius(at) >= converter.options.overTemperatureC - 1e-6;
    return isHot && this.#trip(household, 'over-temperature', at);
  }

  #trip({ id, house, converter }: Household, kind: TripKind, at: Milliseconds): true {
    converter.stop(kind);
    const vg = this.#bus.volts(house.parts.index, at);
    this.#emit({ event: 'converter.tripped', houseId: id, trip: kind, vg });
    return true;
  }

  #schedule(): void {
    this.#nextAt = this.#households.reduce((next, { house }) => Math.min(next, house.dueAt), this.#bus.segment.until);
    this.#cancel();
    if (this.#closed || !Number.isFinite(this.#nextAt)) return;
    const delay = Math.max(SOONEST_MSEC, this.#nextAt - this.clock.monotonic());
    this.#cancel = this.clock.after(delay, () => this.#onTimer());
  }

  #onTimer(): void {
    const due = this.#nextAt;
    this.#sync();
    if (this.#nextAt === due) this.#schedule(); // the clock came a hair too early
  }

  #emit(happening: WorldHappening): void {
    const event: WorldEvent = { at: this.#epoch + this.#at, ...happening };
    for (const handle of this.#handlers) handle(event);
  }

  #write(household: Household, command: ConverterWrite): void {
    const { converter, faults, id, house } = household;
    this.#refuse(household, command);
    this.#change((at) => {
      if (command.write === 'voltage') return converter.setVoltage(command, at);
      if (command.write === 'current') return converter.setCurrent(command, at);
      const mode = faults.get('wrongMode')?.mode ?? command.mode;
      const { index } = house.parts;
      const terminals = { volts: this.#bus.volts(index, at), amperes: this.#bus.amperes(index, at) };
      converter.setMode({ ...command, mode }, at, terminals);
      converter.trip = standingTrip(household);
    });
    const { mode, dvg, dig, drg } = converter;
    if (command.write === 'voltage') this.#emit({ event: 'converter.voltage', houseId: id, dvg, drg });
    else if (command.write === 'current') this.#emit({ event: 'converter.current', houseId: id, dig });
    else this.#emit({ event: 'converter.mode', houseId: id, mode, dvg, dig, drg });
  }

  /** Commands that the device does not carry out. */
  #refuse(household: Household, command: ConverterWrite): void {
    const { id, faults } = household;
    if (faults.has('houseOffline')) throw new DeviceError('device.no-reply', `${id}: the house is without supply`);
    checkWrite(id, command);
    if (command.write !== 'mode' || command.mode === 'WAIT') return;
    const trip = standingTrip(household) ?? household.converter.trip;
    if (trip !== undefined) {
      throw new DeviceError('device.tripped', `${id}: tripped by ${trip}, expected WAIT first, got ${command.mode}`);
    }
    if (command.mode === 'VOLTAGE_REFERENCE' && faults.has('refuseVoltageReference')) {
      throw new DeviceError('device.refused', `${id}: the converter refuses to hold the voltage`);
    }
  }

  #reading(household: Household): DeviceReading {
    this.#sync();
    const at = this.#at;
    const skew = household.faults.get('clockSkew')?.offsetMsec ?? 0;
    return {
      dcdc: dcdcOf(household, this.#bus, at),
      battery: batteryOf(household, at),
      emu: emuOf(household, at),
      time: formatTimestamp(this.#epoch + at + skew, this.clock.zoneOffsetMinutes()),
    };
  }
}

const newConverter = ({ converter = 'standard' }: WorldOptions): ConverterState =>
  new ConverterState(typeof converter === 'string' ? CONVERTER_PRESETS[converter] : converter);

/** The network of a world; one drawn branch by branch has no place for more houses. */
function networkOf({ network = { kind: 'line' } }: WorldOptions, houses: 'given' | 'fixed' = 'given'): NetworkSpec {
  if (houses === 'fixed' && network.kind === 'branches') {
    throw worldError('network', 'expected a line or a star to add houses to or take them from, got given branches');
  }
  return network;
}
