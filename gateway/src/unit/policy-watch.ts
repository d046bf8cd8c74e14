import type { PolicyBook } from '../cluster/policy-book.ts';
import type { PublishedPolicy } from '../domain/messages.ts';
import type { Bus, Unsubscribe } from '../ports/bus.ts';

export interface PolicyWatchNeeds {
  readonly bus: Bus;
  /** What the unit works by now. */
  readonly book: Pick<PolicyBook, 'policy' | 'hash' | 'version'>;
  memberUnitIds(): readonly string[];
  /** A member works by another policy of the same version: the keys that differ, none when only their hashes do. */
  differs(unitId: string, policyHash: string, keys: readonly string[]): void;
  /** Most others work by one policy and this unit by another: it only watches, until they agree. */
  outvoted(keys: readonly string[]): void;
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
 * Who of the cluster works by another policy (RULE-15, control.md D18): looked at whenever somebody says by which one.
 * No deal is made with such a unit, because limits, voltages and deadlines of the two sides would not be the same. Who
 * is alone against a majority of one mind only watches.
 */
export class PolicyWatch {
  readonly #needs: PolicyWatchNeeds;
  readonly #hashes = new Map<string, string>();
  /** That this unit is outvoted has been said. */
  #isTold = false;

  constructor(needs: PolicyWatchNeeds) {
    this.#needs = needs;
  }

  /** Listens until the returned function is called. */
  start(): Unsubscribe {
    const { bus } = this.#needs;
    const ends = [
      bus.listen('policy', ({ envelope: { sender, body } }) => {
        if (!this.#isOther(sender)) return; // INV-11
        this.#note(sender, body.hash);
        this.#tell(sender, body);
      }),
      bus.listen('birth', ({ envelope: { sender, body } }) => {
        if (this.#isOther(sender)) this.#note(sender, body.policyHash); // INV-11
      }),
    ];
    return () => {
      for (const end of ends) end();
    };
  }

  /** Does the unit work by the same policy, as far as anybody knows? */
  isSame(unitId: string): boolean {
    return (this.#hashes.get(unitId) ?? this.#needs.book.hash()) === this.#needs.book.hash();
  }

  /** More than half of the members work by one policy, and this unit by another one. */
  get isOutvoted(): boolean {
    const { book, memberUnitIds } = this.#needs;
    const half = memberUnitIds().length / 2;
    const others = [...this.#hashes.values()].filter((hash) => hash !== book.hash());
    return others.length > half && others.some((hash) => others.filter((one) => one === hash).length > half);
  }

  #isOther(unitId: string): boolean {
    return unitId !== this.#needs.bus.unitId && this.#needs.memberUnitIds().includes(unitId);
  }

  #note(unitId: string, hash: string): void {
    const differed = !this.isSame(unitId);
    this.#hashes.set(unitId, hash);
    if (differed && this.isSame(unitId)) this.#needs.agrees(unitId);
  }

  /** Of different versions one is on its way: that is no fault. */
  #tell(unitId: string, { hash, policy, version = 0 }: PublishedPolicy): void {
    const { book, differs, outvoted } = this.#needs;
    const wasTold = this.#isTold;
    this.#isTold = this.isOutvoted;
    if (hash === book.hash() || version !== book.version) return;
    const keys = differingKeys(book.policy(), policy);
    differs(unitId, hash, keys);
    if (this.#isTold && !wasTold) outvoted(keys);
  }
}
