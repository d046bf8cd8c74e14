import { type Deal, isDeactivated, isInvolved, isStarted } from '../domain/deal.ts';
import { messageOf } from '../domain/errors.ts';
import type { DealInjection } from '../domain/messages.ts';
import { NEVER } from '../domain/timestamp.ts';
import type { Refusal, Request } from '../domain/trade.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import { AnswerSide } from './answer-side.ts';
import { decideRequest } from './decide.ts';
import type { Decision } from './decision.ts';
import { EvaluationTimer } from './evaluation-timer.ts';
import { narrowed } from './injection.ts';
import type { MarketNeeds } from './needs.ts';
import { Negotiation } from './negotiation.ts';
import { type Outcome, refuse } from './outcome.ts';
import { PartnerWatch } from './partner-watch.ts';
import { isRecord } from './read-message.ts';
import { textOf } from './text-of.ts';
import { TradingDesk } from './trading-desk.ts';
import { validateProposal } from './validate-proposal.ts';
import type { VetoHolder } from './veto-desk.ts';

/** Why a unit evaluates once more when all slots it went for had just been given to others. */
const LOST_RACE = 'race.lost';
/** Why it evaluates when somebody wants a deal. */
const INJECTED = 'injected';

/** User and mediator of one unit: asks for deals when the scenario wants some, answers others, keeps its slots. */
export class Market {
  readonly #desk: TradingDesk;
  readonly #answers: AnswerSide;
  readonly #timer: EvaluationTimer;
  readonly #partners = new PartnerWatch();
  readonly #listening: Unsubscribe[] = [];
  #learning: Unsubscribe | undefined;
  #negotiation: Negotiation | undefined;
  /** An evaluation that was asked for while a negotiation ran. */
  #postponed: string | undefined;

  constructor(needs: MarketNeeds) {
    this.#desk = new TradingDesk(needs, (pauseMsec) => this.#timer.askIn(pauseMsec, 'backoff.over'));
    this.#answers = new AnswerSide(this.#desk);
    this.#timer = new EvaluationTimer({
      clock: needs.clock,
      entropy: needs.entropy,
      periodMsec: () => needs.policy().user.houseKeepingPeriodMsec,
      run: (why) => this.#evaluateNow(why),
    });
  }

  /** Answers requests and evaluates the scenario from now on. */
  start(): void {
    if (this.#listening.length > 0) return;
    const { bus } = this.#desk.needs;
    this.#listening.push(
      bus.listen('request', (delivery) => this.#answers.handle(delivery)),
      bus.listen('accept', (delivery) => this.#negotiation?.take(delivery)),
      bus.listen('unit', ({ envelope: { sender, session, body } }) => {
        if (this.#desk.isMember(sender) && this.#partners.hear(sender, session, !body.stale && !body.apis.barred))
          this.evaluate('partner.ready');
      }),
    );
    // Once, and also while this side is silent: who begins to listen hears again of every failure that is still kept.
    this.#learning ??= bus.listen('deal', ({ envelope }) => this.#learnFrom(envelope.sender, envelope.body));
    this.#timer.start();
  }

  /** Silent from now on; deals that exist are not touched. */
  stop(): void {
    for (const unsubscribe of this.#listening.splice(0)) unsubscribe();
    this.#timer.stop();
    this.#postponed = undefined;
    this.#negotiation?.stop();
  }

  /** Something has changed that may make a deal possible: evaluates soon. */
  evaluate(why: string): void {
    this.#timer.ask(why);
  }

  /**
   * A deal that somebody wants now: asked for at once, within what policy and scenario allow. Why not, when it is not;
   * what comes of it is told as of every negotiation.
   */
  inject(wish: DealInjection): Refusal | undefined {
    if (this.#listening.length === 0) return refuse('operation.stopped').refusal;
    if (this.#negotiation !== undefined) return refuse('injection.busy').refusal;
    const { amountMinWh } = this.#desk.needs.policy().mediator.deal;
    const request = decideRequest(this.#desk.situation());
    const wanted = 'ok' in request ? narrowed(request.ok, wish, amountMinWh) : request;
    const partners = 'ok' in wanted ? this.#partnersFor(wanted.ok) : wanted;
    if ('refusal' in wanted) return wanted.refusal;
    if ('refusal' in partners) return partners.refusal;
    this.#negotiate(wanted.ok, partners.ok, INJECTED);
    return undefined;
  }

  /** A flow wants to be asked before own requests and accepts, or no more. */
  holdVeto(holder: VetoHolder | undefined): void {
    this.#desk.veto.hold(holder);
  }

  /** The flow's word on a question; false when it comes too late. */
  verdict(id: string, isAllowed: boolean, reason: string): boolean {
    return this.#desk.veto.answer(id, isAllowed, reason);
  }

  /** The own deals that have a slot now, agreed ones whose record is still being written included. */
  takenDeals(): readonly Deal[] {
    return this.#desk.slots.taken();
  }

  /** Every decision with its reason and numbers. */
  onDecision(handle: (decision: Decision) => void): Unsubscribe {
    return this.#desk.decisions.onDecision(handle);
  }

  /**
   * Acceptor side of `deal.propose`: undefined when the deal may be journalled and acknowledged, which keeps a slot for
   * it from this moment on; otherwise why not. Asking again about a deal that has its slot gives the same yes.
   */
  validateProposal(deal: Deal, from: string): Refusal | undefined {
    // The type is only what the sender should have sent (INV-11).
    if (!isRecord(deal)) return refuse('message.malformed', { field: 'deal', got: textOf(deal) }).refusal;
    const refusal = this.#whyRefuse(deal, from);
    const negotiationId = textOf(deal.negotiationId);
    this.#desk.report({ step: 'proposal', negotiationId, peerUnitId: from, ...(refusal ? { refusal } : { deal }) });
    return refusal;
  }

  #whyRefuse(deal: Deal, from: string): Refusal | undefined {
    if (this.#listening.length === 0) return refuse('operation.stopped').refusal;
    const obstacle = this.#desk.needs.obstacleWith?.(from);
    if (obstacle !== undefined) return obstacle;
    const known = this.#desk.slots.find(deal.dealId);
    if (known?.requestUnitId === from) return undefined;
    if (known !== undefined) return refuse('slots.already-held', { dealId: deal.dealId }).refusal;
    const crossing = this.#negotiation?.crossingWith(from);
    const { unitId } = this.#desk.needs;
    if (crossing !== undefined && unitId < from) return refuse('crossing.merged', { standing: unitId }).refusal;
    const promised = this.#answers.promisedTo(from, deal.negotiationId);
    const refusal = validateProposal(deal, promised, this.#desk.situation(crossing?.dealId));
    if (refusal !== undefined || promised === undefined) return refusal;
    crossing?.giveWay();
    this.#answers.fulfilled(promised);
    // Time passes between this yes and the acceptor's record: the slot is taken here and now (W3, W19).
    return this.#desk.slots.hold(deal, 2 * this.#desk.negotiationTimeoutMsec());
  }

  /** One negotiation at a time (W22); what comes meanwhile is done afterwards. */
  #evaluateNow(why: string): void {
    if (this.#negotiation !== undefined) {
      this.#postponed = why;
      return;
    }
    const request = decideRequest(this.#desk.situation());
    const partners: Outcome<readonly string[]> = 'ok' in request ? this.#partnersFor(request.ok) : request;
    if ('refusal' in request || 'refusal' in partners) {
      this.#desk.report({ step: 'request', why, ...partners });
      return;
    }
    this.#negotiate(request.ok, partners.ok, why);
  }

  /** Whose answers are worth waiting for. */
  #partnersFor(request: Request): Outcome<readonly string[]> {
    const { needs, backoff } = this.#desk;
    const alive = needs.aliveMembers().filter((id) => id !== needs.unitId && this.#desk.isMember(id));
    const { pairUnitId } = request;
    const partners = pairUnitId === undefined ? alive : alive.filter((id) => id === pairUnitId);
    if (partners.length === 0)
      return refuse('partners.none-alive', { alive: alive.length, pairUnitId: pairUnitId ?? '' });
    const obstacles = partners.map((id) => needs.obstacleWith?.(id));
    const reasons = partners.map((id, index) => obstacles[index] ?? backoff.refusal(id));
    const [reason] = reasons;
    if (reason !== undefined && !reasons.includes(undefined)) return { refusal: reason };
    return { ok: partners.filter((_id, index) => obstacles[index] === undefined) };
  }

  #negotiate(request: Request, partners: readonly string[], why: string): void {
    this.#desk.report({ step: 'request', why, offer: request });
    const negotiation = new Negotiation(this.#desk, request, partners);
    this.#negotiation = negotiation;
    negotiation
      .run()
      .catch((error: unknown) => {
        const { log, unitId } = this.#desk.needs;
        log.error({ unitId, message: messageOf(error) }, 'market.negotiation-failed');
      })
      .finally(() => {
        this.#negotiation = undefined;
        // Once only: the next regular evaluation comes anyway.
        const again = negotiation.hasLostRace && why !== LOST_RACE ? LOST_RACE : undefined;
        const next = this.#postponed ?? again;
        this.#postponed = undefined;
        if (next !== undefined) this.#timer.ask(next);
      });
  }

  /**
   * How a deal went on tells whether another with the same peer is worth trying (W7): the grid master may discard
   * what the two parties could not know to be impossible.
   */
  #learnFrom(sender: string, deal: Deal): void {
    const { unitId } = this.#desk.needs;
    // Each party publishes its copy: only the own one counts, so that each deal counts once.
    if (sender !== unitId || !isInvolved(deal, unitId)) return;
    const peerUnitId = deal.chargeUnitId === unitId ? deal.dischargeUnitId : deal.chargeUnitId;
    if (isStarted(deal) && deal.startDateTime !== NEVER) this.#desk.backoff.succeeded(peerUnitId);
    else if (isDeactivated(deal)) this.#desk.backoff.failed(peerUnitId, deal.abortReason ?? 'deal.never-started');
  }
}
