import type { Community } from '../cluster/community.ts';
import type { Election } from '../cluster/election.ts';
import type { Members } from '../cluster/members.ts';
import type { PolicyBook } from '../cluster/policy-book.ts';
import { PolicyChange } from '../cluster/policy-change.ts';
import type { Requests } from '../cluster/requests.ts';
import { parseConfig } from '../config/load.ts';
import type { Policy } from '../config/policy.ts';
import type { FaultInput } from '../domain/fault.ts';
import type { Refusal } from '../domain/trade.ts';
import type { Bus, Unsubscribe } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import { PolicyWatch } from './policy-watch.ts';

export interface PolicyDeskNeeds {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly book: PolicyBook;
  readonly election: Election;
  readonly members: Members;
  readonly requests: Requests;
  readonly community: Community;
  hashOf(policy: Policy): string;
  /** Nothing of this unit is bound to the present policy. */
  isFree(): boolean;
  raise(fault: FaultInput): void;
  /** Something has changed that may make a deal possible. */
  evaluate(why: string): void;
}

/** @throws ConfigError for what is no policy (INV-11) */
export const readPolicy = (value: object): Policy => parseConfig('policy', JSON.stringify(value), 'policy').value;

/**
 * The part of a unit in the one policy of its cluster (RULE-15): publishes its own, looks at those of others, takes part
 * in a change, and says why no deal can come to be meanwhile.
 */
export class PolicyDesk {
  readonly #needs: PolicyDeskNeeds;
  readonly #watch: PolicyWatch;
  readonly #change: PolicyChange;

  constructor(needs: PolicyDeskNeeds) {
    this.#needs = needs;
    this.#watch = new PolicyWatch({
      ...needs,
      memberUnitIds: () => this.#memberUnitIds(),
      differs: (unitId, hash, keys) => this.#differs(unitId, hash, keys),
      outvoted: (keys) =>
        this.#warn(
          'policy.observer',
          `most others work by another policy (${keys.join(', ')} differ): this unit only watches`,
        ),
      agrees: () => needs.evaluate('policy.agrees'),
    });
    this.#change = new PolicyChange({ ...needs, unitId: needs.bus.unitId });
  }

  /** Looks at the policies of others until the returned function is called. */
  start(): Unsubscribe {
    return this.#watch.start();
  }

  /** Takes part in changes until the returned function is called. */
  takePart(): Unsubscribe {
    return this.#needs.bus.listen('policy', ({ envelope: { sender, body } }) => {
      if (this.#memberUnitIds().includes(sender)) this.#change.hear(sender, body); // INV-11
    });
  }

  /** To be called with every heartbeat. */
  look(): void {
    this.#change.look();
  }

  /** More than half of the members work by one policy, and this unit by another one: it only watches. */
  get isOutvoted(): boolean {
    return this.#watch.isOutvoted;
  }

  publish(): void {
    const { book, bus } = this.#needs;
    const { staged, version } = book;
    bus.publish('policy', '', {
      hash: book.hash(),
      policy: book.policy(),
      version,
      ...(staged === undefined ? {} : { staged: { version: staged.version, term: staged.term, hash: staged.hash } }),
    });
  }

  /** An operator's policy, at the grid master; as `PolicyChange.propose`. @throws ConfigError for what is no policy */
  async propose(value: object): Promise<void> {
    const next = this.#needs.book.check(value);
    await this.#change.propose(next, this.#needs.hashOf(next));
  }

  /** Why no deal with a peer can come to be, as far as policies go. */
  obstacleWith(unitId: string): Refusal | undefined {
    if (this.#change.isUnderWay) return { reason: 'policy.changing', numbers: { version: this.#needs.book.version } };
    if (this.isOutvoted) return { reason: 'policy.observer', numbers: {} };
    return this.#watch.isSame(unitId) ? undefined : { reason: 'policy.differs', numbers: { unitId } };
  }

  #memberUnitIds(): readonly string[] {
    return this.#needs.book.policy().memberUnitIds;
  }

  #differs(unitId: string, theirs: string, keys: readonly string[]): void {
    const how = keys.length > 0 ? `${keys.join(', ')} differ` : `${theirs}, here ${this.#needs.book.hash()}`;
    this.#warn('policy.differs', `${unitId} works by another policy (${how}): no deals with it`);
  }

  #warn(reason: string, message: string): void {
    this.#needs.raise({ category: 'USER', extent: 'LOCAL', level: 'WARN', reason, message });
  }
}
