import { Requests } from '../../src/cluster/requests.ts';
import { demoScenario } from '../../src/config/defaults.ts';
import type { HwConfig } from '../../src/config/hw-config.ts';
import type { Policy } from '../../src/config/policy.ts';
import type { Scenario } from '../../src/config/scenario.ts';
import type { Deal } from '../../src/domain/deal.ts';
import { PeerError, reasonOf } from '../../src/domain/errors.ts';
import type { OperationMode } from '../../src/domain/operation-mode.ts';
import type { DealQuestion } from '../../src/domain/question.ts';
import type { Accept, Answer, Request } from '../../src/domain/trade.ts';
import type { UnitData } from '../../src/domain/unit-data.ts';
import { type Decision, Market, type MarketNeeds } from '../../src/market/index.ts';
import type { Bus } from '../../src/ports/bus.ts';
import { sleep } from '../../src/ports/clock.ts';
import { type Entropy, SeededEntropy } from '../../src/ports/entropy.ts';
import { collectingLog, type LogLine } from '../../src/ports/log.ts';
import { MemoryBusHub, type MemoryBusOptions } from '../../src/ports/memory-bus.ts';
import { VirtualClock } from '../../src/ports/virtual-clock.ts';
import { aHwConfig, anAccept, aPolicy, aRequest, NINE, unitDataAt } from './market.ts';

/** What a test may change about a house while it trades. */
export interface HouseState {
  rsoc: number;
  time: string;
  mode: OperationMode;
  hasLocalErrors: boolean;
  scenario: Scenario | undefined;
  policy: Policy;
  /** How long a record takes to be written. */
  journalMsec: number;
  journalFails: boolean;
  proposeHangs: boolean;
  aliveMembers: () => readonly string[];
  battery: MarketNeeds['battery'];
  obstacleWith: MarketNeeds['obstacleWith'];
  /** What a flow does that has asked to be asked. */
  onQuestion: (question: DealQuestion) => void;
}

export interface House {
  readonly unitId: string;
  readonly market: Market;
  readonly bus: Bus;
  readonly state: HouseState;
  readonly open: Deal[];
  readonly decisions: Decision[];
  readonly log: LogLine[];
  /** When each deal was written, ms. */
  readonly writtenAt: Map<string, number>;
}

/** A unit that says and does what the test wants. */
export interface Puppet {
  readonly unitId: string;
  readonly bus: Bus;
  readonly heard: { readonly key: string; readonly request: Request }[];
  readonly answers: { readonly key: string; readonly answer: Answer }[];
  readonly proposals: Deal[];
  /** What it does with each request it hears. */
  onRequest: (key: string, request: Request) => void;
  /** What it does with a proposal: resolve to say yes, reject to refuse. */
  onProposal: (deal: Deal) => Promise<void>;
  accept(key: string, more?: Partial<Accept>): void;
  request(key: string, more?: Partial<Request>): void;
  /** Undefined for a yes, else the reason. */
  propose(to: string, deal: Deal): Promise<string | undefined>;
}

export interface StreetOptions extends MemoryBusOptions {
  readonly policy?: Policy;
  readonly hwConfig?: HwConfig;
  readonly scenario?: Scenario;
  readonly time?: string;
  /** Without a seed all houses have the same jitter, so that their requests cross. */
  readonly seed?: number;
}

/** Houses on one bus and one virtual clock, wired as the unit wires its market. */
export class Street {
  readonly clock = new VirtualClock(Date.UTC(2020, 0, 1, 9));
  readonly hub: MemoryBusHub;
  readonly houses = new Map<string, House>();
  readonly alive = new Set<string>();
  readonly #options: StreetOptions;

  constructor(options: StreetOptions = {}) {
    this.#options = options;
    this.hub = new MemoryBusHub(this.clock, options);
  }

  #join(unitId: string): Bus {
    this.alive.add(unitId);
    return this.hub.join(unitId, `${unitId}-session`);
  }

  #entropy(unitId: string): Entropy {
    const own = new SeededEntropy(this.#options.seed ?? 1).fork(unitId);
    return this.#options.seed === undefined ? { next: () => 0.5, uuid: () => own.uuid() } : own;
  }

  house(unitId: string, rsoc: number, more: Partial<HouseState> & { readonly entropy?: Entropy } = {}): House {
    const { clock } = this;
    const { policy = aPolicy(), hwConfig = aHwConfig(), scenario = demoScenario(), time = NINE } = this.#options;
    const bus = this.#join(unitId);
    const state: HouseState = {
      rsoc,
      time,
      mode: 'autonomous',
      hasLocalErrors: false,
      scenario,
      policy,
      journalMsec: 5,
      journalFails: false,
      proposeHangs: false,
      aliveMembers: () => [...this.alive],
      battery: undefined,
      obstacleWith: undefined,
      onQuestion: () => {},
      ...more,
    };
    const requests = new Requests(bus, clock);
    const open: Deal[] = [];
    const log: LogLine[] = [];
    const writtenAt = new Map<string, number>();
    const journal = async (deal: Deal): Promise<void> => {
      await sleep(clock, state.journalMsec);
      if (state.journalFails) throw new Error('the disk is full');
      open.push(deal);
      writtenAt.set(deal.dealId, clock.monotonic());
    };
    const market = new Market({
      unitId,
      bus,
      clock,
      entropy: more.entropy ?? this.#entropy(unitId),
      log: collectingLog((line) => log.push(line)),
      policy: () => state.policy,
      hwConfig: () => hwConfig,
      scenario: () => state.scenario,
      unitData: (): UnitData => unitDataAt(unitId, state.rsoc, state.time),
      effectiveMode: () => state.mode,
      hasLocalErrors: () => state.hasLocalErrors,
      grid: () => ({ reachable: true, hasGlobalErrors: false }),
      openDeals: () => open,
      question: (question) => state.onQuestion(question),
      aliveMembers: () => state.aliveMembers(),
      obstacleWith: (peer) => state.obstacleWith?.(peer),
      propose: async (to, deal, deadlineMsec) => {
        if (state.proposeHangs) await new Promise(() => {});
        await requests.ask(to, { kind: 'deal.propose', deal }, deadlineMsec, 1);
      },
      journal,
      ...(more.battery === undefined ? {} : { battery: more.battery }),
    });
    requests.start(async (from, body) => {
      if (body.kind !== 'deal.propose') throw new Error(`nobody serves ${body.kind} here`);
      const refusal = market.validateProposal(body.deal, from);
      if (refusal !== undefined) return { ok: false, refusal, message: refusal.reason };
      if (open.every((deal) => deal.dealId !== body.deal.dealId)) await journal(body.deal);
      return { ok: true };
    });
    const decisions: Decision[] = [];
    market.onDecision((decision) => decisions.push(decision));
    const house: House = { unitId, market, bus, state, open, decisions, log, writtenAt };
    this.houses.set(unitId, house);
    return house;
  }

  puppet(unitId: string, { isAlive = true } = {}): Puppet {
    const bus = this.#join(unitId);
    if (!isAlive) this.alive.delete(unitId);
    const requests = new Requests(bus, this.clock);
    const puppet: Puppet = {
      unitId,
      bus,
      heard: [],
      answers: [],
      proposals: [],
      onRequest: (key) => puppet.accept(key),
      onProposal: async () => {},
      accept: (key, more = {}) =>
        bus.publish('accept', key, { unitId, accept: anAccept({ unitId, amountWh: 500, ...more }) }),
      request: (key, more = {}) => bus.publish('request', key, aRequest({ unitId, type: 'charge', ...more })),
      propose: (to, deal) => requests.ask(to, { kind: 'deal.propose', deal }, 1000, 1).then(() => undefined, reasonOf),
    };
    bus.listen('request', ({ key, envelope }) => {
      if (envelope.sender === unitId) return;
      puppet.heard.push({ key, request: envelope.body });
      puppet.onRequest(key, envelope.body);
    });
    bus.listen('accept', ({ key, envelope }) => {
      if (envelope.sender !== unitId) puppet.answers.push({ key, answer: envelope.body });
    });
    requests.start(async (_from, body) => {
      if (body.kind !== 'deal.propose') throw new Error(`nobody serves ${body.kind} here`);
      puppet.proposals.push(body.deal);
      await puppet.onProposal(body.deal);
      return { ok: true };
    });
    return puppet;
  }

  start(): void {
    for (const house of this.houses.values()) house.market.start();
  }

  /** The deals that both of their parties hold. */
  sharedDeals(): readonly Deal[] {
    const houses = [...this.houses.values()];
    const copies = houses.flatMap((house) => house.open);
    return copies.filter(
      (deal, index) =>
        copies.findIndex((one) => one.dealId === deal.dealId) < index ||
        [deal.chargeUnitId, deal.dischargeUnitId].some((unitId) => !this.houses.has(unitId)),
    );
  }
}

/** A refusal as another unit's reply. */
export const refusal = (reason: string): Promise<never> => Promise.reject(new PeerError(reason, 'E00x', reason));

/** `discharger → charger Wh`, in order. */
export const transfers = (deals: readonly Deal[]): readonly string[] =>
  deals.map((deal) => `${deal.dischargeUnitId} → ${deal.chargeUnitId} ${deal.dealAmountWh}`).sort();

/** Reasons of the refusals of one step. */
export const refusedFor = (house: House, step: Decision['step']): readonly string[] =>
  house.decisions.flatMap((decision) => (decision.step === step && decision.refusal ? [decision.refusal.reason] : []));
