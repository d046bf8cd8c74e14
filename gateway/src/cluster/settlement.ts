import { type Deal, isActivated, isDeactivated, isNewerCopy } from '../domain/deal.ts';
import { messageOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { formatTimestamp, NEVER } from '../domain/timestamp.ts';
import type { Bus, Unsubscribe } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { DealJournal } from './deal-journal.ts';
import type { Members } from './members.ts';
import type { Presence } from './presence.ts';
import { FINISHED_STAYS_MSEC, NO_COPY_MSEC, RETIRED_MSEC, Silences } from './silences.ts';

export interface SettlementNeeds {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly journal: DealJournal;
  readonly members: Members;
  readonly presence: Presence;
}

/** A copy counts only while the process that said it lives. */
interface PeerCopy {
  readonly session: string;
  readonly deal: Deal;
}

/**
 * Brings the two parties of a deal to the same end, by what they publish (RULE-13, RULE-14): a younger finished record
 * replaces the own one, a finished record stays until the other party shows it too, and a deal of which the other party
 * knows nothing ends.
 */
export class Settlement {
  readonly #needs: SettlementNeeds;
  readonly #copies = new Map<string, PeerCopy>();
  readonly #silences: Silences;
  readonly #settledAt = new Map<string, Milliseconds>();
  #unsubscribe: Unsubscribe = () => {};

  constructor(needs: SettlementNeeds) {
    this.#needs = needs;
    this.#silences = new Silences(needs.presence, needs.clock);
  }

  /** Of how many deals a copy of the other party is kept. */
  get copies(): number {
    return this.#copies.size;
  }

  start(): void {
    this.#unsubscribe = this.#needs.bus.listen('deal', ({ envelope: { sender, session, body } }) => {
      if (sender !== this.#peerOf(body)) return; // INV-11: only the other party speaks of it
      this.#copies.set(body.dealId, { session, deal: body });
      this.#consider(body);
    });
  }

  stop(): void {
    this.#unsubscribe();
  }

  /** To be called with every heartbeat, after `Presence.note`. */
  look(): void {
    const { journal } = this.#needs;
    for (const deal of journal.finished()) this.#settle(deal);
    for (const deal of journal.open()) {
      const copy = this.#copyOf(deal);
      if (copy !== undefined) this.#consider(copy);
      else if (!isActivated(deal) && this.#hasNoCopy(deal)) this.#end(deal);
    }
    for (const { deal } of this.#copies.values()) if (this.#isLeftOver(deal)) this.#forget(deal);
  }

  /** The other party; nobody's id for a deal of others. */
  #peerOf({ requestUnitId, acceptUnitId }: Deal): string {
    const own = this.#needs.bus.unitId;
    if (own === requestUnitId) return acceptUnitId;
    return own === acceptUnitId ? requestUnitId : '';
  }

  /** RULE-13: what ended at the other party, in a younger record, has ended here. */
  #consider(copy: Deal): void {
    const own = this.#needs.journal.get(copy.dealId);
    if (own !== undefined && isDeactivated(copy) && isNewerCopy(copy, own)) this.#put(copy, 'deal.adopted');
  }

  /** A finished record leaves when the other party has shown the same one, or has left it already. */
  #settle(deal: Deal): void {
    const copy = this.#copyOf(deal);
    const isSame = copy !== undefined && isDeactivated(copy) && !isNewerCopy(copy, deal) && !isNewerCopy(deal, copy);
    if (!isSame && !this.#hasNoCopy(deal)) return;
    const now = this.#needs.clock.monotonic();
    const since = this.#settledAt.get(deal.dealId) ?? now;
    this.#settledAt.set(deal.dealId, since);
    if (now - since < FINISHED_STAYS_MSEC) return;
    this.#settledAt.delete(deal.dealId);
    this.#forget(deal);
    this.#needs.journal.retire(deal.dealId).catch((error: unknown) => this.#failed(deal, error));
  }

  /** RULE-14: half a deal holds no slot; should the other party have it after all, it ends there as well. */
  #end(deal: Deal): void {
    const { clock } = this.#needs;
    const at = formatTimestamp(clock.now(), clock.zoneOffsetMinutes());
    const reason = `deal.half : ${this.#peerOf(deal)} has no copy of it`;
    this.#put(
      {
        ...deal,
        revision: deal.revision + 1,
        activateDateTime: NEVER,
        startDateTime: NEVER,
        stopDateTime: NEVER,
        deactivateDateTime: NEVER,
        abortDateTime: at,
        abortReason: reason,
        abort: [...(deal.abort ?? []), { dateTime: at, reason }],
      },
      'deal.half-ended',
    );
  }

  #put(deal: Deal, event: string): void {
    this.#needs.log.info({ dealId: deal.dealId, term: deal.term, revision: deal.revision }, event);
    this.#needs.journal.put(deal).catch((error: unknown) => this.#failed(deal, error));
  }

  /** Tried again with the next heartbeat. */
  #failed({ dealId }: Deal, error: unknown): void {
    this.#needs.log.error({ dealId, message: messageOf(error) }, 'deal.not-settled');
  }

  /** The other party's copy as its present process said it. */
  #copyOf(deal: Deal): Deal | undefined {
    const copy = this.#copies.get(deal.dealId);
    const session = this.#needs.members.get(this.#peerOf(deal))?.state.session;
    return copy?.session === session ? copy?.deal : undefined;
  }

  /** The other party is alive, and has been without a copy for long enough while this unit looked. */
  #hasNoCopy(deal: Deal): boolean {
    if (this.#copyOf(deal) === undefined)
      return this.#silences.hasLasted(deal.dealId, this.#peerOf(deal), NO_COPY_MSEC);
    this.#silences.end(deal.dealId);
    return false;
  }

  /**
   * Said once more after this unit has retired its own record, as when a connection is renewed. Not at once: the own
   * record of a deal may still be on its way to the disk.
   */
  #isLeftOver(copy: Deal): boolean {
    const isUnknown = isDeactivated(copy) && this.#needs.journal.get(copy.dealId) === undefined;
    return isUnknown && this.#silences.hasLasted(copy.dealId, this.#peerOf(copy), RETIRED_MSEC);
  }

  #forget({ dealId }: Deal): void {
    this.#silences.end(dealId);
    this.#copies.delete(dealId);
  }
}
