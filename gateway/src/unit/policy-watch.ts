import type { Bus, Unsubscribe } from '../ports/bus.ts';

export interface PolicyWatchNeeds {
  readonly bus: Bus;
  readonly policy: object;
  /** What the own policy comes to. */
  readonly policyHash: string;
  isMember(unitId: string): boolean;
  /** A member works by another policy: first with its hash alone, then with the keys that differ. */
  differs(unitId: string, policyHash: string, keys: readonly string[]): void;
  /** A member that did works by the same one now. */
  agrees(unitId: string): void;
}

/** What is told of a policy that has nothing in common with ours. */
const MOST_KEYS = 20;

const isBranch = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Paths of the values in which two policies differ, sorted; lists are one value each. */
export function differingKeys(ours: object, theirs: object): readonly string[] {
  const differing = (a: object, b: object, prefix: string): readonly string[] =>
    [...new Set([...Object.keys(a), ...Object.keys(b)])].sort().flatMap((key) => {
      const [own, other]: readonly unknown[] = [a, b].map(
        (side) => Object.entries(side).find(([name]) => name === key)?.[1],
      );
      const path = `${prefix}${key}`;
      if (isBranch(own) && isBranch(other)) return differing(own, other, `${path}.`);
      return JSON.stringify(own) === JSON.stringify(other) ? [] : [path.slice(0, 100)];
    });
  return differing(ours, theirs, '').slice(0, MOST_KEYS);
}

/**
 * Who of the cluster works by another policy (RULE-15, control.md D18): checked whenever a process begins, not once.
 * No deal is made with such a unit, because limits, voltages and deadlines of the two sides would not be the same.
 */
export class PolicyWatch {
  readonly #needs: PolicyWatchNeeds;
  readonly #others = new Set<string>();

  constructor(needs: PolicyWatchNeeds) {
    this.#needs = needs;
  }

  /** Listens until the returned function is called. */
  start(): Unsubscribe {
    const { bus, policy, policyHash, isMember, differs, agrees } = this.#needs;
    const ends = [
      bus.listen('policy', ({ envelope: { sender, body } }) => {
        if (!isMember(sender) || body.hash === policyHash) return; // INV-11
        const keys = differingKeys(policy, body.policy);
        if (keys.length > 0) differs(sender, body.hash, keys);
      }),
      bus.listen('birth', ({ envelope }) => {
        const { sender, body } = envelope;
        if (!isMember(sender)) return; // INV-11
        if (body.policyHash !== policyHash) {
          this.#others.add(sender);
          differs(sender, body.policyHash, []);
        } else if (this.#others.delete(sender)) agrees(sender);
      }),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  /** Does the unit work by the same policy, as far as anybody knows? */
  isSame(unitId: string): boolean {
    return !this.#others.has(unitId);
  }
}
