import { ConfigError } from '../../domain/errors.ts';
import type { Ohms } from '../../domain/quantities.ts';
import type { Forest } from './network-solver.ts';

export interface Branch {
  readonly from: string;
  readonly to: string;
  /** Out and return together. */
  readonly ohms: Ohms;
}

/** How the houses hang together; a custom bus may use junctions that are no houses. */
export type NetworkSpec =
  | { readonly kind: 'line'; readonly ohmsPerSpan?: Ohms }
  | { readonly kind: 'star'; readonly ohmsPerSpan?: Ohms }
  | { readonly kind: 'branches'; readonly branches: readonly Branch[] };

/** 30 m of 2 × 10 mm² copper (emulator.md §6.1). */
export const DEFAULT_SPAN_OHMS: Ohms = 0.11;

const CENTRE = 'junction';

export const branchId = (from: string, to: string): string => `${from}-${to}`;

function branchesOf(spec: NetworkSpec, houses: readonly string[]): readonly Branch[] {
  if (spec.kind === 'branches') return spec.branches;
  const ohms = spec.ohmsPerSpan ?? DEFAULT_SPAN_OHMS;
  if (spec.kind === 'star') return houses.map((house) => ({ from: CENTRE, to: house, ohms }));
  return houses.slice(1).map((house, index) => ({ from: houses[index] ?? house, to: house, ohms }));
}

const refusal = (path: string, message: string): ConfigError => new ConfigError([{ file: 'network', path, message }]);

/** A radial network as a forest that can be broken at any branch. Throws `ConfigError` for meshes and lone houses. */
export class Topology {
  /** Nodes in an order that has parents before children. */
  readonly nodes: readonly string[];
  readonly #parent: number[] = [];
  readonly #ohms: Ohms[] = [];
  /** The child node of each branch, by either direction of its name. */
  readonly #childOf = new Map<string, number>();
  readonly #broken = new Set<number>();

  constructor(spec: NetworkSpec, houses: readonly string[]) {
    const branches = branchesOf(spec, houses);
    this.nodes = this.#walk(branches, houses[0] ?? CENTRE);
    const known = new Set(this.nodes);
    const lone = houses.find((house) => !known.has(house));
    if (lone !== undefined) throw refusal('branches', `expected every house to be connected, got no way to ${lone}`);
    if (branches.length !== this.nodes.length - 1) {
      throw refusal(
        'branches',
        `expected a radial network, got ${branches.length} branches for ${this.nodes.length} nodes (a mesh or an island)`,
      );
    }
  }

  /** The network as it is now, with broken branches left out. */
  forest(): Forest {
    return { parent: this.#parent.map((up, node) => (this.#broken.has(node) ? -1 : up)), ohms: this.#ohms };
  }

  /** Opens or closes a branch, named `E001-E002` in either direction. */
  setBroken(branch: string, broken: boolean): void {
    const child = this.#childOf.get(branch);
    if (child === undefined)
      throw refusal('branch', `expected one of ${[...this.branchNames()].join(', ')}, got ${branch}`);
    if (broken) this.#broken.add(child);
    else this.#broken.delete(child);
  }

  branchNames(): readonly string[] {
    return this.nodes.flatMap((node, index) => {
      const up = this.#parent[index] ?? -1;
      return up < 0 ? [] : [branchId(this.nodes[up] ?? '', node)];
    });
  }

  #walk(branches: readonly Branch[], start: string): string[] {
    const nodes = [start];
    const place = new Map([[start, 0]]);
    this.#add(-1, 0);
    for (let index = 0; index < nodes.length; index += 1) {
      const here = nodes[index] ?? start;
      for (const { from, to, ohms } of branches) {
        const next = from === here ? to : to === here ? from : undefined;
        if (next === undefined || place.has(next)) continue;
        if (!(ohms >= 0 && Number.isFinite(ohms)))
          throw refusal(branchId(from, to), `expected a resistance of 0 Ω or more, got ${ohms}`);
        place.set(next, nodes.length);
        this.#childOf.set(branchId(here, next), nodes.length).set(branchId(next, here), nodes.length);
        nodes.push(next);
        this.#add(index, ohms);
      }
    }
    return nodes;
  }

  #add(parent: number, ohms: Ohms): void {
    this.#parent.push(parent);
    this.#ohms.push(ohms);
  }
}
