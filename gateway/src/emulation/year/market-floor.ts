import type { HwConfig } from '../../config/hw-config.ts';
import type { Policy } from '../../config/policy.ts';
import type { Scenario, ScenarioWindow } from '../../config/scenario.ts';
import type { DealType } from '../../domain/deal.ts';
import { formatTimestamp } from '../../domain/timestamp.ts';
import type { Accept, Request } from '../../domain/trade.ts';
import {
  closedBy,
  committedWh,
  draftDeal,
  evaluateAccept,
  evaluateRequest,
  makeOffer,
  rankAccepts,
  remainingCapacityWh,
  roomWithin,
  type Standing,
  slots,
  strategyOf,
  tieBreakBy,
  type Wish,
  windowAt,
} from '../../market/index.ts';
import { SeededEntropy } from '../../ports/entropy.ts';
import type { DealBus } from './deal-bus.ts';
import type { HouseBank } from './house-bank.ts';
import { at, DAY_SECONDS, YEAR_BEGIN } from './year-samples.ts';

/** Each house evaluates its scenario once in this time, at a moment of its own (emulator.md §8). */
export const EVALUATION_SECONDS = 60;

export interface MarketSettings {
  readonly unitIds: readonly string[];
  readonly policy: Policy;
  readonly hwConfig: HwConfig;
  readonly scenario: Scenario;
  readonly seed: number;
}

/** What holds while nothing is agreed: everything here is made when first asked for. */
interface Moment {
  readonly second: number;
  readonly window: ScenarioWindow;
  dateTime: string | undefined;
  /** By house. */
  readonly standings: (Standing | undefined)[];
  /** Answers by type of request and house; null is a no. */
  readonly answers: Readonly<Record<DealType, (Accept | null | undefined)[]>>;
  /** All accepts by type of request. */
  readonly offers: Record<DealType, readonly Accept[] | undefined>;
}

/**
 * All houses' markets in one room: who wants asks, all others answer at once, the best accept becomes a deal. The
 * decisions are those of the live system (`market/`); messages, waits and reservations are left out.
 */
export class MarketFloor {
  readonly #settings: MarketSettings;
  readonly #bank: HouseBank;
  readonly #bus: DealBus;
  readonly #slots: number;
  readonly #isPaired: boolean;
  /** Houses by the second of the minute at which they look at their scenario. */
  readonly #turns: readonly { readonly house: number; readonly phase: number }[];

  constructor(settings: MarketSettings, bank: HouseBank, bus: DealBus) {
    const { hwConfig, policy, scenario, unitIds, seed } = settings;
    this.#settings = settings;
    this.#bank = bank;
    this.#bus = bus;
    this.#slots = slots(hwConfig.gridCurrentCapacityA, policy.mediator.deal.gridCurrentA);
    this.#isPaired = scenario.windows.some(namesPartner);
    const phaseOf = (unitId: string): number => new SeededEntropy(seed).fork(unitId).next() * EVALUATION_SECONDS;
    const turns = unitIds.map((unitId, house) => ({ house, phase: phaseOf(unitId) }));
    this.#turns = turns.sort((a, b) => a.phase - b.phase);
  }

  /** Lets every house trade whose moment lies in the `duration` seconds from `second` on. */
  trade(second: number, duration: number): void {
    const window = windowAt(this.#settings.scenario, second % DAY_SECONDS);
    if (window === undefined) return;
    const answers = { charge: [], discharge: [] };
    const moment: Moment = {
      second,
      window,
      dateTime: undefined,
      standings: [],
      answers,
      offers: { charge: undefined, discharge: undefined },
    };
    const from = second % EVALUATION_SECONDS;
    for (const { house, phase } of this.#turns) {
      if (phase >= from && phase < from + duration) this.#takeTurn(house, moment);
    }
  }

  #takeTurn(house: number, moment: Moment): void {
    if (!this.#hasSlot(house)) return;
    const wish = evaluateRequest(moment.window, this.#standing(house, moment));
    const request = 'ok' in wish ? this.#offer(house, wish.ok, moment) : undefined;
    if (request === undefined) return;
    const accepts = this.#acceptsFor(request, moment);
    if (accepts.length > 0) this.#settle(request, accepts, moment);
  }

  #acceptsFor(request: Request, moment: Moment): readonly Accept[] {
    const { offers } = moment;
    const all = offers[request.type] ?? this.#collect(request, moment);
    if (!this.#isPaired) offers[request.type] = all;
    return all.length === 0 ? all : all.filter(({ unitId }) => unitId !== request.unitId);
  }

  #collect(request: Request, moment: Moment): readonly Accept[] {
    const accepts: Accept[] = [];
    for (let house = 0; house < this.#bank.count; house += 1) {
      const accept = this.#answer(house, request, moment);
      if (accept !== null) accepts.push(accept);
    }
    return accepts;
  }

  /** Who asks plays no part in an answer unless somebody is bound to a partner, so it is found once a moment. */
  #answer(house: number, request: Request, moment: Moment): Accept | null {
    if (this.#isPaired) return this.#makeAnswer(house, request, moment);
    const answers = moment.answers[request.type];
    let answer = answers[house];
    if (answer === undefined) answers[house] = answer = this.#makeAnswer(house, request, moment);
    return answer;
  }

  #makeAnswer(house: number, request: Request, moment: Moment): Accept | null {
    if (!this.#hasSlot(house)) return null;
    const wish = evaluateAccept(moment.window, this.#standing(house, moment), request, this.#unitId(house));
    return ('ok' in wish ? this.#offer(house, wish.ok, moment) : undefined) ?? null;
  }

  /** The best accept that gives a deal. */
  #settle(request: Request, accepts: readonly Accept[], moment: Moment): void {
    const { second, window } = moment;
    const { scenario, policy, seed, unitIds } = this.#settings;
    const negotiationId = `${seed}/${request.unitId}/${second}`;
    const ranked = rankAccepts(request, accepts, strategyOf(scenario, window), tieBreakBy(negotiationId));
    if ('refusal' in ranked) return;
    for (const accept of ranked.ok) {
      const draft = draftDeal(request, accept, negotiationId, policy.mediator.deal);
      if ('refusal' in draft) continue;
      const deal = { ...draft.ok, dealId: negotiationId, createDateTime: request.dateTime, term: 1, revision: 0 };
      const [charger, discharger] = [unitIds.indexOf(deal.chargeUnitId), unitIds.indexOf(deal.dischargeUnitId)];
      this.#bus.open(deal, charger, discharger, second);
      forget(moment, charger);
      forget(moment, discharger);
      return;
    }
  }

  #offer(house: number, wish: Wish, moment: Moment): Accept | undefined {
    const { deal } = this.#settings.policy.mediator;
    // A time stamp costs more than all the rest of an evaluation.
    moment.dateTime ??= formatTimestamp(YEAR_BEGIN + 1000 * moment.second);
    const offer = makeOffer(wish, { unitId: this.#unitId(house), dealPolicy: deal, dateTime: moment.dateTime });
    return 'ok' in offer ? offer.ok : undefined;
  }

  #hasSlot(house: number): boolean {
    return this.#bus.taken(house) < this.#slots;
  }

  #standing(house: number, { standings }: Moment): Standing {
    let standing = standings[house];
    if (standing === undefined) standings[house] = standing = this.#makeStanding(house);
    return standing;
  }

  /** As market/gates.ts `standingOf`, from the numbers that the study has at hand. */
  #makeStanding(house: number): Standing {
    const { policy } = this.#settings;
    const nominalWh = at(this.#bank.capacityWh, house);
    const deals = this.#bus.dealsOf(house);
    const storedWh = remainingCapacityWh(nominalWh, (100 * at(this.#bank.storedWh, house)) / nominalWh);
    const promisedWh = committedWh(this.#unitId(house), deals);
    const { forceStopCondition } = policy.gridMaster.deal;
    return {
      storedWh,
      committedWh: promisedWh,
      roomWh: roomWithin(forceStopCondition, nominalWh, storedWh + promisedWh),
      closed: closedBy(this.#unitId(house), deals),
    };
  }

  #unitId(house: number): string {
    return this.#settings.unitIds[house] ?? '';
  }
}

/** What a house wanted and answered before it took a deal no longer holds. */
function forget({ standings, answers, offers }: Moment, house: number): void {
  standings[house] = answers.charge[house] = answers.discharge[house] = undefined;
  offers.charge = offers.discharge = undefined;
}

/** True when a rule of the window is bound to one partner. */
const namesPartner = ({ request, accept }: ScenarioWindow): boolean =>
  [...request.values(), ...accept.values()].some(
    ({ charge, discharge }) => charge?.pairUnitId !== undefined || discharge?.pairUnitId !== undefined,
  );
