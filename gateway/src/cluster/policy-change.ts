import { isDeactivated } from '../domain/deal.ts';
import { messageOf, PeerError } from '../domain/errors.ts';
import type { CommandBody, PolicyEntry, PolicyPages, PublishedPolicy } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Community } from './community.ts';
import type { Election } from './election.ts';
import type { Members } from './members.ts';
import type { PolicyBook } from './policy-book.ts';
import type { Requests } from './requests.ts';

const ANSWER_MSEC: Milliseconds = 2_000;
/** How soon a change that another grid master has left half done is looked at again. */
const RETRY_MSEC: Milliseconds = 2_000;

export interface PolicyChangeNeeds {
  readonly unitId: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly book: PolicyBook;
  readonly election: Pick<Election, 'isLeading' | 'term' | 'gridMasterUnitId'>;
  readonly members: Pick<Members, 'alive' | 'majority'>;
  readonly requests: Pick<Requests, 'ask'>;
  readonly community: Pick<Community, 'deals'>;
  /** No deal of this unit is open or promised, and its converter rests. */
  isFree(): boolean;
}

/**
 * Brings one new policy to all units (RULE-15). The grid master asks a majority what they have staged, stages what may
 * already be decided there or else the new one, and works by it itself once a majority has staged it and no deal is
 * open; the others follow its word as soon as they are free. Who has staged a policy makes no new deal, so that moment
 * comes. A policy that a majority has staged is carried to its end by every later grid master; one that was not, changes
 * nothing. Deals between units of different versions are impossible meanwhile, because their hashes differ.
 */
export class PolicyChange {
  readonly #needs: PolicyChangeNeeds;
  /** What others have published last. */
  readonly #heard = new Map<string, PublishedPolicy>();
  /** The term in which a majority has staged for this grid master. */
  #decidedIn: number | undefined;
  #work: Promise<void> | undefined;
  #adopting = false;
  #notBefore: Milliseconds = 0;

  constructor(needs: PolicyChangeNeeds) {
    this.#needs = needs;
  }

  /** While true no deal is begun here. */
  get isUnderWay(): boolean {
    return this.#adopting || this.#needs.book.staged !== undefined;
  }

  /**
   * An operator's policy, at the grid master: resolves when it is certain to come.
   * @throws PeerError when it is not, or another one comes first
   */
  async propose(policy: object, hash: string): Promise<void> {
    const { book, unitId } = this.#needs;
    if (this.#work !== undefined) throw new PeerError('policy.changing', unitId, 'another policy is being staged');
    if (hash === book.hash() && book.staged === undefined) return;
    await this.#alone(() => this.#drive({ version: book.version + 1, term: 0, hash, policy }));
  }

  /** A member's published policy. */
  hear(sender: string, said: PublishedPolicy): void {
    this.#heard.set(sender, said);
    this.look();
  }

  /** Called with each heartbeat and whenever something may have become possible. */
  look(): void {
    const { clock, election, log } = this.#needs;
    if (this.#work !== undefined || clock.monotonic() < this.#notBefore) return;
    const failed = (error: unknown): void => {
      this.#notBefore = clock.monotonic() + RETRY_MSEC;
      log.warn({ message: messageOf(error) }, 'policy.not-changed');
    };
    if (!election.isLeading) {
      const said = this.#toAdopt();
      if (said !== undefined) this.#take(said).catch(failed);
    } else if (this.#isDecided) this.#activate().catch(failed);
    else if (this.#isLeftOver()) this.#alone(() => this.#drive(undefined)).catch(failed);
  }

  get #isDecided(): boolean {
    const { book, election } = this.#needs;
    return book.staged !== undefined && this.#decidedIn === election.term;
  }

  /** Somebody has staged a policy, or has a later one: a former grid master may have decided it. */
  #isLeftOver(): boolean {
    const { book, members } = this.#needs;
    const news = members.alive().flatMap((unitId) => this.#heard.get(unitId) ?? []);
    const isLater = (version = 0): boolean => version > book.version;
    return book.staged !== undefined || news.some((one) => isLater(one.version) || isLater(one.staged?.version));
  }

  async #alone(work: () => Promise<void>): Promise<void> {
    this.#work = work();
    try {
      await this.#work;
    } finally {
      this.#work = undefined;
    }
  }

  async #drive(wanted: PolicyEntry | undefined): Promise<void> {
    const { book, election, log, unitId } = this.#needs;
    const { term } = election;
    const answers = await this.#askAll({ kind: 'policy.ask' }, term);
    const pages = [book.pages(), ...answers.flatMap(({ policies }) => policies ?? [])];
    this.#demandMajority(pages.length, term);
    const latest = pages.reduce((best, page) => (page.active.version > best.active.version ? page : best));
    if (latest.active.version > book.version) {
      await this.#take(latest.active);
      throw new PeerError('policy.version', unitId, `version ${latest.active.version} is active already: try again`);
    }
    const former = mayBeDecided(pages, book.version + 1);
    const next = former ?? wanted;
    if (next === undefined) return;
    await book.stage({ ...next, term });
    const staged = await this.#askAll({ kind: 'policy.stage', entry: { ...next, term } }, term);
    this.#demandMajority(staged.length + 1, term);
    this.#decidedIn = term;
    log.info({ version: next.version, hash: next.hash, term }, 'policy.staged');
    if (wanted !== undefined && next.hash !== wanted.hash) {
      throw new PeerError('policy.another-first', unitId, `policy ${next.hash} was staged before and comes first`);
    }
  }

  async #askAll(body: CommandBody, term: number): Promise<readonly { readonly policies?: PolicyPages }[]> {
    const { members, requests, unitId } = this.#needs;
    const others = members.alive().filter((id) => id !== unitId);
    const answers = await Promise.allSettled(others.map((id) => requests.ask(id, body, ANSWER_MSEC, term)));
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  }

  #demandMajority(count: number, term: number): void {
    const { election, members, unitId } = this.#needs;
    if (!election.isLeading || election.term !== term) {
      throw new PeerError('grid-master.elsewhere', unitId, `${unitId} is not the grid master any more`);
    }
    if (count < members.majority()) {
      throw new PeerError(
        'policy.no-majority',
        unitId,
        `${count} units have answered, a majority is ${members.majority()}`,
      );
    }
  }

  /** The grid master goes first, at a moment without any deal. */
  async #activate(): Promise<void> {
    const { book, community } = this.#needs;
    const isQuiet = community.deals().every(({ deal }) => isDeactivated(deal));
    if (isQuiet && book.staged !== undefined) await this.#take(book.staged);
  }

  /** The others follow the grid master whom they obey. */
  #toAdopt(): PolicyEntry | undefined {
    const { book, election } = this.#needs;
    const said = this.#heard.get(election.gridMasterUnitId ?? '');
    const { version = 0 } = said ?? {};
    if (said === undefined || version <= book.version) return undefined;
    return { version, term: 0, hash: said.hash, policy: said.policy };
  }

  async #take(entry: PolicyEntry): Promise<void> {
    if (this.#adopting || !this.#needs.isFree()) return;
    this.#adopting = true;
    try {
      await this.#needs.book.activate(entry);
    } finally {
      this.#adopting = false;
    }
  }
}

/** Of what was staged for a version that of the youngest term: it alone can have been staged by a majority. */
function mayBeDecided(pages: readonly PolicyPages[], version: number): PolicyEntry | undefined {
  const staged = pages.flatMap((page) => (page.staged?.version === version ? [page.staged] : []));
  return staged.reduce<PolicyEntry | undefined>(
    (best, one) => (best === undefined || one.term > best.term ? one : best),
    undefined,
  );
}
