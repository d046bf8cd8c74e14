import type { Amperes, Ohms, Volts } from '../../domain/quantities.ts';

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
}

/** −1 clipped at the low limit, 0 holds its voltage, +1 clipped at the high limit. */
export type Region = -1 | 0 | 1;

export interface NetworkSolution {
  readonly volts: readonly Volts[];
  /** Current from each node's parent into the node, A. */
  readonly branchA: readonly Amperes[];
  readonly sourceA: readonly Amperes[];
  readonly regions: readonly Region[];
  /** For each root whose currents no device can balance: what is drawn too much, A. */
  readonly unbalancedA: ReadonlyMap<number, Amperes>;
}

const MAX_ROUNDS = 400;
/** From here on only one region changes per round, which ends cycles. */
const CAREFUL_ROUND = 30;
const TINY_A = 1e-9;
const TINY_V = 1e-9;

const isConstant = (source: Source): boolean => source.low === source.high;

/** Root of every node. */
export function rootsOf(parent: readonly number[]): readonly number[] {
  const roots: number[] = [];
  for (const [node, up] of parent.entries()) roots.push(up < 0 ? node : (roots[up] ?? node));
  return roots;
}

interface Linear {
  readonly volts: number[];
  readonly branchA: number[];
  /** Net constant current of the roots that nothing linear holds. */
  readonly floating: Map<number, Amperes>;
}

/** One backward sweep to fold every subtree into its root, one forward sweep for the voltages: O(N), exact. */
function solveLinear(
  input: NetworkInput,
  drawA: number[],
  siemens: number[],
  shiftV: ReadonlyMap<number, Volts>,
): Linear {
  const { parent, ohms } = input.forest;
  const size = parent.length;
  for (let node = size - 1; node >= 0; node -= 1) {
    const up = parent[node] ?? -1;
    if (up < 0) continue;
    const divisor = 1 + (siemens[node] ?? 0) * (ohms[node] ?? 0);
    drawA[up] = (drawA[up] ?? 0) + (drawA[node] ?? 0) / divisor;
    siemens[up] = (siemens[up] ?? 0) + (siemens[node] ?? 0) / divisor;
  }
  const volts: number[] = [];
  const branchA: number[] = [];
  const floating = new Map<number, Amperes>();
  for (let node = 0; node < size; node += 1) {
    const [draw, conductance, up] = [drawA[node] ?? 0, siemens[node] ?? 0, parent[node] ?? -1];
    if (up >= 0) {
      const upV = volts[up] ?? 0;
      const current = (draw + conductance * upV) / (1 + conductance * (ohms[node] ?? 0));
      branchA.push(current);
      volts.push(upV - current * (ohms[node] ?? 0));
    } else {
      branchA.push(0);
      if (conductance === 0) floating.set(node, draw);
      volts.push(conductance === 0 ? (input.beforeV[node] ?? 0) + (shiftV.get(node) ?? 0) : -draw / conductance);
    }
  }
  return { volts, branchA, floating };
}

/** Adds the sources, each as its region says, to the constant draws and conductances of the nodes. */
function withSources(input: NetworkInput, regions: readonly Region[]): [number[], number[]] {
  const draw = [...input.drawA];
  const siemens = [...input.leakS];
  input.sources.forEach((source, index) => {
    const region = isConstant(source) ? 1 : (regions[index] ?? 0);
    const { node } = source;
    if (region === 0) {
      draw[node] = (draw[node] ?? 0) - source.volts * source.siemens;
      siemens[node] = (siemens[node] ?? 0) + source.siemens;
    } else draw[node] = (draw[node] ?? 0) + (region < 0 ? source.low : source.high);
  });
  return [draw, siemens];
}

function wantedRegion(source: Source, volts: Volts): Region {
  const amperes = (volts - source.volts) * source.siemens;
  if (amperes < source.low - TINY_A) return -1;
  return amperes > source.high + TINY_A ? 1 : 0;
}

/** How far the tree must move until this clipped source lets go of its limit. */
const distanceV = (source: Source, region: Region, volts: Volts): Volts =>
  source.volts + (region < 0 ? source.low : source.high) / source.siemens - volts;

/**
 * Solves a radial network with piecewise-linear devices by active sets: guess who is clipped, solve the linear rest in
 * two sweeps, correct the guess (emulator.md §6.1). A tree whose currents nobody can balance keeps its
 * former voltage and is reported as unbalanced.
 */
export function solveNetwork(input: NetworkInput, guess?: readonly Region[]): NetworkSolution {
  const search = new ActiveSetSearch(input, guess);
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    if (!search.improve(round >= CAREFUL_ROUND)) break;
  }
  return search.solution();
}

class ActiveSetSearch {
  readonly #input: NetworkInput;
  readonly #roots: readonly number[];
  readonly #regions: Region[];
  readonly #shiftV = new Map<number, Volts>();
  readonly #unbalancedA = new Map<number, Amperes>();
  #linear: Linear;

  constructor(input: NetworkInput, guess: readonly Region[] | undefined) {
    this.#input = input;
    this.#roots = rootsOf(input.forest.parent);
    this.#regions = input.sources.map((_, index) => guess?.[index] ?? 0);
    this.#linear = this.#solve();
  }

  /** One correction; false when nothing is left to correct. */
  improve(careful: boolean): boolean {
    const changed = this.#release() || this.#clip(careful);
    if (changed) this.#linear = this.#solve();
    return changed;
  }

  solution(): NetworkSolution {
    const { volts, branchA } = this.#linear;
    const sourceA = this.#input.sources.map((source, index) => {
      const region = this.#regions[index] ?? 0;
      if (isConstant(source) || region !== 0) return region < 0 ? source.low : source.high;
      return ((volts[source.node] ?? 0) - source.volts) * source.siemens;
    });
    return { volts, branchA, sourceA, regions: this.#regions, unbalancedA: this.#unbalancedA };
  }

  #solve(): Linear {
    const [draw, siemens] = withSources(this.#input, this.#regions);
    return solveLinear(this.#input, draw, siemens, this.#shiftV);
  }

  /** Every source goes to the region that its node's voltage asks for; in a tree that floats there is no such voltage. */
  #clip(careful: boolean): boolean {
    let changed = false;
    this.#input.sources.forEach((source, index) => {
      if (isConstant(source) || this.#linear.floating.has(this.#roots[source.node] ?? -1)) return;
      const wanted = wantedRegion(source, this.#linear.volts[source.node] ?? 0);
      if (wanted === this.#regions[index] || (careful && changed)) return;
      this.#regions[index] = wanted;
      changed = true;
    });
    return changed;
  }

  /** A tree with everybody clipped moves until the first device lets go, or is unbalanced for good. */
  #release(): boolean {
    let changed = false;
    for (const [root, netA] of this.#linear.floating) {
      if (Math.abs(netA) < TINY_A) changed = this.#settleFlat(root) || changed;
      else changed = this.#releaseNearest(root, netA) || changed;
    }
    return changed;
  }

  #clippedIn(root: number): { index: number; source: Source; region: Region; distance: Volts }[] {
    return this.#input.sources
      .map((source, index) => ({ index, source, region: this.#regions[index] ?? 0 }))
      .filter(({ source, region }) => this.#roots[source.node] === root && !isConstant(source) && region !== 0)
      .map((one) => ({
        ...one,
        distance: distanceV(one.source, one.region, this.#linear.volts[one.source.node] ?? 0),
      }));
  }

  /** Too much drawn: the voltage falls to the highest device that takes current; too much fed: it rises to the lowest that gives. */
  #releaseNearest(root: number, netA: Amperes): boolean {
    const region: Region = netA > 0 ? 1 : -1;
    const candidates = this.#clippedIn(root).filter((one) => one.region === region);
    candidates.sort((one, other) => region * (other.distance - one.distance));
    const nearest = candidates[0];
    if (nearest === undefined) {
      this.#unbalancedA.set(root, netA);
      return false;
    }
    this.#regions[nearest.index] = 0;
    return true;
  }

  /** The currents cancel: any voltage that leaves everybody clipped will do; the nearest to the former one is taken. */
  #settleFlat(root: number): boolean {
    let [lowest, highest] = [-Infinity, Infinity];
    for (const { region, distance } of this.#clippedIn(root)) {
      if (region > 0) lowest = Math.max(lowest, distance);
      else highest = Math.min(highest, distance);
    }
    const move = Math.max(lowest, Math.min(highest, 0));
    if (Math.abs(move) < TINY_V || !Number.isFinite(move)) return false;
    this.#shiftV.set(root, (this.#shiftV.get(root) ?? 0) + move);
    return lowest <= highest;
  }
}
