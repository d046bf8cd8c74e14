import type { ElectionState } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Bus, Unsubscribe } from '../ports/bus.ts';
import type { Cancel, Clock } from '../ports/clock.ts';
import { CATCH_UP_MSEC, Standstill } from './standstill.ts';

/** A member is alive while its last beacon is younger than this (cluster-safety.md, "Words"). */
export const ALIVE_MSEC: Milliseconds = 1_000;

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
  readonly #standstill = new Standstill();
  readonly #caughtUpHandlers = new Set<() => void>();
  #cancelCatchUp: Cancel = () => {};

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
      if (this.#standstill.noteAwake(member.heardAt)) this.#catchUp();
      this.#heard.set(unitId, member);
      for (const handle of this.#handlers) handle(member);
    });
    const vanished = bus.onVanished?.((unitId, session) => this.#vanish(unitId, session));
    this.#unsubscribe = vanished === undefined ? [heard] : [heard, vanished];
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#cancelCatchUp();
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

  /** Calls `handle` when whoever stayed silent while this process stood still has had the time to be heard. */
  onCaughtUp(handle: () => void): Unsubscribe {
    this.#caughtUpHandlers.add(handle);
    return () => this.#caughtUpHandlers.delete(handle);
  }

  /** To be called with every heartbeat of this process; the next one is due after `nextMsec`. */
  beat(nextMsec: Milliseconds): void {
    if (this.#standstill.beat(this.#needs.clock.monotonic(), nextMsec)) this.#catchUp();
  }

  /** By when what this process has said since it last stood still must have come back to it. */
  get echoesBy(): Milliseconds {
    return this.#standstill.echoesBy;
  }

  isAlive(unitId: string): boolean {
    return this.#isAliveAt(unitId, this.#silenceCountsTo());
  }

  #silenceCountsTo(): Milliseconds {
    return this.#standstill.silenceCountsTo(this.#needs.clock.monotonic());
  }

  #isAliveAt(unitId: string, now: Milliseconds): boolean {
    if (unitId === this.#needs.bus.unitId) return true;
    const member = this.#heard.get(unitId);
    return member !== undefined && now - member.heardAt < ALIVE_MSEC;
  }

  /** A timer that is to tell a silence may have run out in between, and nobody else looks. */
  #catchUp(): void {
    this.#cancelCatchUp();
    this.#cancelCatchUp = this.#needs.clock.after(CATCH_UP_MSEC + 1, () => {
      for (const handle of this.#caughtUpHandlers) handle();
    });
  }

  /** Members that are alive, this unit included, in the policy's order. */
  alive(): readonly string[] {
    const now = this.#silenceCountsTo();
    return this.#needs.memberUnitIds().filter((unitId) => this.#isAliveAt(unitId, now));
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
