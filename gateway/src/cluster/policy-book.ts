import type { Policy } from '../config/policy.ts';
import { messageOf, PeerError } from '../domain/errors.ts';
import type { PolicyEntry, PolicyPages } from '../domain/messages.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';

const KEY = 'policy';

export interface PolicyBookNeeds {
  readonly unitId: string;
  readonly store: Store;
  readonly log: Log;
  /** The unit's own file: version 0, until the cluster has activated another one. */
  fromFile(): Policy;
  hashOf(policy: Policy): string;
  /** @throws ConfigError for what is no policy */
  parse(value: object): Policy;
  /** Another policy is active or staged now. */
  changed(): void;
}

interface Page extends PolicyEntry {
  readonly policy: Policy;
}

/**
 * The numbered policies of a unit (RULE-15): the one it works by, and the one it has promised to accept next. Both are
 * durable before anybody is told; of two staged ones that of the younger term stands, so that what a majority has
 * staged is found by every later grid master.
 */
export class PolicyBook {
  readonly #needs: PolicyBookNeeds;
  #active: Page | undefined;
  #staged: Page | undefined;
  #turn: Promise<void> = Promise.resolve();
  /** Of the file: asked for with every decision. */
  #hashed: { readonly policy: Policy; readonly hash: string } | undefined;

  constructor(needs: PolicyBookNeeds) {
    this.#needs = needs;
  }

  /** Takes up what the last process left; a page that is a policy no more is left out, and the file counts. */
  async load(): Promise<void> {
    const saved = (await this.#needs.store.load(KEY)) as PolicyPages | undefined; // only `#save` writes it
    this.#active = this.#readAgain(saved?.active);
    this.#staged = this.#readAgain(saved?.staged);
  }

  policy(): Policy {
    return this.#active?.policy ?? this.#needs.fromFile();
  }

  get version(): number {
    return this.#active?.version ?? 0;
  }

  hash(): string {
    return this.#active?.hash ?? this.#fileHash();
  }

  #fileHash(): string {
    const policy = this.#needs.fromFile();
    if (this.#hashed?.policy !== policy) this.#hashed = { policy, hash: this.#needs.hashOf(policy) };
    return this.#hashed.hash;
  }

  get staged(): PolicyEntry | undefined {
    return this.#staged;
  }

  /** For a grid master that asks. */
  pages(): PolicyPages {
    return {
      active: { version: this.version, term: this.#active?.term ?? 0, hash: this.hash(), policy: this.policy() },
      ...(this.#staged === undefined ? {} : { staged: this.#staged }),
    };
  }

  /**
   * Promises, durably, to accept this policy as the next one.
   * @throws PeerError when it is not the next one here, or not to be had without a restart; ConfigError when it is none
   */
  stage(entry: PolicyEntry): Promise<void> {
    return this.#inTurn(async () => {
      const page = this.#read(entry);
      const { unitId } = this.#needs;
      if (page.version !== this.version + 1) {
        const message = `${unitId} has version ${this.version}: ${page.version} is not next`;
        throw new PeerError('policy.version', unitId, message);
      }
      if ((this.#staged?.term ?? 0) > page.term) {
        throw new PeerError('policy.staged-later', unitId, `${unitId} has staged another policy in a later term`);
      }
      await this.#save(this.#active, page);
    });
  }

  /** Works by this policy from now on, durably; changes nothing when it is past that already. @throws as `stage` */
  activate(entry: PolicyEntry): Promise<void> {
    return this.#inTurn(async () => {
      const page = this.#read(entry);
      if (page.version <= this.version) return;
      await this.#save(page, (this.#staged?.version ?? 0) > page.version ? this.#staged : undefined);
      this.#needs.log.info({ version: page.version, hash: page.hash }, 'policy.activated');
    });
  }

  /**
   * The policy in what somebody gives, if this cluster can take it over.
   * @throws ConfigError when it is none, PeerError when its members are others
   */
  check(value: object): Policy {
    const { unitId, parse } = this.#needs;
    const policy = parse(value);
    const [got, expected] = [policy, this.policy()].map(({ memberUnitIds }) => [...memberUnitIds].sort().join(', '));
    if (got === expected) return policy;
    const message = `memberUnitIds: expected ${expected}, got ${got}: members change only at a restart`;
    throw new PeerError('policy.members-differ', unitId, message);
  }

  /** One change after the other: each begins from what the one before has made durable. */
  async #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(change);
    this.#turn = turn.catch(() => {}); // told to whoever asked for it
    await turn;
  }

  #read(entry: PolicyEntry): Page {
    const { unitId, hashOf } = this.#needs;
    const policy = this.check(entry.policy);
    const hash = hashOf(policy);
    if (hash === entry.hash) return { version: entry.version, term: entry.term, hash, policy };
    throw new PeerError('policy.garbled', unitId, `the policy comes to ${hash}, expected ${entry.hash}`);
  }

  #readAgain(entry: PolicyEntry | undefined): Page | undefined {
    try {
      return entry && this.#read(entry);
    } catch (error) {
      this.#needs.log.error({ version: entry?.version, message: messageOf(error) }, 'policy.page-lost');
      return undefined;
    }
  }

  async #save(active: Page | undefined, staged: Page | undefined): Promise<void> {
    await this.#needs.store.save(KEY, {
      ...(active === undefined ? {} : { active }),
      ...(staged === undefined ? {} : { staged }),
    });
    this.#active = active;
    this.#staged = staged;
    this.#needs.changed();
  }
}
