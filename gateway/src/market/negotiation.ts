import type { Deal } from '../domain/deal.ts';
import { InternalError, messageOf, PeerError, reasonOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import { formatTimestamp } from '../domain/timestamp.ts';
import type { Accept, Refusal, Request } from '../domain/trade.ts';
import type { Delivery } from '../ports/bus.ts';
import { withDeadline } from '../ports/clock.ts';
import { AnswerInbox } from './answer-inbox.ts';
import { rankAccepts } from './choose-accept.ts';
import { decideRequest } from './decide.ts';
import { draftDeal } from './draft-deal.ts';
import { openingOf } from './gates.ts';
import { type Outcome, refuse } from './outcome.ts';
import { tieBreakBy } from './tie-break.ts';
import type { TradingDesk } from './trading-desk.ts';
import { NEW_DEAL_STAMP } from './validate-proposal.ts';
import { strategyOf } from './window.ts';

/** Less than this is no time to propose a deal in. */
const SHORTEST_TRY_MSEC: Milliseconds = 50;
/** An answer that has to be journalled first takes so much longer than one that does not, at most. */
const WRITTEN_ANSWER = 2;
/** Refusals after which no second choice is asked: a deal exists already, or may yet come to exist. */
const FINAL: readonly string[] = ['crossing.merged', 'journal.failed'];
const SLOT_TAKEN = 'slots.busy';

interface Proposal {
  readonly deal: Deal;
  /** The other unit's crossing proposal has taken the place of this one. */
  crossed: boolean;
}

/** One negotiation of a requester: request, answers, choice, proposals until one is kept (market §3). */
export class Negotiation {
  readonly #desk: TradingDesk;
  readonly #request: Request;
  readonly #id: string;
  readonly #inbox: AnswerInbox;
  /** The deals that were there when it began. */
  readonly #formerDealIds: ReadonlySet<string>;
  #askedAt: Milliseconds = 0;
  /** How long each unit's answer to the request was on its way, there and back. */
  readonly #answerMsec = new Map<string, Milliseconds>();
  #proposal: Proposal | undefined;
  #stopped = false;
  #hasLostRace = false;

  constructor(desk: TradingDesk, request: Request, expectedUnitIds: readonly string[]) {
    this.#desk = desk;
    this.#request = request;
    this.#id = desk.needs.entropy.uuid();
    this.#inbox = new AnswerInbox(request, expectedUnitIds);
    this.#formerDealIds = new Set(desk.slots.taken().map((deal) => deal.dealId));
  }

  /** True when it came to nothing and some acceptor had just given its slot to another: trying again may help. */
  get hasLostRace(): boolean {
    return this.#hasLostRace;
  }

  /** Ends waiting; a proposal that is on its way is still brought to its end, no further one is made. */
  stop(): void {
    this.#stopped = true;
    this.#inbox.end();
  }

  /** Resolves when the deal is journalled at both units or nothing came of it: at most twice the negotiation time. */
  async run(): Promise<void> {
    const { needs } = this.#desk;
    const { bus, clock } = needs;
    if (await this.#isVetoed()) return;
    const limitMsec = this.#desk.negotiationTimeoutMsec();
    this.#askedAt = clock.monotonic();
    bus.publish('request', this.#id, this.#request, { expiryMsec: limitMsec });
    await this.#inbox.complete(clock, limitMsec, () => needs.aliveMembers());
    const ranked = this.#choose();
    if ('refusal' in ranked) return this.#report('choice', { refusal: ranked.refusal });
    await this.#register(ranked.ok, clock.monotonic() + limitMsec);
  }

  /** Nobody else has heard of the request yet: the flow may keep it back. */
  async #isVetoed(): Promise<boolean> {
    const { veto } = this.#desk;
    const { holder } = veto;
    if (holder === undefined) return false;
    const refusal = await veto.ask(holder, 'request', this.#request);
    if (refusal !== undefined) this.#desk.report({ step: 'request', negotiationId: this.#id, refusal });
    return refusal !== undefined || this.#stopped;
  }

  /** An answer has arrived; those to other or former negotiations are not looked at. */
  take({ key, envelope }: Delivery<'accept'>): void {
    if (key !== this.#id) return;
    const { sender, body } = envelope;
    this.#answerMsec.set(sender, this.#desk.needs.clock.monotonic() - this.#askedAt);
    const refusal = this.#desk.isMember(sender)
      ? this.#inbox.take(sender, body)
      : refuse('message.not-member', { unitId: sender }).refusal;
    if (refusal === undefined) return;
    this.#report(refusal.reason.startsWith('message.') ? 'message' : 'choice', { peerUnitId: sender, refusal });
  }

  /**
   * The own proposal that is on its way to a peer, when there is one. If that peer proposes a deal at the same time, the
   * two become one (W4): the proposal of the unit whose id sorts first stands, the other gives way. Both units see the
   * crossing and know the rule, so no further word is needed.
   */
  crossingWith(peerUnitId: string): { readonly dealId: string; giveWay(): void } | undefined {
    const proposal = this.#proposal;
    if (proposal?.deal.acceptUnitId !== peerUnitId) return undefined;
    const { dealId } = proposal.deal;
    const giveWay = (): void => {
      proposal.crossed = true;
      this.#desk.slots.release(dealId);
    };
    return { dealId, giveWay };
  }

  /** The gates are looked at again: the answers took their time (market §3.2 S7). */
  #choose(): Outcome<readonly Accept[]> {
    const { backoff } = this.#desk;
    const opening = openingOf(this.#desk.situation());
    if ('refusal' in opening) return opening;
    const { scenario, window } = opening.ok;
    const accepts = this.#inbox.accepts.filter((accept) => backoff.refusal(accept.unitId) === undefined);
    const ranked = rankAccepts(this.#request, accepts, strategyOf(scenario, window), tieBreakBy(this.#id));
    if ('ok' in ranked) return ranked;
    return refuse(ranked.refusal.reason, { ...ranked.refusal.numbers, silent: this.#inbox.silent.join(' ') });
  }

  /** Best first; whoever refuses, the next one is asked (W1). */
  async #register(ranked: readonly Accept[], deadline: Milliseconds): Promise<void> {
    for (const accept of ranked) {
      const wanted = this.#stillWanted(accept, deadline);
      if ('refusal' in wanted) return this.#report('choice', { refusal: wanted.refusal });
      const deal = this.#dealWith(accept, wanted.ok);
      const refusal = 'refusal' in deal ? deal.refusal : await this.#propose(deal.ok, deadline);
      this.#hasLostRace = refusal !== undefined && (this.#hasLostRace || refusal.reason === SLOT_TAKEN);
      if (refusal === undefined) return;
      this.#report('proposal', { peerUnitId: accept.unitId, offer: accept, refusal });
      if (FINAL.includes(refusal.reason)) return;
    }
  }

  /** What this unit would ask for now, or what ends the negotiation before a (further) proposal. */
  #stillWanted({ unitId }: Accept, deadline: Milliseconds): Outcome<Request> {
    const { needs, slots } = this.#desk;
    if (this.#stopped) return refuse('operation.stopped');
    if (deadline - needs.clock.monotonic() < SHORTEST_TRY_MSEC) return refuse('choice.too-late');
    const isMerged = (deal: Deal): boolean => !this.#formerDealIds.has(deal.dealId) && deal.requestUnitId === unitId;
    const merged = slots.taken().find(isMerged);
    if (merged !== undefined) return refuse('crossing.merged', { standing: unitId, dealId: merged.dealId });
    const wanted = decideRequest(this.#desk.situation());
    if ('refusal' in wanted || wanted.ok.type === this.#request.type) return wanted;
    return refuse('request.outdated', { type: wanted.ok.type });
  }

  #dealWith(accept: Accept, wanted: Request): Outcome<Deal> {
    const { clock, entropy, policy } = this.#desk.needs;
    const draft = draftDeal(this.#request, accept, this.#id, policy().mediator.deal);
    if ('refusal' in draft) return draft;
    const { dealAmountWh } = draft.ok;
    const { amountWh } = wanted;
    // Another deal may have been made meanwhile: no more than what is wanted now (W5).
    if (dealAmountWh > amountWh) return refuse('amount.no-longer', { dealAmountWh, amountWh });
    const dealId = entropy.uuid();
    const createDateTime = formatTimestamp(clock.now(), clock.zoneOffsetMinutes());
    return { ok: { ...draft.ok, dealId, createDateTime, ...NEW_DEAL_STAMP } };
  }

  /** Undefined when the deal is durable at both units. */
  async #propose(deal: Deal, deadline: Milliseconds): Promise<Refusal | undefined> {
    const { slots, backoff } = this.#desk;
    // The slot is held for the proposal and for the writing of the record.
    const noSlot = slots.hold(deal, 2 * this.#desk.negotiationTimeoutMsec());
    if (noSlot !== undefined) return noSlot;
    const proposal: Proposal = { deal, crossed: false };
    this.#proposal = proposal;
    try {
      await this.#askAcceptor(deal, deadline);
    } catch (error) {
      if (proposal.crossed) return mergedInto(deal.acceptUnitId);
      slots.release(deal.dealId);
      backoff.failed(deal.acceptUnitId, reasonOf(error));
      return refuse(reasonOf(error), { message: messageOf(error) }).refusal;
    } finally {
      this.#proposal = undefined;
    }
    // A yes although the acceptor's own proposal stands: its half of this deal is forgotten there (RULE-14).
    return proposal.crossed ? mergedInto(deal.acceptUnitId) : this.#keep(deal);
  }

  /** Half of the time that is left, so that a silent first choice leaves time for a second one; more for who is far away. */
  #askAcceptor(deal: Deal, deadline: Milliseconds): Promise<void> {
    const { needs } = this.#desk;
    const { clock } = needs;
    const to = deal.acceptUnitId;
    const leftMsec = deadline - clock.monotonic();
    const answerMsec = this.#answerMsec.get(to) as Milliseconds; // who is proposed to has answered
    const farMsec = WRITTEN_ANSWER * answerMsec;
    const limitMsec = Math.max(SHORTEST_TRY_MSEC, leftMsec / 2, Math.min(leftMsec, farMsec));
    const tooLate = (): PeerError => new PeerError('peer.timeout', to, `${to} kept no deal within ${limitMsec} ms`);
    return withDeadline(clock, limitMsec, needs.propose(to, deal, limitMsec), tooLate);
  }

  /** Writes the own copy. When that fails the slot stays held for its time: the record may still come to be. */
  async #keep(deal: Deal): Promise<Refusal | undefined> {
    const { needs } = this.#desk;
    const limitMsec = this.#desk.negotiationTimeoutMsec();
    const tooLate = (): Error => new InternalError(`not written within ${limitMsec} ms`);
    try {
      await withDeadline(needs.clock, limitMsec, needs.journal(deal), tooLate);
    } catch (error) {
      return refuse('journal.failed', { dealId: deal.dealId, message: messageOf(error) }).refusal;
    }
    this.#report('deal', { peerUnitId: deal.acceptUnitId, deal });
    return undefined;
  }

  #report(step: 'choice' | 'proposal' | 'deal' | 'message', rest: ReportRest): void {
    this.#desk.report({ step, negotiationId: this.#id, ...rest });
  }
}

const mergedInto = (standing: string): Refusal => refuse('crossing.merged', { standing }).refusal;

interface ReportRest {
  readonly peerUnitId?: string;
  readonly offer?: Accept;
  readonly deal?: Deal;
  readonly refusal?: Refusal;
}
