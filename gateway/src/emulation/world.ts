import { CONVERTER_MODES, type ConverterMode } from '../domain/converter-mode.ts';
import { ConfigError, DeviceError } from '../domain/errors.ts';
import type { Amperes, EpochMsec, Milliseconds, Percent, Volts, WattHours, Watts } from '../domain/quantities.ts';
import { formatTimestamp } from '../domain/timestamp.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import type { Device, DeviceReading } from '../ports/device.ts';
import { type ConverterWrite, EmulatedDevice } from './emulated-device.ts';
import { type EnergyAccount, energyAccount } from './energy-account.ts';
import { BATTERY_MODELS } from './physics/battery-model.ts';
import { Bus, type BusOptions } from './physics/bus.ts';
import { CONVERTER_PRESETS, type ConverterOptions } from './physics/converter-options.ts';
import { ConverterState, type TripKind } from './physics/converter-state.ts';
import { House, type HouseSupply } from './physics/house.ts';
import { HOUSE_LOSSES } from './physics/house-loss.ts';
import { METER_PRESETS, Meter } from './physics/meter.ts';
import { Topology } from './physics/topology.ts';
import type { WorldEvent, WorldHappening } from './world-event.ts';
import { type FaultTarget, type HouseFault, HouseFaults, type WorldFault } from './world-fault.ts';
import { type HouseOptions, houseIds, type LatencyOptions, type WorldOptions } from './world-options.ts';

/** The truth about a house, without any meter in between. */
export interface HouseState {
  readonly houseId: string;
  readonly rsoc: Percent;
  readonly energyWh: WattHours;
  readonly capacityWh: WattHours;
  readonly pvW: Watts;
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
  readonly vg: Volts;
  readonly ig: Amperes;
  readonly wg: Watts;
  readonly vb: Volts;
  readonly ib: Amperes;
  readonly wb: Watts;
  readonly tmp: number;
  /** What a voltage reference would have to carry if it had no limit; for other modes the current asked by its command. */
  readonly demandedA: Amperes;
  readonly trip?: TripKind;
  readonly faults: readonly string[];
}

/** What can be set by hand; null gives a value back to the dataset. */
export interface HouseSetting {
  readonly rsoc?: Percent;
  readonly pvW?: Watts | null;
  readonly loadW?: Watts | null;
}

interface Household {
  readonly id: string;
  readonly house: House;
  readonly converter: ConverterState;
  readonly meter: Meter;
  readonly faults: HouseFaults;
  readonly device: EmulatedDevice;
  stuck: Dcdc['meter'] | undefined;
}

const DEFAULT_LATENCY: LatencyOptions = { kind: 'log-normal', medianMsec: 20, sigma: 0.3 };
const DEFAULT_BUS: BusOptions = { faradsPerHouse: 500e-6, bleedVPerS: 500 };
/** A timer that is due now still needs a moment, so that time always goes on. */
const SOONEST_MSEC = 1e-3;

/** No data: no sun, no load, and nothing that changes. */
const NO_SUPPLY: HouseSupply = { solarW: () => 0, loadW: () => 0, nextSampleAt: () => Infinity };

/**
 * The physical world: houses, batteries, converters and the DC bus between them, exact between events
 * (emulator.md §6). It has no loop of its own: one timer for its next event, and it catches up whenever it is asked.
 */
export class World {
  readonly clock: Clock;
  readonly #households: readonly Household[];
  readonly #byId: ReadonlyMap<string, Household>;
  readonly #topology: Topology;
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
    this.#at = options.clock.monotonic();
    const startAt = options.startAt ?? options.clock.now();
    this.#epoch = startAt - this.#at;
    const houses = typeof options.houses === 'number' ? houseIds(options.houses).map((id) => ({ id })) : options.houses;
    checkHouses(houses);
    const ids = houses.map(({ id }) => id);
    this.#topology = new Topology(options.network ?? { kind: 'line' }, ids);
    const converter = converterOptions(options);
    const converters = ids.map(() => new ConverterState(converter));
    this.#bus = new Bus(this.#topology, ids, converters, { ...DEFAULT_BUS, ...options.bus });
    this.#households = houses.map((house, index) => this.#household(house, index, converters, options));
    this.#byId = new Map(this.#households.map((one) => [one.id, one]));
    this.#settle(this.#at);
  }

  houseIds(): readonly string[] {
    return this.#households.map(({ id }) => id);
  }

  branches(): readonly string[] {
    return this.#topology.branchNames();
  }

  /** Wall time of the world, UTC. */
  now(): EpochMsec {
    return this.#epoch + this.clock.monotonic();
  }

  /** The converter and battery of a house, as a driver would reach them. */
  device(houseId: string): Device {
    return this.#of(houseId).device;
  }

  house(houseId: string): HouseState {
    this.#sync();
    return this.#state(this.#of(houseId));
  }

  /** Writes to the converter now, with no latency, as the hand of a person at its panel would. */
  command(houseId: string, command: ConverterWrite): void {
    this.#write(this.#of(houseId), command);
  }

  /** The converter block now, as the meters see it. */
  dcdc(houseId: string): Dcdc {
    this.#sync();
    return this.#dcdc(this.#of(houseId));
  }

  /** Sets the state of charge, the sun or the load of a house by hand. */
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
    this.#change((at) => {
      if (fault.kind === 'lineBreak') {
        this.#topology.setBroken(fault.branch, true);
        this.#broken.add(fault.branch);
        return;
      }
      const household = this.#of(fault.houseId);
      household.faults.add(fault);
      this.#begin(household, fault, at);
    });
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
    this.#change(() => {
      if (target.kind === 'lineBreak') {
        this.#topology.setBroken(target.branch, false);
        this.#broken.delete(target.branch);
        return;
      }
      const household = this.#of(target.houseId);
      if (household.faults.remove(target.kind)) this.#end(household, target.kind);
    });
    this.#emit({ event: 'fault.healed', fault: { ...target } });
  }

  /** Where all energy came from and went to since the beginning (INV-8). */
  energy(): EnergyAccount {
    this.#change(() => {});
    const at = this.#at;
    const houses = this.#households.map(({ id, house }) => ({
      id,
      account: house.account,
      storedWh: house.energyWh(at),
    }));
    return energyAccount(houses, this.#bus.account, this.#bus.storedWh(at));
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

  #household(
    options: HouseOptions,
    index: number,
    converters: readonly ConverterState[],
    world: WorldOptions,
  ): Household {
    const converter = converters[index] as ConverterState; // one was made for every house
    const entropy = world.entropy.fork(`house/${options.id}`);
    const meters = world.meters ?? 'small';
    const faults = new HouseFaults();
    const house = new House(
      {
        index,
        capacityWh: options.capacityWh ?? 4800,
        rsoc: options.rsoc ?? 50,
        losses: HOUSE_LOSSES[world.lossProfile ?? 'compat'],
        battery: BATTERY_MODELS[world.battery ?? 'ideal'],
        converter,
        supply: supplyOf(options, index, world),
        ambientC: world.ambientC ?? 22,
        wallTime: (at) => this.#epoch + at + world.clock.zoneOffsetMinutes() * 60_000,
      },
      this.#at,
      this.#bus,
    );
    const household: Household = {
      id: options.id,
      house,
      converter,
      faults,
      meter: new Meter(typeof meters === 'string' ? METER_PRESETS[meters] : meters, entropy.fork('meter')),
      stuck: undefined,
      device: new EmulatedDevice({
        houseId: options.id,
        clock: world.clock,
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
    if (found === undefined) {
      throw new ConfigError([
        { file: 'world', path: 'houseId', message: `expected one of ${this.houseIds().join(', ')}, got ${houseId}` },
      ]);
    }
    return found;
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
    if (this.#bus.segment.until <= at) {
      this.#commit(at);
      this.#settle(at);
      return;
    }
    for (const household of this.#households) {
      if (household.house.dueAt > at) continue;
      household.house.commit(at);
      if (this.#overTemperature(household, at)) {
        for (const other of this.#households) if (other !== household) other.house.commit(at);
        this.#bus.commit(at);
        this.#settle(at);
        return;
      }
      this.#rebuild(household, at);
    }
    this.#schedule();
  }

  /** Starts new segments for bus and houses, again and again while converters trip. */
  #settle(at: Milliseconds): void {
    for (;;) {
      const { trips, lumpsWh } = this.#bus.rebuild(at);
      for (const { house, kind, volts } of trips) {
        this.#emit({ event: 'converter.tripped', houseId: this.#households[house]?.id ?? '', trip: kind, vg: volts });
      }
      for (const [house, wh] of lumpsWh) this.#households[house]?.house.giveToBus(wh);
      for (const household of this.#households) this.#rebuild(household, at);
      const tripped = this.#households.filter((one) => this.#tripsInside(one, at));
      if (tripped.length === 0) break;
    }
    this.#schedule();
  }

  #rebuild({ id, house }: Household, at: Milliseconds): void {
    const [wasFull, wasEmpty] = [house.isFull(), house.isEmpty()];
    const before = house.rebuild(at, this.#bus);
    const { bypass, acCharging } = house.latches;
    const rsoc = house.rsoc(at);
    if (before.bypass !== bypass) this.#emit({ event: 'house.bypass', houseId: id, on: bypass, rsoc });
    if (before.acCharging !== acCharging) this.#emit({ event: 'house.ac-charging', houseId: id, on: acCharging, rsoc });
    if (wasFull && !house.wasFull) this.#emit({ event: 'battery.full', houseId: id });
    if (wasEmpty && !house.wasEmpty) this.#emit({ event: 'battery.empty', houseId: id });
    house.wasFull = wasFull;
    house.wasEmpty = wasEmpty;
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
    this.#emit({ event: 'converter.tripped', houseId: id, trip: kind, vg: this.#bus.volts(house.parts.index, at) });
    return true;
  }

  #schedule(): void {
    this.#nextAt = this.#households.reduce((next, { house }) => Math.min(next, house.dueAt), this.#bus.segment.until);
    this.#cancel();
    if (this.#closed || !Number.isFinite(this.#nextAt)) return;
    this.#cancel = this.clock.after(Math.max(SOONEST_MSEC, this.#nextAt - this.clock.monotonic()), () =>
      this.#onTimer(),
    );
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
    if (faults.has('houseOffline')) throw new DeviceError('device.no-reply', `${id}: the house is without supply`);
    this.#refuse(household, command);
    this.#change((at) => {
      if (command.write === 'voltage') return converter.setVoltage(command, at);
      if (command.write === 'current') return converter.setCurrent(command, at);
      const mode = faults.get('wrongMode')?.mode ?? command.mode;
      const { index } = house.parts;
      converter.setMode({ ...command, mode }, at, {
        volts: this.#bus.volts(index, at),
        amperes: this.#bus.amperes(index, at),
      });
      converter.trip = faults.get('trip')?.trip ?? (faults.has('heavyAlarm') ? 'heavy-alarm' : undefined);
    });
    this.#tell(household, command);
  }

  /** Commands that the converter refuses by itself. */
  #refuse({ id, converter, faults }: Household, command: ConverterWrite): void {
    for (const [name, value] of Object.entries(command)) {
      const isBad = typeof value === 'number' && !(value >= 0 && Number.isFinite(value));
      if (isBad) throw new DeviceError('device.bad-value', `${id}: expected ${name} to be 0 or more, got ${value}`);
    }
    if (command.write !== 'mode' || command.mode === 'WAIT') return;
    const standing = faults.has('trip') || faults.has('heavyAlarm') || converter.trip !== undefined;
    if (standing)
      throw new DeviceError(
        'device.tripped',
        `${id}: the converter has tripped and takes only WAIT, got ${command.mode}`,
      );
    if (command.mode === 'VOLTAGE_REFERENCE' && faults.has('refuseVoltageReference')) {
      throw new DeviceError('device.refused', `${id}: the converter refuses to hold the voltage`);
    }
  }

  #tell({ id, converter }: Household, command: ConverterWrite): void {
    const { mode, dvg, dig, drg } = converter;
    if (command.write === 'voltage') this.#emit({ event: 'converter.voltage', houseId: id, dvg, drg });
    else if (command.write === 'current') this.#emit({ event: 'converter.current', houseId: id, dig });
    else this.#emit({ event: 'converter.mode', houseId: id, mode, dvg, dig, drg });
  }

  #state({ id, house, converter, faults }: Household): HouseState {
    const at = this.#at;
    const { index, capacityWh } = house.parts;
    const [vg, ig] = [this.#bus.volts(index, at), this.#bus.amperes(index, at)];
    const wb = house.converterW(at, this.#bus);
    const vb = house.batteryV(at);
    return {
      houseId: id,
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
      vg,
      ig,
      wg: vg * ig,
      vb,
      ib: wb / vb,
      wb,
      tmp: house.thermal.celsius(at),
      demandedA: converter.mode === 'VOLTAGE_REFERENCE' ? this.#bus.demandedA(index, at) : converter.demandA(at),
      ...(converter.trip === undefined ? {} : { trip: converter.trip }),
      faults: faults.kinds(),
    };
  }

  #dcdc(household: Household): Dcdc {
    const { house, converter, faults } = household;
    const at = this.#at;
    const { code, operationMode, runningState } = CONVERTER_MODES[converter.mode];
    const alarmState =
      converter.trip !== undefined ? 'Heavy alarm' : faults.has('lightAlarm') ? 'Light alarm' : 'No alarm';
    const { underVoltageV, overVoltageV, batteryLimitA } = converter.options;
    return {
      status: { status: code, operationMode, alarmState, runningState },
      meter: household.stuck ?? this.#meter(household),
      vdis: { dvg: converter.dvg, drg: converter.drg },
      param: { dig: converter.dig, ogv: overVoltageV, ugv: underVoltageV, cib: batteryLimitA },
      powermeter: { p2: house.flow('import', at) },
    };
  }

  #meter({ house, meter }: Household): Dcdc['meter'] {
    const at = this.#at;
    const { index } = house.parts;
    const [vg, ig] = [this.#bus.volts(index, at), this.#bus.amperes(index, at)];
    const wb = house.converterW(at, this.#bus);
    const vb = house.batteryV(at);
    return meter.read({ vg, ig, wg: vg * ig, vb, ib: wb / vb, wb, tmp: house.thermal.celsius(at) });
  }

  #reading(household: Household): DeviceReading {
    this.#sync();
    const { house, faults } = household;
    const at = this.#at;
    const rsoc = house.rsoc(at);
    const skew = faults.get('clockSkew')?.offsetMsec ?? 0;
    return {
      dcdc: this.#dcdc(household),
      battery: { rsoc, battery_operation_status: house.overrides.locked ? 0 : 3 },
      emu: {
        rsoc,
        pvc_charge_power: house.flow('pvUsed', at),
        ups_output_power: house.flow('load', at),
        charge_discharge_power: Math.abs(house.flow('battery', at)),
        battery_current: house.flow('battery', at) / house.batteryV(at),
        ups_operation_mode: { parameter: 80, mode: house.latches.bypass ? 5 : 2, stop_mode: 2 },
      },
      time: formatTimestamp(this.#epoch + at + skew, this.clock.zoneOffsetMinutes()),
    };
  }

  #begin(household: Household, fault: HouseFault, at: Milliseconds): void {
    const { house, converter, meter, id } = household;
    const { overrides, thermal } = house;
    switch (fault.kind) {
      case 'stuckMeter':
        household.stuck = this.#meter(household);
        break;
      case 'offsetCurrent':
        converter.offsetA = fault.amperes;
        break;
      case 'meterOffset':
        meter.extraA = fault.amperes ?? 0;
        meter.extraV = fault.volts ?? 0;
        break;
      case 'trip':
      case 'heavyAlarm':
        this.#trip(household, fault.kind === 'trip' ? fault.trip : 'heavy-alarm', at);
        break;
      case 'leak':
      case 'secondVoltageSource':
        this.#bus.setIntruder(`${fault.kind}/${id}`, { house: house.parts.index, ...intruderOf(fault) });
        break;
      case 'batteryLocked':
        overrides.locked = true;
        break;
      case 'pvDead':
        overrides.pvDead = true;
        break;
      case 'houseOffline':
        overrides.offline = true;
        converter.loseSupply();
        break;
      case 'overheat':
        thermal.ambientC = fault.ambientC;
        break;
      default: // the device or its answers, not the electricity
    }
  }

  #end(household: Household, kind: HouseFault['kind']): void {
    const { house, converter, meter, id } = household;
    switch (kind) {
      case 'stuckMeter':
        household.stuck = undefined;
        break;
      case 'offsetCurrent':
        converter.offsetA = 0;
        break;
      case 'meterOffset':
        meter.extraA = 0;
        meter.extraV = 0;
        break;
      case 'leak':
      case 'secondVoltageSource':
        this.#bus.setIntruder(`${kind}/${id}`, undefined);
        break;
      case 'batteryLocked':
        house.overrides.locked = false;
        break;
      case 'pvDead':
        house.overrides.pvDead = false;
        break;
      case 'houseOffline':
        house.overrides.offline = false;
        break;
      case 'overheat':
        house.thermal.ambientC = house.parts.ambientC;
        break;
      default: // nothing electrical to undo; a trip stays until WAIT is commanded
    }
  }
}

function intruderOf(fault: Extract<HouseFault, { kind: 'leak' | 'secondVoltageSource' }>) {
  if (fault.kind === 'leak') return { leakS: fault.siemens };
  const { volts, ohms = 0.5, limitA = 5 } = fault;
  return { source: { volts, siemens: 1 / ohms, low: -limitA, high: limitA } };
}

function converterOptions({ converter = 'standard' }: WorldOptions): ConverterOptions {
  return typeof converter === 'string' ? CONVERTER_PRESETS[converter] : converter;
}

function supplyOf(options: HouseOptions, index: number, { dataset }: WorldOptions): HouseSupply {
  if (dataset === undefined) return NO_SUPPLY;
  const home = options.home ?? dataset.homes[index % dataset.homes.length] ?? '';
  const { pvScale = 1, loadScale = 1 } = options;
  const shift = (options.pvShiftMinutes ?? 0) * 60_000;
  return {
    solarW: (at) => pvScale * dataset.solarW(at - shift),
    loadW: (at) => loadScale * dataset.loadW(home, at),
    nextSampleAt: (at) => Math.min(dataset.nextSampleAt(at), dataset.nextSampleAt(at - shift) + shift),
  };
}

const refuse = (path: string, message: string): never => {
  throw new ConfigError([{ file: 'world', path, message }]);
};

function checkHouses(houses: readonly HouseOptions[]): void {
  if (houses.length === 0) refuse('houses', 'expected at least one house, got none');
  const ids = new Set(houses.map(({ id }) => id));
  if (ids.size !== houses.length) refuse('houses', 'expected every house to have an id of its own, got one twice');
  for (const { id, capacityWh = 4800, rsoc = 50 } of houses) {
    if (!(capacityWh > 0)) refuse(`houses.${id}.capacityWh`, `expected more than 0 Wh, got ${capacityWh}`);
    if (!(rsoc >= 0 && rsoc <= 100)) refuse(`houses.${id}.rsoc`, `expected 0 … 100 %, got ${rsoc}`);
  }
}

function checkSetting({ rsoc, pvW, loadW }: HouseSetting): void {
  if (rsoc !== undefined && !(rsoc >= 0 && rsoc <= 100)) refuse('rsoc', `expected 0 … 100 %, got ${rsoc}`);
  for (const [name, watts] of Object.entries({ pvW, loadW })) {
    if (watts != null && !(watts >= 0 && watts < 1e6)) refuse(name, `expected 0 … 1 000 000 W, got ${watts}`);
  }
}
