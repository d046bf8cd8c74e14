import type { Bus, Unsubscribe } from '../ports/bus.ts';

export interface PolicyWatchNeeds {
  readonly bus: Bus;
  /** What the own policy comes to. */
  readonly policyHash: string;
  isMember(unitId: string): boolean;
  /** A member works by another policy. */
  differs(unitId: string, policyHash: string): void;
  /** A member that did works by the same one now. */
  agrees(unitId: string): void;
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
    const { bus, policyHash, isMember, differs, agrees } = this.#needs;
    return bus.listen('birth', ({ envelope }) => {
      const { sender, body } = envelope;
      if (!isMember(sender)) return; // INV-11
      if (body.policyHash !== policyHash) {
        this.#others.add(sender);
        differs(sender, body.policyHash);
      } else if (this.#others.delete(sender)) agrees(sender);
    });
  }

  /** Does the unit work by the same policy, as far as anybody knows? */
  isSame(unitId: string): boolean {
    return !this.#others.has(unitId);
  }
}
