import type { Amperes, Ohms, Volts } from '../../domain/quantities.ts';
import { nth } from './nth.ts';

/**
 * A device that holds a voltage within limits of current: i = (v − volts)·siemens, clipped to low … high, + into it.
 * Where low equals high it is a constant current.
 */
export interface Source {
  readonly node: number;
  readonly volts: Volts;
  readonly siemens: number;
  readonly low: Amperes;
  readonly high: Amperes;
}

/** A forest: parents come before their children; roots have the parent −1. */
export interface Forest {
  readonly parent: readonly number[];
  /** Resistance to the parent, Ω, out and return. */
  readonly ohms: readonly Ohms[];
}

export interface NetworkInput {
  readonly forest: Forest;
  /** Constant current drawn at each node, A. */
  readonly drawA: readonly Amperes[];
  /** Conductance to the return conductor at each node, S. */
  readonly leakS: readonly number[];
  readonly sources: readonly Source[];
  /** Voltage of each node before: what a tree floats at when its currents cancel. */
  readonly beforeV: readonly Volts[];
  /** Roots whose voltage is given, by the charge of their capacitance. */
  readonly fixedV?: ReadonlyMap<number, Volts>;
}

/** −1 clipped at the low limit, 0 holds its voltage, +1 clipped at the high limit. */
export type Region = -1 | 0 | 1;

export interface NetworkSolution {
  readonly volts: readonly Volts[];
  /** Current from each node's parent into the node, A. */
  readonly branchA: readonly Amperes[];
  readonly sourceA: readonly Amperes[];
  readonly regions: readonly Region[];
  /** What each root with a given voltage must supply, A. */
  readonly rootA: ReadonlyMap<number, Amperes>;
  /** For each root whose currents no device can balance: what is drawn too much, A. */
  readonly unbalancedA: ReadonlyMap<number, Amperes>;
}

const MAX_ROUNDS = 100;
const LINE_SEARCH_STEPS = 60;
/** Pulls every root gently to its former voltage while searching, so that a floating part has a solution too. */
const PULL_S = 1e-6;
/** Currents that cancel to within this count as balanced. */
const TINY_A = 1e-5;
const NEAR_A = 1e-9;

const NONE_FIXED: ReadonlyMap<number, Volts> = new Map();

const isConstant = (source: Source): boolean => source.low === source.high;

/** Root of every node. */
export function rootsOf(parent: readonly number[]): readonly number[] {
  const roots: number[] = [];
  for (const [node, up] of parent.entries()) roots.push(up < 0 ? node : (roots[up] ?? node));
  return roots;
}

/** Voltages that obey Ohm's law on every line, and the currents that belong to them. */
interface Point {
  readonly volts: readonly Volts[];
  readonly branchA: readonly Amperes[];
  readonly rootA: ReadonlyMap<number, Amperes>;
}

/**
 * One backward sweep folds every subtree into its root, one forward sweep gives the voltages: O(N), exact.
 * A root that nothing holds gets the voltage of `floatV`,
 * one in `fixedV` always that.
 */
function sweep(
  { parent, ohms }: Forest,
  drawA: number[],
  siemens: number[],
  floatV: readonly Volts[],
  fixedV: ReadonlyMap<number, Volts>,
): Point {
  const size = parent.length;
  for (let node = size - 1; node >= 0; node -= 1) {
    const up = parent[node] ?? -1;
    if (up < 0) continue;
    const divisor = 1 + nth(siemens, node) * nth(ohms, node);
    drawA[up] = nth(drawA, up) + nth(drawA, node) / divisor;
    siemens[up] = nth(siemens, up) + nth(siemens, node) / divisor;
  }
  const volts: number[] = [];
  const branchA: number[] = [];
  const rootA = new Map<number, Amperes>();
  for (let node = 0; node < size; node += 1) {
    const [draw, conductance, resistance, up] = [
      nth(drawA, node),
      nth(siemens, node),
      nth(ohms, node),
      parent[node] ?? -1,
    ];
    const upV = nth(volts, up);
    const current = up < 0 ? 0 : (draw + conductance * upV) / (1 + conductance * resistance);
    branchA.push(current);
    const fixed = fixedV.get(node);
    if (up >= 0) volts.push(upV - current * resistance);
    else if (fixed !== undefined) {
      volts.push(fixed);
      rootA.set(node, draw + conductance * fixed);
    } else volts.push(conductance === 0 ? nth(floatV, node) : -draw / conductance);
  }
  return { volts, branchA, rootA };
}

/** Current into a source at a voltage. */
const currentOf = (source: Source, volts: Volts): Amperes =>
  Math.max(source.low, Math.min(source.high, (volts - source.volts) * source.siemens));

function regionOf(source: Source, volts: Volts): Region {
  const amperes = (volts - source.volts) * source.siemens;
  if (amperes < source.low - NEAR_A) return -1;
  return amperes > source.high + NEAR_A ? 1 : 0;
}

/**
 * Solves a radial network with piecewise-linear devices: guess who is clipped, solve the linear rest in two sweeps,
 * correct the guess (emulator.md §6.1). As every current rises with its voltage, the solution is the lowest point
 * of a convex function, and a step that would overshoot is shortened until it no longer climbs: so the search ends. A part
 * whose currents nobody can balance keeps its former voltage and is reported as unbalanced.
 */
export function solveNetwork(input: NetworkInput, guess?: readonly Region[]): NetworkSolution {
  return new ActiveSetSearch(input).run(guess);
}

class ActiveSetSearch {
  readonly #input: NetworkInput;
  readonly #isRoot: readonly boolean[];

  constructor(input: NetworkInput) {
    this.#input = input;
    this.#isRoot = input.forest.parent.map((up) => up < 0);
  }

  run(guess: readonly Region[] | undefined): NetworkSolution {
    let regions = this.#input.sources.map((_, index): Region => guess?.[index] ?? 0);
    let point = this.#linear(regions, PULL_S);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const wanted = this.#regionsAt(point);
      if (wanted.every((region, index) => region === regions[index])) break;
      regions = wanted;
      const next = this.#linear(regions, PULL_S);
      point = between(point, next, this.#stepTowards(point, next));
    }
    return this.#finish(regions, point);
  }

  #regionsAt({ volts }: Point): Region[] {
    return this.#input.sources.map((source) => (isConstant(source) ? 0 : regionOf(source, nth(volts, source.node))));
  }

  /** The network with every source as its region says. */
  #linear(regions: readonly Region[], pullS: number, floatV = this.#input.beforeV): Point {
    const { forest, drawA, leakS, sources, beforeV } = this.#input;
    const draw = drawA.map((amperes, node) => amperes - (this.#isRoot[node] ? pullS * nth(beforeV, node) : 0));
    const siemens = leakS.map((leak, node) => leak + (this.#isRoot[node] ? pullS : 0));
    for (const [index, source] of sources.entries()) {
      const region = nth(regions, index);
      const { node } = source;
      if (isConstant(source) || region !== 0) {
        draw[node] = nth(draw, node) + (region < 0 ? source.low : source.high);
      } else {
        draw[node] = nth(draw, node) - source.volts * source.siemens;
        siemens[node] = nth(siemens, node) + source.siemens;
      }
    }
    return sweep(forest, draw, siemens, floatV, this.#input.fixedV ?? NONE_FIXED);
  }

  /** How far to go from one point to the next: 1, or to where the convex function is lowest on the way. */
  #stepTowards(from: Point, to: Point): number {
    const slope = (step: number): number => this.#slope(from, to, step);
    if (slope(1) <= 0) return 1;
    let [low, high] = [0, 1];
    for (let round = 0; round < LINE_SEARCH_STEPS && high - low > 1e-15; round += 1) {
      const middle = (low + high) / 2;
      if (slope(middle) > 0) high = middle;
      else low = middle;
    }
    return (low + high) / 2;
  }

  /** Slope of the function on the way: the imbalance of currents, weighted with how fast each voltage moves. */
  #slope(from: Point, to: Point, step: number): number {
    const { forest, drawA, leakS, sources, beforeV } = this.#input;
    const here = between(from, to, step);
    let sum = 0;
    for (const [node, volts] of here.volts.entries()) {
      const pull = this.#isRoot[node] ? PULL_S * (volts - nth(beforeV, node)) : 0;
      sum += moved(from.volts, to.volts, node) * (nth(drawA, node) + nth(leakS, node) * volts + pull);
      sum += nth(forest.ohms, node) * nth(here.branchA, node) * moved(from.branchA, to.branchA, node);
    }
    for (const source of sources) {
      sum += moved(from.volts, to.volts, source.node) * currentOf(source, nth(here.volts, source.node));
    }
    return sum;
  }

  /** Solves once more without the pull, and tells the parts that float from those that cannot be balanced. */
  #finish(regions: readonly Region[], found: Point): NetworkSolution {
    const { forest, sources, leakS, drawA, beforeV } = this.#input;
    const rootOf = rootsOf(forest.parent);
    const held = new Set([
      ...rootOf.filter((_, node) => nth(leakS, node) > 0),
      ...(this.#input.fixedV ?? NONE_FIXED).keys(),
    ]);
    const netA = new Map<number, Amperes>();
    const add = (node: number, amperes: Amperes): void => {
      netA.set(rootOf[node] ?? -1, (netA.get(rootOf[node] ?? -1) ?? 0) + amperes);
    };
    for (const [node, amperes] of drawA.entries()) add(node, amperes);
    for (const [index, source] of sources.entries()) {
      const region = nth(regions, index);
      if (region === 0 && !isConstant(source)) held.add(rootOf[source.node] ?? -1);
      else add(source.node, region < 0 ? source.low : source.high);
    }
    const lost = [...netA].filter(([root, amperes]) => !held.has(root) && Math.abs(amperes) > TINY_A);
    const unbalancedA = new Map(lost);
    const floatV = found.volts.map((volts, node) => (unbalancedA.has(node) ? nth(beforeV, node) : volts));
    const point = this.#linear(regions, 0, floatV);
    const sourceA = sources.map((source, index) => {
      const region = nth(regions, index);
      if (region !== 0 || isConstant(source)) return region < 0 ? source.low : source.high;
      return (nth(point.volts, source.node) - source.volts) * source.siemens;
    });
    return { ...point, sourceA, regions, unbalancedA };
  }
}

const moved = (from: readonly number[], to: readonly number[], index: number): number =>
  nth(to, index) - nth(from, index);

/** The point at a fraction of the way: Ohm's law holds on all of it. */
function between(from: Point, to: Point, step: number): Point {
  if (step === 1) return to;
  const mix = (one: readonly number[], other: readonly number[]): number[] =>
    one.map((value, index) => value + (nth(other, index) - value) * step);
  return { volts: mix(from.volts, to.volts), branchA: mix(from.branchA, to.branchA), rootA: to.rootA };
}
