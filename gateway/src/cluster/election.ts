import { messageOf } from '../domain/errors.ts';
import type { ElectionState, GridState } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { type Clock, sleep } from '../ports/clock.ts';
import { Deadline } from '../ports/deadline.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { Log } from '../ports/log.ts';
import type { Member, Members } from './members.ts';
import { SentTimes } from './sent-times.ts';

/** A follower that hears no grid master for a random time in this range stands for election. */
export const ELECTION_TIMEOUT_MSEC = { min: 2_500, max: 4_000 } as const;

/**
 * One whose grid master is known to have ended stands after a random time in this range: long enough for one to be ahead
 * of the others, and for these to have learnt it as well.
 */
export const VACANCY_TIMEOUT_MSEC = { min: 50, max: 250 } as const;

/** A promise that could not be written is written again after so long. */
const SAVE_AGAIN_MSEC: Milliseconds = 1_000;

/** As many as a lease usually has; the echo of an older one renews nothing. */
const REMEMBERED_PASSES = 32;

/** What must outlive the process (RULE-16): no unit votes twice in a term. */
export interface Vow {
  readonly term: number;
  readonly votedFor?: string;
}

export interface ElectionNeeds {
  readonly unitId: string;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  readonly members: Members;
  memberUnitIds(): readonly string[];
  leaseMsec(): Milliseconds;
  /** The unit that founds a cluster and is preferred by strategy `fixed`; default the smallest id. */
  founder(): string;
  /** How long a unit that has forgotten its promises keeps out of elections: one full permit time (RULE-16). */
  permitMsec(): Milliseconds;
  /** Makes the promise durable; it is announced only afterwards. */
  persist(promise: Vow): Promise<void>;
  /** Tells the others (the beacon); called with each change and by every tick. */
  announce(state: Omit<ElectionState, 'session' | 'beacon'>): void;
  /** True while this unit only watches, because most others work by another policy (RULE-15). */
  isObserver?(): boolean;
  /** False while this unit must not stand because of its faults; default always true. */
  mayLead?(): boolean;
  /** How long a leader without a majority stays to stop those whom it still reaches; without end under `quorum: any` (RULE-5). */
  stopMsec?(): Milliseconds;
  /** Called when this leader has lost its majority: it may only stop from now on. */
  quorumLost?(): void;
  /** Called when this unit begins or ceases to lead. */
  lead(leading: boolean, term: number): void;
}

type Role = 'follower' | 'candidate' | 'leader';

/**
 * Leader election by terms and majority votes: Raft's, with pre-vote and check-quorum and without its log
 * (architecture.md §3). Everything a unit has to say stands in its beacon, which is repeated; a lost message
 * therefore delays an election and never breaks it.
 */
export class Election {
  readonly #needs: ElectionNeeds;
  #role: Role = 'follower';
  #term = 0;
  #votedFor: string | undefined;
  #leader: string | undefined;
  #leaderSession: string | undefined;
  #preVoteTerm: number | undefined;
  #grantsPreVoteTo: string | undefined;
  /** Whom this leader asks to take over (RULE-6). */
  #successor: string | undefined;
  #heardGrid: { term: number; pass: number } | undefined;
  #heardLeaderAt: Milliseconds = Number.NEGATIVE_INFINITY;
  readonly #standing: Deadline;
  #quorumLostAt: Milliseconds | undefined;
  /** Without a majority: by when its echoes must have come. */
  #echoesBy: Milliseconds | undefined;
  /** Until then this unit may have forgotten a promise: it neither votes nor stands (RULE-16). */
  #mutedUntil: Milliseconds = 0;
  /** It has never promised anything, as far as its disk tells: a unit of a new cluster. */
  #isNew = false;
  #saved: Promise<void> = Promise.resolve();
  /** The disk does not take the last promise. */
  #isMute = false;
  /** When the `grid` of each pass was sent, for the lease. */
  readonly #sentPasses = new SentTimes(REMEMBERED_PASSES);
  /** When each member provably heard this leader: the sending time of the last `grid` that it echoed. */
  readonly #echoedAt = new Map<string, Milliseconds>();

  constructor(needs: ElectionNeeds) {
    this.#needs = needs;
    this.#standing = new Deadline(needs.clock, () => {
      if (this.#role !== 'leader') this.#askPreVotes();
    });
  }

  get term(): number {
    return this.#term;
  }

  /** The grid master that this unit obeys. */
  get gridMasterUnitId(): string | undefined {
    return this.#leader;
  }

  /** The process of that grid master whose word was obeyed last (RULE-16). */
  get gridMasterSession(): string | undefined {
    return this.#leader === undefined ? undefined : this.#leaderSession;
  }

  get isLeading(): boolean {
    return this.#role === 'leader';
  }

  /** Resolves when all that was promised so far is durable (RULE-3), however long the disk takes. */
  promised(): Promise<void> {
    return this.#saved;
  }

  /**
   * Begins as follower; `promise` is what the last process left, undefined when nothing was; `isOutdated`: it has made a
   * later promise, which is lost (RULE-16).
   */
  start(promise: Vow | undefined, isOutdated = false): void {
    this.#term = promise?.term ?? 0;
    this.#votedFor = promise?.votedFor;
    this.#isNew = promise === undefined && !isOutdated;
    const now = this.#needs.clock.monotonic();
    if (promise === undefined || isOutdated) this.#mutedUntil = now + this.#needs.permitMsec();
    this.#rest();
  }

  /** Called every heartbeat: says the beacon and looks at the deadlines. */
  tick(): void {
    const now = this.#needs.clock.monotonic();
    if (this.#role === 'leader') this.#checkQuorum(now);
    else if (this.#mayFound()) this.#stand();
    this.#countVotes(); // a cluster of one hears nobody
    this.#announce();
  }

  /** A member's beacon. */
  hear(member: Member): void {
    const { unitId, state } = member;
    if (unitId === this.#needs.unitId) return;
    if (state.term > this.#term) this.#follow(state.term);
    if (this.#role === 'leader') this.#noteEcho(unitId, state);
    if (state.successor === this.#needs.unitId) this.#considerSuccession(member);
    if (state.role === 'candidate' && state.term === this.#term) this.#considerVote(unitId);
    if (state.preVoteTerm !== undefined) this.#considerPreVote(unitId, state.preVoteTerm);
    if (this.#mayFound()) this.#stand();
    this.#countVotes();
  }

  /** A grid master's word; false when it is not to be obeyed (INV-6). */
  hearGrid(from: string, grid: GridState): boolean {
    if (grid.term < this.#term || from !== grid.gridMasterUnitId) return false;
    if (grid.term > this.#term) this.#follow(grid.term);
    if (from !== this.#needs.unitId) {
      if (this.#role !== 'follower') this.#becomeFollower();
      this.#heardLeaderAt = this.#needs.clock.monotonic();
      this.#rest();
    }
    const known = this.#leader === from;
    this.#leader = from;
    this.#leaderSession = grid.session;
    this.#heardGrid = { term: grid.term, pass: grid.pass };
    this.#preVoteTerm = undefined;
    if (!known) this.#announce();
    return true;
  }

  /**
   * This member's process has ended (`Members.onVanished`). Its office is vacant at once; who takes it is a matter of
   * votes as ever, and those who do not know yet that it is vacant deny theirs as ever (INV-6).
   */
  vacate(unitId: string): void {
    if (this.#role === 'leader' || this.#leader !== unitId) return;
    this.#heardLeaderAt = Number.NEGATIVE_INFINITY;
    this.#rest(VACANCY_TIMEOUT_MSEC);
  }

  /** The leader notes when it sent a pass, so that an echo of it renews the lease. */
  sentGrid(pass: number): void {
    this.#sentPasses.note(pass, this.#needs.clock.monotonic());
  }

  #leaseBegan(): Milliseconds {
    return this.#needs.clock.monotonic() - this.#needs.leaseMsec();
  }

  #hasHeardUs(unitId: string, since: Milliseconds): boolean {
    return unitId === this.#needs.unitId || (this.#echoedAt.get(unitId) ?? Number.NEGATIVE_INFINITY) > since;
  }

  /** RULE-5: a member that provably heard this leader within the lease; itself is one. */
  isHearer(unitId: string): boolean {
    return this.#needs.memberUnitIds().includes(unitId) && this.#hasHeardUs(unitId, this.#leaseBegan());
  }

  /** A majority provably hears this leader: only then it may grant and raise. */
  get hasQuorum(): boolean {
    const { members, memberUnitIds } = this.#needs;
    const since = this.#leaseBegan();
    let hearers = 0;
    for (const unitId of memberUnitIds()) if (this.#hasHeardUs(unitId, since)) hearers += 1;
    return hearers >= members.majority();
  }

  /** RULE-6: this leader, which has stopped granting, asks a unit to stand for the next term; undefined takes it back. */
  offer(successor: string | undefined): void {
    if (this.#role !== 'leader') return;
    this.#successor = successor;
    this.#announce();
  }

  /** Gives leadership or candidacy up and stays in the cluster; whether it stands again is for `mayLead` to say. */
  stepDown(): void {
    if (this.#role === 'follower') return;
    this.#becomeFollower();
    this.#announce();
  }

  /** Takes no further part, at the end of the process. */
  resign(): void {
    if (this.#role === 'leader') this.#becomeFollower();
    this.#standing.cancel();
  }

  /** Starts waiting anew: after a random time without a grid master this unit stands. */
  #rest({ min, max }: { readonly min: Milliseconds; readonly max: Milliseconds } = ELECTION_TIMEOUT_MSEC): void {
    const { clock, entropy } = this.#needs;
    const muted = Math.max(0, this.#mutedUntil - clock.monotonic());
    this.#standing.in(muted + min + (max - min) * entropy.next());
  }

  /** RULE-5: without a majority a leader orders everybody to stop, and gives its office up when they had the time to. */
  #checkQuorum(now: Milliseconds): void {
    if (this.hasQuorum) {
      this.#quorumLostAt = undefined;
      this.#echoesBy = undefined;
      return;
    }
    // Its own standstill may have used up the lease. Nothing is granted; whether anybody hears it yet, the echoes tell,
    // which are waited for once: other standstills may follow.
    this.#echoesBy ??= this.#needs.members.echoesBy;
    if (now < this.#echoesBy) return;
    if (this.#quorumLostAt === undefined) {
      this.#needs.log.warn({ term: this.#term, at: now }, 'election.quorum-lost');
      this.#quorumLostAt = now;
      this.#needs.quorumLost?.();
    }
    if (now - this.#quorumLostAt >= (this.#needs.stopMsec?.() ?? 0)) this.#becomeFollower();
  }

  /**
   * Everybody is here and nobody leads: no permit of an older term can be alive, because its
   * granter would be among us. So a new cluster need not wait for time-outs, and the founder stands at once.
   */
  #everybodyLeaderless(): boolean {
    const { members, unitId } = this.#needs;
    return this.#needs.memberUnitIds().every((id) => {
      if (id === unitId) return this.#leader === undefined;
      const state = members.isAlive(id) ? members.get(id)?.state : undefined;
      return state !== undefined && state.gridMasterUnitId === undefined && state.role !== 'leader';
    });
  }

  #mayFound(): boolean {
    if (this.#role !== 'follower' || this.#leader !== undefined || !this.#mayLead()) return false;
    const { founder, unitId } = this.#needs;
    return founder() === unitId && this.#everybodyLeaderless() && this.#keepsPromises() && !this.#somebodyStands();
  }

  /** RULE-16: it remembers all its promises, or those that it may have forgotten bind nobody any more. */
  #keepsPromises(): boolean {
    return this.#needs.clock.monotonic() >= this.#mutedUntil || (this.#isNew && this.#everybodyLeaderless());
  }

  #mayLead(): boolean {
    return this.#needs.mayLead?.() ?? true;
  }

  #somebodyStands(): boolean {
    const { members } = this.#needs;
    return members.alive().some((id) => members.get(id)?.state.role === 'candidate');
  }

  #askPreVotes(): void {
    if (this.#role === 'candidate') this.#becomeFollower();
    this.#rest();
    this.#preVoteTerm = this.#mayLead() ? this.#term + 1 : undefined;
    this.#grantsPreVoteTo = undefined;
    this.#leader = undefined;
    this.#announce();
  }

  #stand(): void {
    this.#role = 'candidate';
    this.#preVoteTerm = undefined;
    this.#leader = undefined;
    this.#promise(this.#term + 1, this.#needs.unitId);
    this.#rest();
    this.#needs.log.info({ term: this.#term }, 'election.standing');
  }

  /** The grid master itself wants it, so nobody is asked beforehand; the vote decides as ever. */
  #considerSuccession({ unitId, state }: Member): void {
    const { clock, log } = this.#needs;
    const isOurs = state.role === 'leader' && state.term === this.#term && this.#leader === unitId;
    if (!isOurs || this.#role !== 'follower' || !this.#mayLead() || clock.monotonic() < this.#mutedUntil) return;
    log.info({ from: unitId }, 'election.succeeding');
    this.#stand();
  }

  #considerVote(candidate: string): void {
    const free = this.#votedFor === undefined && this.#role === 'follower';
    if (!free || !this.#keepsPromises()) return;
    this.#promise(this.#term, candidate);
    this.#rest();
  }

  /**
   * A unit that still hears a grid master keeps it, so a unit that was cut off disturbs nobody on its return. Of
   * two units that ask at the same time the smaller id goes ahead: no votes are split, even between an even number.
   */
  #considerPreVote(candidate: string, term: number): void {
    const now = this.#needs.clock.monotonic();
    const hearsLeader = this.#role === 'leader' || now - this.#heardLeaderAt < ELECTION_TIMEOUT_MSEC.min;
    const goesAhead = this.#preVoteTerm !== undefined && this.#needs.unitId < candidate;
    const grants = !hearsLeader && !goesAhead && term > this.#term && now >= this.#mutedUntil;
    if (grants === (this.#grantsPreVoteTo === candidate)) return;
    this.#grantsPreVoteTo = grants ? candidate : undefined;
    if (grants) {
      this.#preVoteTerm = undefined;
      this.#rest();
    }
    this.#announce();
  }

  #countVotes(): void {
    if (this.#preVoteTerm === undefined && this.#role !== 'candidate') return; // nobody is asked for one
    const { members, unitId } = this.#needs;
    const supporters = (agrees: (state: ElectionState) => boolean): number =>
      1 + members.alive().filter((id) => id !== unitId && agrees(members.get(id)?.state as ElectionState)).length; // alive means heard
    if (this.#preVoteTerm !== undefined && supporters((s) => s.grantsPreVoteTo === unitId) >= members.majority()) {
      this.#stand();
    }
    if (this.#role !== 'candidate') return;
    const votes = supporters((s) => s.term === this.#term && s.votedFor === unitId);
    if (votes >= members.majority()) this.#win();
  }

  #win(): void {
    const term = this.#term;
    // The own vote counts once it is durable; the term may have moved on meanwhile.
    void this.#saved.then(() => {
      if (this.#role !== 'candidate' || this.#term !== term) return;
      this.#role = 'leader';
      this.#leader = this.#needs.unitId;
      const { members } = this.#needs;
      for (const id of members.alive()) this.#echoedAt.set(id, members.get(id)?.heardAt ?? Number.NEGATIVE_INFINITY);
      this.#needs.log.info({ term }, 'election.won');
      this.#needs.lead(true, term);
      this.#announce();
    });
  }

  #noteEcho(unitId: string, state: ElectionState): void {
    if (state.heardGrid?.term !== this.#term) return;
    const sentAt = this.#sentPasses.at(state.heardGrid.pass);
    if (sentAt !== undefined) this.#echoedAt.set(unitId, sentAt);
  }

  #follow(term: number): void {
    if (this.#role !== 'follower') this.#becomeFollower();
    this.#leader = undefined;
    this.#preVoteTerm = undefined;
    this.#promise(term, undefined);
  }

  #becomeFollower(): void {
    const led = this.#role === 'leader';
    this.#role = 'follower';
    this.#leader = undefined;
    this.#successor = undefined;
    this.#quorumLostAt = undefined;
    this.#echoesBy = undefined;
    this.#echoedAt.clear();
    this.#sentPasses.forget();
    this.#rest();
    if (led) {
      this.#needs.log.info({ term: this.#term }, 'election.stepped-down');
      this.#needs.lead(false, this.#term);
    }
  }

  #promise(term: number, votedFor: string | undefined): void {
    this.#term = term;
    this.#votedFor = votedFor;
    const promise = { term, ...(votedFor === undefined ? {} : { votedFor }) };
    this.#saved = this.#saved.then(() => this.#makeDurable(promise));
    this.#announce();
  }

  /** A disk that does not write leaves the unit silent: what is not durable is not said (INV-7). It is tried again. */
  async #makeDurable(promise: Vow): Promise<void> {
    const { clock, log, persist } = this.#needs;
    for (;;) {
      try {
        await persist(promise);
        this.#isMute = false;
        return;
      } catch (error) {
        this.#isMute = true;
        log.error({ term: promise.term, message: messageOf(error) }, 'election.promise-not-saved');
        await sleep(clock, SAVE_AGAIN_MSEC);
      }
    }
  }

  /**
   * Says the beacon once all promises in it are durable (INV-7): what it says is settled now, because a later promise
   * may be on its way to the disk when this one has arrived there.
   */
  #announce(): void {
    if (this.#isMute) return; // the next heartbeat after the disk has written says it
    const state: Parameters<ElectionNeeds['announce']>[0] = {
      term: this.#term,
      role: this.#role === 'follower' && this.#needs.isObserver?.() === true ? 'observer' : this.#role,
      ...(this.#votedFor === undefined ? {} : { votedFor: this.#votedFor }),
      ...(this.#leader === undefined ? {} : { gridMasterUnitId: this.#leader }),
      ...(this.#preVoteTerm === undefined ? {} : { preVoteTerm: this.#preVoteTerm }),
      ...(this.#grantsPreVoteTo === undefined ? {} : { grantsPreVoteTo: this.#grantsPreVoteTo }),
      ...(this.#successor === undefined ? {} : { successor: this.#successor }),
      ...(this.#heardGrid === undefined ? {} : { heardGrid: this.#heardGrid }),
    };
    void this.#saved.then(() => this.#needs.announce(state));
  }
}
