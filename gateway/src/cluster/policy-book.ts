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
  async stage(entry: PolicyEntry): Promise<void> {
    const page = this.#read(entry);
    const { unitId } = this.#needs;
    if (page.version !== this.version + 1) {
      throw new PeerError(
        'policy.version',
        unitId,
        `${unitId} has version ${this.version}: ${page.version} is not next`,
      );
    }
    if ((this.#staged?.term ?? 0) > page.term) {
      throw new PeerError('policy.staged-later', unitId, `${unitId} has staged another policy in a later term`);
    }
    await this.#save(this.#active, page);
  }

  /** Works by this policy from now on, durably; false when it does so already. @throws as `stage` */
  async activate(entry: PolicyEntry): Promise<boolean> {
    const page = this.#read(entry);
    if (page.version <= this.version) return false;
    await this.#save(page, (this.#staged?.version ?? 0) > page.version ? this.#staged : undefined);
    this.#needs.log.info({ version: page.version, hash: page.hash }, 'policy.activated');
    return true;
  }

  #read(entry: PolicyEntry): Page {
    const { unitId, hashOf, parse } = this.#needs;
    const policy = parse(entry.policy);
    const refuse = (reason: string, message: string): never => {
      throw new PeerError(reason, unitId, message);
    };
    const hash = hashOf(policy);
    if (hash !== entry.hash) refuse('policy.garbled', `the policy comes to ${hash}, expected ${entry.hash}`);
    const members = [policy, this.policy()].map(({ memberUnitIds }) => [...memberUnitIds].sort().join(', '));
    if (members[0] !== members[1]) {
      refuse(
        'policy.members-differ',
        `memberUnitIds: expected ${members[1]}, got ${members[0]}: they change at a restart`,
      );
    }
    return { version: entry.version, term: entry.term, hash, policy };
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
