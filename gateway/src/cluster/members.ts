import type { ElectionState } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Bus, Unsubscribe } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';

/** A member is alive while its last beacon is younger than this (cluster-safety.md, "Words"). */
export const ALIVE_MSEC: Milliseconds = 1_000;

/** A process whose heartbeat is so late has stood still meanwhile, and has heard nobody. */
const STALL_MSEC: Milliseconds = 250;
/** What has arrived while it stood still has been heard so long afterwards. */
const CATCH_UP_MSEC: Milliseconds = 100;

/** What a member said last, and when it was heard here (monotonic). */
export interface Member {
  readonly unitId: string;
  readonly state: ElectionState;
  readonly heardAt: Milliseconds;
}

export interface MembersNeeds {
  readonly bus: Bus;
  readonly clock: Clock;
  /** `policy.memberUnitIds` */
  memberUnitIds(): readonly string[];
}

/**
 * Who of the cluster is there, by their own beacons alone: connections and wills prove nothing. Only that somebody has
 * ended may be known before his silence tells it.
 */
export class Members {
  readonly #needs: MembersNeeds;
  readonly #heard = new Map<string, Member>();
  readonly #handlers = new Set<(member: Member) => void>();
  readonly #vanishedHandlers = new Set<(unitId: string) => void>();
  #unsubscribe: readonly Unsubscribe[] = [];
  /** When this process came to something last, and by when its next heartbeat shows that it does not stand still. */
  #awakeAt: Milliseconds = Number.NEGATIVE_INFINITY;
  #beatsBy: Milliseconds = Number.POSITIVE_INFINITY;
  #periodMsec: Milliseconds = 0;
  /** When it last began to stand still, and until when it hears what has arrived since. */
  #stalledAt: Milliseconds = 0;
  #caughtUpAt: Milliseconds = Number.NEGATIVE_INFINITY;

  constructor(needs: MembersNeeds) {
    this.#needs = needs;
  }

  start(): void {
    const { bus } = this.#needs;
    const heard = bus.listen('election', ({ envelope }) => {
      const unitId = envelope.sender;
      // INV-11: only members count, and a retained beacon of former times is no sign of life.
      if (!this.#needs.memberUnitIds().includes(unitId)) return;
      const before = this.#heard.get(unitId)?.state;
      if (before?.session === envelope.body.session && before.beacon >= envelope.body.beacon) return;
      const member = { unitId, state: envelope.body, heardAt: this.#needs.clock.monotonic() };
      this.#noteAwake(member.heardAt);
      this.#heard.set(unitId, member);
      for (const handle of this.#handlers) handle(member);
    });
    const vanished = bus.onVanished?.((unitId, session) => this.#vanish(unitId, session));
    this.#unsubscribe = vanished === undefined ? [heard] : [heard, vanished];
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  onBeacon(handle: (member: Member) => void): Unsubscribe {
    this.#handlers.add(handle);
    return () => this.#handlers.delete(handle);
  }

  /** Calls `handle` when a member's process is known to have ended: it has ceased to be alive before its second is over. */
  onVanished(handle: (unitId: string) => void): Unsubscribe {
    this.#vanishedHandlers.add(handle);
    return () => this.#vanishedHandlers.delete(handle);
  }

  get(unitId: string): Member | undefined {
    return this.#heard.get(unitId);
  }

  /** To be called with every heartbeat of this process; the next one is due after `nextMsec`. */
  beat(nextMsec: Milliseconds): void {
    const now = this.#needs.clock.monotonic();
    this.#noteAwake(now);
    this.#beatsBy = now + nextMsec + STALL_MSEC;
    this.#periodMsec = nextMsec;
  }

  /**
   * This process has stood still, and whoever is there has not had a heartbeat yet to show that he heard what it has said
   * since: no echo of it can be expected.
   */
  get awaitsEchoes(): boolean {
    const now = this.#needs.clock.monotonic();
    return now > this.#beatsBy || now < this.#caughtUpAt + this.#periodMsec;
  }

  isAlive(unitId: string): boolean {
    if (unitId === this.#needs.bus.unitId) return true;
    const member = this.#heard.get(unitId);
    return member !== undefined && this.#silenceCountsTo() - member.heardAt < ALIVE_MSEC;
  }

  /** Nobody is silent for the time in which this process could not hear him. */
  #silenceCountsTo(): Milliseconds {
    const now = this.#needs.clock.monotonic();
    if (now > this.#beatsBy) return this.#awakeAt;
    return now < this.#caughtUpAt ? this.#stalledAt : now;
  }

  #noteAwake(now: Milliseconds): void {
    if (now > this.#beatsBy) {
      this.#stalledAt = this.#awakeAt;
      this.#caughtUpAt = now + CATCH_UP_MSEC;
    }
    this.#awakeAt = now;
  }

  /** Members that are alive, this unit included, in the policy's order. */
  alive(): readonly string[] {
    return this.#needs.memberUnitIds().filter((unitId) => this.isAlive(unitId));
  }

  /** What it has said stays known; it is alive again with its next beacon, of whatever session. */
  #vanish(unitId: string, session: string): void {
    const member = this.#heard.get(unitId);
    if (member?.state.session !== session) return;
    this.#heard.set(unitId, { ...member, heardAt: Number.NEGATIVE_INFINITY });
    for (const handle of this.#vanishedHandlers) handle(unitId);
  }

  /** More than half of the members. */
  majority(): number {
    return Math.floor(this.#needs.memberUnitIds().length / 2) + 1;
  }
}
