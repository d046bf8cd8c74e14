import type { Amperes, Milliseconds, Volts, WattHours, Watts } from '../../domain/quantities.ts';
import { type BusSegment, endsAt, endsOf, fractionAt } from './bus-segment.ts';
import type { ConverterState, TripKind } from './converter-state.ts';
import { type Flow, integralOf } from './flow.ts';
import {
  type Forest,
  type NetworkSolution,
  type Region,
  rootsOf,
  type Source,
  solveNetwork,
} from './network-solver.ts';
import type { Topology } from './topology.ts';

/** Something on the bus that is no converter of ours: a leak or a foreign voltage source (faults). */
export interface Intruder {
  readonly house: number;
  readonly leakS?: number;
  readonly source?: Omit<Source, 'node'>;
}

export interface BusOptions {
  /** Capacitance that each house adds. */
  readonly faradsPerHouse: number;
  /** How fast an idle bus is discharged by its bleeders. */
  readonly bleedVPerS: number;
}

/** A converter that has stopped by itself, and the voltage at which it did. */
export interface Trip {
  readonly house: number;
  readonly kind: TripKind;
  readonly volts: Volts;
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

/** One part of the bus that hangs together: its root, its members, and who holds its voltage. */
interface Tree {
  readonly root: number;
  readonly houses: readonly number[];
  readonly farads: number;
  readonly floating: boolean;
  /** House whose converter holds the voltage, and so charges the bus; −1 when there is none. */
  readonly holder: number;
}

interface Snapshot {
  readonly solution: NetworkSolution;
  readonly trees: readonly Tree[];
  readonly rootOf: readonly number[];
  readonly houseA: readonly Amperes[];
  readonly floatingA: ReadonlyMap<number, Amperes>;
}

const MSEC_PER_HOUR = 3_600_000;
const SHORTEST_MSEC = 1e-3;
/** No bus is without any capacitance: what nobody holds must be able to move. */
const LEAST_FARADS = 1e-9;
/** While a floating bus and a current move together, the slope is taken anew this often. */
const FLOATING_STEP_MSEC = 5;
const TINY_V = 1e-6;

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
  #snapshot: Snapshot;
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
    const before = new Map(this.#topology.nodes.map((node, index) => [node, this.#allVolts(at)[index] ?? 0]));
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
    return endsAt(this.#segment.volts, this.#houseNodes[house] ?? 0, fractionAt(this.#segment, at));
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
    const [start, end] = [this.#segment.volts.start[tree.root] ?? 0, this.#segment.volts.end[tree.root] ?? 0];
    const slopeVPerS = (1000 * (end - start)) / (until - from);
    return tree.farads * slopeVPerS * (start + (end - start) * fractionAt(this.#segment, at));
  }

  /** Current that everybody else asks of this voltage reference, its own limit left out of account. */
  demandedA(house: number, at: Milliseconds): Amperes {
    const tree = this.#snapshot.trees.find(({ houses }) => houses.includes(house));
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
    for (const tree of this.#snapshot.trees) if (tree.floating) this.account.bleedWh += this.#bledWh(tree, x, book);
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
    const storedBefore = this.storedWh(at);
    this.#forest = this.#topology.forest();
    const trips: Trip[] = this.#onDeadBus(at, before);
    for (const { house, kind } of trips) this.#converters[house]?.stop(kind);
    this.#snapshot = this.#solveAt(at, before);
    for (let found = this.#violations(at); found.length > 0; found = this.#violations(at)) {
      for (const trip of found) this.#converters[trip.house]?.stop(trip.kind);
      trips.push(...found);
      this.#snapshot = this.#solveAt(at, before);
    }
    this.#segment = this.#segmentFrom(at);
    return { trips, lumpsWh: this.#lumps(at, before, storedBefore) };
  }

  #allVolts(at: Milliseconds): readonly Volts[] {
    const x = fractionAt(this.#segment, at);
    return this.#topology.nodes.map((_, node) => endsAt(this.#segment.volts, node, x));
  }

  #solveAt(at: Milliseconds, beforeV: readonly Volts[]): Snapshot {
    const rootOf = rootsOf(this.#forest.parent);
    const size = rootOf.length;
    const leakS = new Array<number>(size).fill(0);
    const owners: number[] = [];
    const sources: Source[] = [];
    this.#converters.forEach((converter, house) => {
      const source = converter.source(this.#houseNodes[house] ?? 0, at);
      if (source === undefined) return;
      owners.push(house);
      sources.push(source);
    });
    for (const { house, leakS: leak = 0, source } of this.#intruders.values()) {
      const node = this.#houseNodes[house] ?? 0;
      leakS[node] = (leakS[node] ?? 0) + leak;
      if (source === undefined) continue;
      owners.push(-1);
      sources.push({ ...source, node });
    }
    return this.#solveTrees(rootOf, leakS, sources, owners, beforeV);
  }

  #solveTrees(
    rootOf: readonly number[],
    leakS: readonly number[],
    allSources: readonly Source[],
    allOwners: readonly number[],
    beforeV: readonly Volts[],
  ): Snapshot {
    const dead = this.#deadRoots(rootOf, allSources, allOwners);
    const alive = allSources.map((source) => !dead.has(rootOf[source.node] ?? -1));
    const sources = allSources.filter((_, index) => alive[index]);
    const owners = allOwners.filter((_, index) => alive[index]);
    const atRest = beforeV.map((volts, node) => (dead.has(rootOf[node] ?? -1) ? 0 : volts));
    const driven = new Set(sources.map(({ node }) => rootOf[node] ?? -1));
    const floating = new Set(rootOf.filter((root) => !driven.has(root)));
    const guess = this.#regions.length === sources.length ? this.#regions : undefined;
    const drawA = rootOf.map(() => 0);
    // A part that floats is solved at the voltage that its capacitance has.
    const solve = (): NetworkSolution => {
      const fixedV = new Map([...floating].map((root) => [root, atRest[root] ?? 0]));
      return solveNetwork({ forest: this.#forest, drawA, leakS, sources, beforeV: atRest, fixedV }, guess);
    };
    let solution = solve();
    const lost = rootOf.filter(
      (root) => !floating.has(root) && (solution.unbalancedA.has(root) || (solution.volts[root] ?? 0) < 0),
    );
    if (lost.length > 0) {
      for (const root of lost) floating.add(root);
      solution = solve();
    }
    this.#regions = solution.regions;
    return this.#describe(rootOf, solution, sources, owners, floating);
  }

  /** Without protection, as in the original, a part without a voltage reference is dead at once (emulator.md §1.6). */
  #deadRoots(rootOf: readonly number[], sources: readonly Source[], owners: readonly number[]): ReadonlySet<number> {
    if (this.#converters[0]?.options.protects !== false) return new Set();
    const held = new Set<number>();
    owners.forEach((house, index) => {
      const holds = house < 0 || this.#converters[house]?.mode === 'VOLTAGE_REFERENCE';
      if (holds) held.add(rootOf[sources[index]?.node ?? -1] ?? -1);
    });
    return new Set(rootOf.filter((root) => !held.has(root)));
  }

  #describe(
    rootOf: readonly number[],
    solution: NetworkSolution,
    sources: readonly Source[],
    owners: readonly number[],
    floating: ReadonlySet<number>,
  ): Snapshot {
    const houseA = this.#houseNodes.map(() => 0);
    const holderOf = new Map<number, number>();
    owners.forEach((house, index) => {
      if (house < 0) return;
      houseA[house] = solution.sourceA[index] ?? 0;
      const source = sources[index];
      const root = rootOf[source?.node ?? -1] ?? -1;
      const holds = source !== undefined && source.low !== source.high && solution.regions[index] === 0;
      if (holds && !holderOf.has(root)) holderOf.set(root, house);
    });
    const trees = [...new Set(rootOf)].map((root): Tree => {
      const houses = this.#houseNodes.flatMap((node, house) => (rootOf[node] === root ? [house] : []));
      const farads = houses.length * Math.max(LEAST_FARADS, this.#options.faradsPerHouse);
      return { root, houses, farads, floating: floating.has(root), holder: holderOf.get(root) ?? -1 };
    });
    return { solution, trees, rootOf, houseA, floatingA: solution.rootA };
  }

  /** Only a voltage reference can start a dead bus: constant-current converters trip on it. */
  #onDeadBus(at: Milliseconds, before: readonly Volts[]): Trip[] {
    const rootOf = rootsOf(this.#forest.parent);
    const started = new Set(
      this.#converters.flatMap((converter, house) => {
        const starts = converter.mode === 'VOLTAGE_REFERENCE' && converter.aimV(at) >= converter.options.underVoltageV;
        return starts ? [rootOf[this.#houseNodes[house] ?? -1]] : [];
      }),
    );
    return this.#converters.flatMap((converter, house): Trip[] => {
      const node = this.#houseNodes[house] ?? -1;
      const volts = before[node] ?? 0;
      const drives = converter.mode === 'CHARGE' || converter.mode === 'DISCHARGE';
      const isDead = volts < converter.options.underVoltageV - TINY_V && !started.has(rootOf[node]);
      return drives && converter.options.protects && isDead ? [{ house, kind: 'under-voltage', volts }] : [];
    });
  }

  /** Converters that must trip at the voltages of the present solution. */
  #violations(at: Milliseconds): Trip[] {
    return this.#converters.flatMap((converter, house): Trip[] => {
      const { protects, overVoltageV, underVoltageV } = converter.options;
      if (converter.mode === 'WAIT' || !protects) return [];
      const volts = this.#snapshot.solution.volts[this.#houseNodes[house] ?? 0] ?? 0;
      if (volts >= overVoltageV - TINY_V && (volts > overVoltageV || this.#rises(house))) {
        return [{ house, kind: 'over-voltage', volts }];
      }
      const below = volts <= underVoltageV + TINY_V && (volts < underVoltageV || this.#falls(house));
      // A voltage reference that follows its own low aim is right; one that is held down at its limit is not.
      const excused = !converter.isClipped(this.#snapshot.houseA[house] ?? 0) || converter.aimV(at) < underVoltageV;
      return below && !excused ? [{ house, kind: 'under-voltage', volts }] : [];
    });
  }

  #slopeVPerMsec(tree: Tree): number {
    const volts = this.#snapshot.solution.volts[tree.root] ?? 0;
    const net = this.#snapshot.floatingA.get(tree.root) ?? 0;
    const active = tree.houses.some((house) => this.#converters[house]?.mode !== 'WAIT');
    const bleed = active ? 0 : this.#options.bleedVPerS;
    const slope = -(net / tree.farads + bleed) / 1000;
    return tree.farads === 0 || (volts <= 0 && slope < 0) ? 0 : slope;
  }

  #movement(house: number): number {
    const tree = this.#snapshot.trees.find(({ houses }) => houses.includes(house));
    return tree?.floating ? this.#slopeVPerMsec(tree) : 0;
  }

  #rises(house: number): boolean {
    return this.#movement(house) > 0;
  }

  #falls(house: number): boolean {
    return this.#movement(house) < 0;
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
  #floatsUntil(tree: Tree, at: Milliseconds, settles: Milliseconds): Milliseconds {
    const slope = this.#slopeVPerMsec(tree);
    if (slope === 0) return Infinity;
    const volts = this.#snapshot.solution.volts;
    const limits = tree.houses.flatMap((house) => {
      const converter = this.#converters[house];
      if (converter === undefined || converter.mode === 'WAIT') return [];
      const { underVoltageV, overVoltageV } = converter.options;
      return [((slope < 0 ? underVoltageV : overVoltageV) - (volts[this.#houseNodes[house] ?? 0] ?? 0)) / slope];
    });
    const toZero = slope < 0 ? -(volts[tree.root] ?? 0) / slope : Infinity;
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
  #keepsLimits(start: Snapshot, end: Snapshot): boolean {
    return this.#converters.every((converter, house) => {
      if (converter.mode === 'WAIT' || !converter.options.protects) return true;
      if (start.trees.find(({ houses }) => houses.includes(house))?.floating) return true; // its end is at the limit
      const volts = end.solution.volts[this.#houseNodes[house] ?? 0] ?? 0;
      const low = converter.mode === 'VOLTAGE_REFERENCE' || volts >= converter.options.underVoltageV;
      return low && volts <= converter.options.overVoltageV;
    });
  }

  #treeWh(tree: Tree, volts: Volts): WattHours {
    return (tree.farads * volts * volts) / 2 / 3600;
  }

  #lumps(at: Milliseconds, before: readonly Volts[], storedBefore: WattHours): ReadonlyMap<number, WattHours> {
    const lumps = new Map<number, WattHours>();
    for (const tree of this.#snapshot.trees) {
      if (tree.holder < 0) continue;
      const gained =
        this.#treeWh(tree, this.#segment.volts.start[tree.root] ?? 0) - this.#treeWh(tree, before[tree.root] ?? 0);
      if (gained !== 0) lumps.set(tree.holder, gained);
    }
    const given = [...lumps.values()].reduce((sum, wh) => sum + wh, 0);
    // What the holders did not give came from (or went to) nobody in particular: sparks, bleeders, foreign sources.
    this.account.bleedWh += storedBefore + given - this.storedWh(at);
    return lumps;
  }

  /** What left the capacitance of a floating part other than through converters, lines and leaks. */
  #bledWh(tree: Tree, x: number, book: (power: (fraction: number) => Watts) => WattHours): WattHours {
    const [start, end] = [endsAt(this.#segment.volts, tree.root, 0), endsAt(this.#segment.volts, tree.root, x)];
    const lostWh = this.#treeWh(tree, start) - this.#treeWh(tree, end);
    const members = this.#snapshot.rootOf.flatMap((root, node) => (root === tree.root ? [node] : []));
    const usedWh = book((fraction) => {
      const houses = tree.houses.reduce((sum, house) => sum + this.#houseW(house, fraction), 0);
      return houses + this.#lineLossW(members, fraction) + this.#leakW(fraction, tree) - this.#foreignW(fraction, tree);
    });
    return lostWh - usedWh;
  }

  #houseW(house: number, x: number): Watts {
    return endsAt(this.#segment.volts, this.#houseNodes[house] ?? 0, x) * endsAt(this.#segment.houseA, house, x);
  }

  #lineLossW(nodes: Iterable<number>, x: number): Watts {
    let sum = 0;
    for (const node of nodes) sum += (this.#forest.ohms[node] ?? 0) * endsAt(this.#segment.branchA, node, x) ** 2;
    return sum;
  }

  #leakW(x: number, tree?: Tree): Watts {
    return this.#sumIntruders(
      tree,
      ({ house, leakS = 0 }) => leakS * endsAt(this.#segment.volts, this.#houseNodes[house] ?? 0, x) ** 2,
    );
  }

  /** Power that foreign sources feed in. */
  #foreignW(x: number, tree?: Tree): Watts {
    return this.#sumIntruders(
      tree,
      (one) => -endsAt(this.#segment.volts, this.#houseNodes[one.house] ?? 0, x) * this.#foreignA(one, x),
    );
  }

  #intruderA(houses: readonly number[], x: number): Amperes {
    return [...this.#intruders.values()]
      .filter(({ house }) => houses.includes(house))
      .reduce(
        (sum, one) =>
          sum +
          (one.leakS ?? 0) * endsAt(this.#segment.volts, this.#houseNodes[one.house] ?? 0, x) +
          this.#foreignA(one, x),
        0,
      );
  }

  /** Current into a foreign source; between the ends of a segment its region does not change. */
  #foreignA(intruder: Intruder, x: number): Amperes {
    const { source } = intruder;
    if (source === undefined) return 0;
    const volts = endsAt(this.#segment.volts, this.#houseNodes[intruder.house] ?? 0, x);
    return Math.max(source.low, Math.min(source.high, (volts - source.volts) * source.siemens));
  }

  #sumIntruders(tree: Tree | undefined, value: (intruder: Intruder) => number): number {
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
