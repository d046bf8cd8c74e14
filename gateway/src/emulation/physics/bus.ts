import type { Amperes, Milliseconds, Volts, WattHours, Watts } from '../../domain/quantities.ts';
import { type Trip, tripsAt, tripsOnDeadBus } from './bus-protection.ts';
import { type BusSegment, endsAt, endsOf, fractionAt } from './bus-segment.ts';
import { type BusInput, type BusSnapshot, type BusTree, type Intruder, solveBus, treeOf } from './bus-solution.ts';
import type { ConverterState } from './converter-state.ts';
import { type Flow, integralOf } from './flow.ts';
import type { Forest, Region } from './network-solver.ts';
import { nth } from './nth.ts';
import type { Topology } from './topology.ts';

export interface BusOptions {
  /** Capacitance that each house adds. */
  readonly faradsPerHouse: number;
  /** How fast an idle bus is discharged by its bleeders. */
  readonly bleedVPerS: number;
}

export interface BusChange {
  readonly trips: readonly Trip[];
  /** Energy that houses give at once because the voltage, and so the charge of the bus, has jumped. */
  readonly lumpsWh: ReadonlyMap<number, WattHours>;
}

/** Where the energy on the bus went; `bleed` is what left the capacitance other than through converters. */
export interface BusAccount {
  lineLossWh: WattHours;
  leakWh: WattHours;
  /** Fed in by foreign sources. */
  foreignWh: WattHours;
  bleedWh: WattHours;
}

const MSEC_PER_HOUR = 3_600_000;
const SHORTEST_MSEC = 1e-3;
/** While a floating bus and a current move together, the slope is taken anew this often. */
const FLOATING_STEP_MSEC = 5;

/**
 * The DC bus: a radial network of converters, leaks and lines. It is always in balance, except that a part which nobody
 * holds floats on its capacitance until somebody does or everybody has tripped (emulator.md §6.1).
 */
export class Bus {
  readonly account: BusAccount = { lineLossWh: 0, leakWh: 0, foreignWh: 0, bleedWh: 0 };
  #topology: Topology;
  readonly #converters: readonly ConverterState[];
  #houseNodes: readonly number[];
  readonly #options: BusOptions;
  readonly #intruders = new Map<string, Intruder>();
  #forest: Forest;
  #snapshot: BusSnapshot;
  #segment: BusSegment;
  #regions: readonly Region[] = [];

  constructor(
    topology: Topology,
    houses: readonly string[],
    converters: readonly ConverterState[],
    options: BusOptions,
  ) {
    this.#topology = topology;
    this.#converters = converters;
    this.#houseNodes = houses.map((house) => topology.nodes.indexOf(house));
    this.#options = options;
    this.#forest = topology.forest();
    const still = endsOf(topology.nodes.map(() => 0));
    this.#segment = { from: 0, until: Infinity, volts: still, branchA: still, houseA: endsOf(houses.map(() => 0)) };
    this.#snapshot = this.#solveAt(0, still.start);
  }

  /** Goes over to a bus with more or fewer houses at its end; a `rebuild` must follow. */
  resize(topology: Topology, houses: readonly string[], at: Milliseconds): void {
    const before = new Map(this.#topology.nodes.map((node, index) => [node, nth(this.#allVolts(at), index)]));
    const { parent } = topology.forest();
    const volts: Volts[] = [];
    for (const [index, node] of topology.nodes.entries())
      volts.push(before.get(node) ?? volts[parent[index] ?? -1] ?? 0);
    this.#topology = topology;
    this.#houseNodes = houses.map((house) => topology.nodes.indexOf(house));
    const none = endsOf(topology.nodes.map(() => 0));
    this.#segment = {
      from: at,
      until: Infinity,
      volts: endsOf(volts),
      branchA: none,
      houseA: endsOf(houses.map(() => 0)),
    };
  }

  get segment(): BusSegment {
    return this.#segment;
  }

  setIntruder(key: string, intruder: Intruder | undefined): void {
    if (intruder === undefined) this.#intruders.delete(key);
    else this.#intruders.set(key, intruder);
  }

  volts(house: number, at: Milliseconds): Volts {
    return endsAt(this.#segment.volts, nth(this.#houseNodes, house), fractionAt(this.#segment, at));
  }

  amperes(house: number, at: Milliseconds): Amperes {
    return endsAt(this.#segment.houseA, house, fractionAt(this.#segment, at));
  }

  /** Power that the house gives to charge the capacitance of the bus while it moves its voltage. */
  chargingW(house: number, at: Milliseconds): Watts {
    const { from, until } = this.#segment;
    if (!Number.isFinite(until)) return 0;
    const tree = this.#snapshot.trees.find(({ holder }) => holder === house);
    if (tree === undefined) return 0;
    const [start, end] = [nth(this.#segment.volts.start, tree.root), nth(this.#segment.volts.end, tree.root)];
    const slopeVPerS = (1000 * (end - start)) / (until - from);
    return tree.farads * slopeVPerS * (start + (end - start) * fractionAt(this.#segment, at));
  }

  /** Current that everybody else asks of this voltage reference, its own limit left out of account. */
  demandedA(house: number, at: Milliseconds): Amperes {
    const tree = treeOf(this.#snapshot, house);
    const others = (tree?.houses ?? []).filter((other) => other !== house);
    const asked = others.reduce((sum, other) => {
      const converter = this.#converters[other];
      return sum + (converter?.mode === 'VOLTAGE_REFERENCE' ? this.amperes(other, at) : (converter?.demandA(at) ?? 0));
    }, 0);
    return -(asked + this.#intruderA(tree?.houses ?? [], fractionAt(this.#segment, at)));
  }

  /** Books the energy of the segment up to `at`. */
  commit(at: Milliseconds): void {
    const x = fractionAt(this.#segment, at);
    const hours = (at - this.#segment.from) / MSEC_PER_HOUR;
    if (hours <= 0) return;
    const book = (power: (fraction: number) => Watts): WattHours => hours * integralOf(flowOver(power, x), 1);
    const lineLossWh = book((fraction) => this.#lineLossW(this.#forest.ohms.keys(), fraction));
    this.account.lineLossWh += lineLossWh;
    this.account.leakWh += book((fraction) => this.#leakW(fraction));
    this.account.foreignWh += book((fraction) => this.#foreignW(fraction));
    for (const tree of this.#snapshot.trees) {
      if (tree.floating) this.account.bleedWh += this.#bledWh(tree, x, book);
      // Where no converter of ours holds the voltage, a foreign source does, and charges the bus.
      else if (tree.holder < 0) this.account.foreignWh -= this.#dischargedWh(tree, x);
    }
  }

  /** Energy in the capacitance of the bus. */
  storedWh(at: Milliseconds): WattHours {
    const x = fractionAt(this.#segment, at);
    return this.#snapshot.trees.reduce(
      (sum, tree) => sum + this.#treeWh(tree, endsAt(this.#segment.volts, tree.root, x)),
      0,
    );
  }

  /** Starts a new segment after anything on the network has changed; converters that cannot bear it trip. */
  rebuild(at: Milliseconds): BusChange {
    const before = this.#allVolts(at);
    const storedBefore = this.#storedByHouse(at);
    this.#forest = this.#topology.forest();
    const trips: Trip[] = [...tripsOnDeadBus(this.#input(), at, before)];
    for (const { house, kind } of trips) this.#converters[house]?.stop(kind);
    this.#snapshot = this.#solveAt(at, before);
    for (let found = this.#violations(at); found.length > 0; found = this.#violations(at)) {
      for (const trip of found) this.#converters[trip.house]?.stop(trip.kind);
      trips.push(...found);
      this.#snapshot = this.#solveAt(at, before);
    }
    this.#segment = this.#segmentFrom(at);
    return { trips, lumpsWh: this.#lumps(at, storedBefore) };
  }

  #allVolts(at: Milliseconds): readonly Volts[] {
    const x = fractionAt(this.#segment, at);
    return this.#topology.nodes.map((_, node) => endsAt(this.#segment.volts, node, x));
  }

  #input(): BusInput {
    return {
      forest: this.#forest,
      houseNodes: this.#houseNodes,
      converters: this.#converters,
      intruders: [...this.#intruders.values()],
      faradsPerHouse: this.#options.faradsPerHouse,
    };
  }

  #solveAt(at: Milliseconds, beforeV: readonly Volts[]): BusSnapshot {
    const snapshot = solveBus(this.#input(), at, beforeV, this.#regions);
    this.#regions = snapshot.solution.regions;
    return snapshot;
  }

  #violations(at: Milliseconds): readonly Trip[] {
    const slopeOf = (house: number): number => {
      const tree = treeOf(this.#snapshot, house);
      return tree?.floating ? this.#slopeVPerMsec(tree) : 0;
    };
    return tripsAt(this.#input(), this.#snapshot, at, slopeOf);
  }

  #slopeVPerMsec(tree: BusTree): number {
    const volts = nth(this.#snapshot.solution.volts, tree.root);
    const net = this.#snapshot.solution.rootA.get(tree.root) ?? 0;
    const active = tree.houses.some((house) => this.#converters[house]?.mode !== 'WAIT');
    const bleed = active ? 0 : this.#options.bleedVPerS;
    const slope = -(net / tree.farads + bleed) / 1000;
    return tree.farads === 0 || (volts <= 0 && slope < 0) ? 0 : slope;
  }

  /** The longest segment from `at` over which everything moves in straight lines. */
  #segmentFrom(at: Milliseconds): BusSegment {
    const start = this.#snapshot;
    let until = Math.min(...this.#converters.map((converter) => converter.settlesAt(at)), Infinity);
    for (const tree of start.trees) if (tree.floating) until = Math.min(until, this.#floatsUntil(tree, at, until));
    const volts = start.solution.volts;
    if (!Number.isFinite(until)) {
      return {
        from: at,
        until,
        volts: endsOf(volts),
        branchA: endsOf(start.solution.branchA),
        houseA: endsOf(start.houseA),
      };
    }
    return this.#shortened(at, until);
  }

  /** Until the voltage of a floating part is zero, or at a limit of one of its converters. */
  #floatsUntil(tree: BusTree, at: Milliseconds, settles: Milliseconds): Milliseconds {
    const slope = this.#slopeVPerMsec(tree);
    if (slope === 0) return Infinity;
    const volts = this.#snapshot.solution.volts;
    const limits = tree.houses.flatMap((house) => {
      const converter = this.#converters[house];
      if (converter === undefined || converter.mode === 'WAIT') return [];
      const { underVoltageV, overVoltageV } = converter.options;
      return [((slope < 0 ? underVoltageV : overVoltageV) - nth(volts, nth(this.#houseNodes, house))) / slope];
    });
    const toZero = slope < 0 ? -nth(volts, tree.root) / slope : Infinity;
    const step = Number.isFinite(settles) && limits.length > 0 ? FLOATING_STEP_MSEC : Infinity;
    return at + Math.max(SHORTEST_MSEC, Math.min(toZero, step, ...limits.filter((msec) => msec > 0)));
  }

  /** Halves the segment until no device changes between holding and clipping within it, and nobody passes a limit. */
  #shortened(at: Milliseconds, latest: Milliseconds): BusSegment {
    let until = latest;
    for (;;) {
      const segment = this.#between(at, until);
      if (segment !== undefined || until - at <= 1) return segment ?? this.#between(at, until, true) ?? this.#segment;
      until = at + Math.max(1, (until - at) / 2);
    }
  }

  #between(at: Milliseconds, until: Milliseconds, anyway = false): BusSegment | undefined {
    const start = this.#snapshot;
    const regions = this.#regions;
    const floated = start.solution.volts.map((volts, node) => {
      const tree = start.trees.find(({ root }) => root === start.rootOf[node]);
      return tree?.floating ? Math.max(0, volts + this.#slopeVPerMsec(tree) * (until - at)) : volts;
    });
    const end = this.#solveAt(until, floated);
    const same = end.solution.regions.every((region, index) => region === start.solution.regions[index]);
    const alike = same && end.trees.every((tree, index) => tree.floating === start.trees[index]?.floating);
    this.#regions = regions;
    if (!anyway && !(alike && this.#keepsLimits(start, end))) return undefined;
    const usable = alike ? end : { ...start, solution: { ...start.solution, volts: floated } };
    return {
      from: at,
      until,
      volts: endsOf(start.solution.volts, usable.solution.volts),
      branchA: endsOf(start.solution.branchA, usable.solution.branchA),
      houseA: endsOf(start.houseA, usable.houseA),
    };
  }

  /** False when a constant-current converter would be well past a voltage limit at the end of the segment. */
  #keepsLimits(start: BusSnapshot, end: BusSnapshot): boolean {
    return this.#converters.every((converter, house) => {
      if (converter.mode === 'WAIT' || !converter.options.protects) return true;
      if (treeOf(start, house)?.floating) return true; // its end is at the limit
      const volts = nth(end.solution.volts, nth(this.#houseNodes, house));
      const low = converter.mode === 'VOLTAGE_REFERENCE' || volts >= converter.options.underVoltageV;
      return low && volts <= converter.options.overVoltageV;
    });
  }

  #treeWh(tree: BusTree, volts: Volts): WattHours {
    return (tree.farads * volts * volts) / 2 / 3600;
  }

  /** The energy in the capacitance of the bus, house by house: parts may join and separate. */
  #storedByHouse(at: Milliseconds): readonly WattHours[] {
    const x = fractionAt(this.#segment, at);
    const storedWh: WattHours[] = [];
    for (const tree of this.#snapshot.trees) {
      const wh = this.#treeWh(tree, endsAt(this.#segment.volts, tree.root, x)) / tree.houses.length;
      for (const house of tree.houses) storedWh[house] = wh;
    }
    return storedWh;
  }

  #lumps(at: Milliseconds, storedBefore: readonly WattHours[]): ReadonlyMap<number, WattHours> {
    const lumps = new Map<number, WattHours>();
    let givenWh = 0;
    for (const tree of this.#snapshot.trees) {
      if (tree.floating) continue;
      const hadWh = tree.houses.reduce((sum, house) => sum + nth(storedBefore, house), 0);
      const wh = this.#treeWh(tree, nth(this.#segment.volts.start, tree.root)) - hadWh;
      givenWh += wh;
      if (tree.holder < 0) this.account.foreignWh += wh;
      else if (wh !== 0) lumps.set(tree.holder, wh);
    }
    // What the holders did not give, or got too much, is gone in sparks and bleeders.
    this.account.bleedWh += storedBefore.reduce((sum, wh) => sum + wh, givenWh) - this.storedWh(at);
    return lumps;
  }

  /** What left the capacitance of a floating part other than through converters, lines and leaks. */
  #bledWh(tree: BusTree, x: number, book: (power: (fraction: number) => Watts) => WattHours): WattHours {
    const members = this.#snapshot.rootOf.flatMap((root, node) => (root === tree.root ? [node] : []));
    const usedWh = book((fraction) => {
      const houses = tree.houses.reduce((sum, house) => sum + this.#houseW(house, fraction), 0);
      return houses + this.#lineLossW(members, fraction) + this.#leakW(fraction, tree) - this.#foreignW(fraction, tree);
    });
    return this.#dischargedWh(tree, x) - usedWh;
  }

  /** What the capacitance of a part has given since the segment began. */
  #dischargedWh(tree: BusTree, x: number): WattHours {
    const voltsAt = (fraction: number): Volts => endsAt(this.#segment.volts, tree.root, fraction);
    return this.#treeWh(tree, voltsAt(0)) - this.#treeWh(tree, voltsAt(x));
  }

  #houseW(house: number, x: number): Watts {
    return endsAt(this.#segment.volts, nth(this.#houseNodes, house), x) * endsAt(this.#segment.houseA, house, x);
  }

  #lineLossW(nodes: Iterable<number>, x: number): Watts {
    let sum = 0;
    for (const node of nodes) sum += nth(this.#forest.ohms, node) * endsAt(this.#segment.branchA, node, x) ** 2;
    return sum;
  }

  #leakW(x: number, tree?: BusTree): Watts {
    return this.#sumIntruders(
      tree,
      ({ house, leakS = 0 }) => leakS * endsAt(this.#segment.volts, nth(this.#houseNodes, house), x) ** 2,
    );
  }

  /** Power that foreign sources feed in. */
  #foreignW(x: number, tree?: BusTree): Watts {
    return this.#sumIntruders(
      tree,
      (one) => -endsAt(this.#segment.volts, nth(this.#houseNodes, one.house), x) * this.#foreignA(one, x),
    );
  }

  #intruderA(houses: readonly number[], x: number): Amperes {
    return [...this.#intruders.values()]
      .filter(({ house }) => houses.includes(house))
      .reduce(
        (sum, one) =>
          sum +
          (one.leakS ?? 0) * endsAt(this.#segment.volts, nth(this.#houseNodes, one.house), x) +
          this.#foreignA(one, x),
        0,
      );
  }

  /** Current into a foreign source; between the ends of a segment its region does not change. */
  #foreignA(intruder: Intruder, x: number): Amperes {
    const { source } = intruder;
    if (source === undefined) return 0;
    const volts = endsAt(this.#segment.volts, nth(this.#houseNodes, intruder.house), x);
    return Math.max(source.low, Math.min(source.high, (volts - source.volts) * source.siemens));
  }

  #sumIntruders(tree: BusTree | undefined, value: (intruder: Intruder) => number): number {
    let sum = 0;
    for (const one of this.#intruders.values())
      if (tree === undefined || tree.houses.includes(one.house)) sum += value(one);
    return sum;
  }
}

/** A power over the part of a segment up to the fraction `x`. */
const flowOver = (power: (fraction: number) => Watts, x: number): Flow => ({
  start: power(0),
  middle: power(x / 2),
  end: power(x),
});
