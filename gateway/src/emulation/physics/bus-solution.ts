import type { Amperes, Milliseconds, Volts } from '../../domain/quantities.ts';
import type { ConverterState } from './converter-state.ts';
import {
  type Forest,
  type NetworkSolution,
  type Region,
  rootsOf,
  type Source,
  solveNetwork,
} from './network-solver.ts';
import { nth } from './nth.ts';

/** Something on the bus that is no converter of ours: a leak or a foreign voltage source (faults). */
export interface Intruder {
  readonly house: number;
  readonly leakS?: number;
  readonly source?: Omit<Source, 'node'>;
}

/** Everything that hangs on the bus. */
export interface BusInput {
  readonly forest: Forest;
  /** Node of each house. */
  readonly houseNodes: readonly number[];
  readonly converters: readonly ConverterState[];
  readonly intruders: readonly Intruder[];
  readonly faradsPerHouse: number;
}

/** One part of the bus that hangs together: its root, its members, and who holds its voltage. */
export interface BusTree {
  readonly root: number;
  readonly houses: readonly number[];
  readonly farads: number;
  readonly floating: boolean;
  /** House whose converter holds the voltage, and so charges the bus; −1 when there is none. */
  readonly holder: number;
}

/** The bus at one instant. */
export interface BusSnapshot {
  readonly solution: NetworkSolution;
  readonly trees: readonly BusTree[];
  readonly rootOf: readonly number[];
  /** Current into each house. */
  readonly houseA: readonly Amperes[];
}

/** No bus is without any capacitance: what nobody holds must be able to move. */
const LEAST_FARADS = 1e-9;

/** A source, and the house whose converter it is; −1 for an intruder. */
interface OwnedSource {
  readonly owner: number;
  readonly source: Source;
}

export const treeOf = (snapshot: BusSnapshot, house: number): BusTree | undefined =>
  snapshot.trees.find(({ houses }) => houses.includes(house));

/**
 * Solves the bus. A part that nobody can hold is solved again at the voltage that its capacitance has, and is
 * then said to be floating.
 */
export function solveBus(
  input: BusInput,
  at: Milliseconds,
  beforeV: readonly Volts[],
  guess: readonly Region[],
): BusSnapshot {
  const rootOf = rootsOf(input.forest.parent);
  const all = sourcesOf(input, at);
  const dead = deadRoots(input, rootOf, all);
  const alive = all.filter(({ source }) => !dead.has(nth(rootOf, source.node)));
  const sources = alive.map(({ source }) => source);
  const atRest = beforeV.map((volts, node) => (dead.has(nth(rootOf, node)) ? 0 : volts));
  const driven = new Set(sources.map(({ node }) => nth(rootOf, node)));
  const floating = new Set(rootOf.filter((root) => !driven.has(root)));
  const common = { forest: input.forest, drawA: rootOf.map(() => 0), leakS: leaksOf(input), sources, beforeV: atRest };
  const solve = (): NetworkSolution => {
    const fixedV = new Map([...floating].map((root) => [root, nth(atRest, root)]));
    return solveNetwork({ ...common, fixedV }, guess.length === sources.length ? guess : undefined);
  };
  let solution = solve();
  const isLost = (root: number): boolean => solution.unbalancedA.has(root) || nth(solution.volts, root) < 0;
  const lost = [...driven].filter(isLost);
  if (lost.length > 0) {
    for (const root of lost) floating.add(root);
    solution = solve();
  }
  return described(input, rootOf, solution, alive, floating);
}

function sourcesOf({ converters, intruders, houseNodes }: BusInput, at: Milliseconds): OwnedSource[] {
  const ours = converters.flatMap((converter, owner) => {
    const source = converter.source(nth(houseNodes, owner), at);
    return source === undefined ? [] : [{ owner, source }];
  });
  const foreign = intruders.flatMap(({ house, source }) =>
    source === undefined ? [] : [{ owner: -1, source: { ...source, node: nth(houseNodes, house) } }],
  );
  return [...ours, ...foreign];
}

function leaksOf({ forest, intruders, houseNodes }: BusInput): number[] {
  const leakS = forest.parent.map(() => 0);
  for (const { house, leakS: leak = 0 } of intruders) {
    const node = nth(houseNodes, house);
    leakS[node] = nth(leakS, node) + leak;
  }
  return leakS;
}

/** Without protection, as in the original, a part without a voltage reference is dead at once (emulator.md §1.6). */
function deadRoots(
  { converters }: BusInput,
  rootOf: readonly number[],
  sources: readonly OwnedSource[],
): ReadonlySet<number> {
  if (converters[0]?.options.protects !== false) return new Set();
  const holding = sources.filter(({ owner }) => owner < 0 || converters[owner]?.mode === 'VOLTAGE_REFERENCE');
  const held = new Set(holding.map(({ source }) => nth(rootOf, source.node)));
  return new Set(rootOf.filter((root) => !held.has(root)));
}

function described(
  input: BusInput,
  rootOf: readonly number[],
  solution: NetworkSolution,
  sources: readonly OwnedSource[],
  floating: ReadonlySet<number>,
): BusSnapshot {
  const houseA = input.houseNodes.map(() => 0);
  const holderOf = new Map<number, number>();
  for (const [index, { owner, source }] of sources.entries()) {
    if (owner < 0) continue;
    houseA[owner] = nth(solution.sourceA, index);
    const root = nth(rootOf, source.node);
    const holds = source.low !== source.high && solution.regions[index] === 0;
    if (holds && !holderOf.has(root)) holderOf.set(root, owner);
  }
  const trees = [...new Set(rootOf)].map((root): BusTree => {
    const houses = input.houseNodes.flatMap((node, house) => (rootOf[node] === root ? [house] : []));
    const farads = houses.length * Math.max(LEAST_FARADS, input.faradsPerHouse);
    const holder = floating.has(root) ? -1 : (holderOf.get(root) ?? -1);
    return { root, houses, farads, floating: floating.has(root), holder };
  });
  return { solution, trees, rootOf, houseA };
}
