import type { HwConfig } from '../config/hw-config.ts';
import type { Policy } from '../config/policy.ts';
import type { Scenario } from '../config/scenario.ts';
import type { Deal, DealType } from '../domain/deal.ts';
import type { OperationMode } from '../domain/operation-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { DealQuestion } from '../domain/question.ts';
import type { Refusal } from '../domain/trade.ts';
import type { UnitData } from '../domain/unit-data.ts';
import type { Bus } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { Log } from '../ports/log.ts';

/** What the market of one unit needs from the rest of the unit. All functions give the state of this moment. */
export interface MarketNeeds {
  readonly unitId: string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  policy(): Policy;
  hwConfig(): HwConfig;
  /** Undefined when none could be loaded. */
  scenario(): Scenario | undefined;
  /** Undefined when missing or stale. */
  unitData(): UnitData | undefined;
  effectiveMode(): OperationMode;
  /** A local error is present or was handled less than `user.errorSustainingMsec` ago (market §4.4). */
  hasLocalErrors(): boolean;
  grid(): { readonly reachable: boolean; readonly hasGlobalErrors: boolean };
  /** Own deals that still hold a slot. */
  openDeals(): readonly Deal[];
  /** Members that are alive, this unit included. */
  aliveMembers(): readonly string[];
  /** Why no deal can come to be with a peer just now, whatever both want. */
  obstacleWith?(unitId: string): Refusal | undefined;
  /** Resolves when the acceptor has journalled the deal; rejects with `PeerError` otherwise. */
  propose(to: string, deal: Deal, deadlineMsec: Milliseconds): Promise<void>;
  /** The requester's own durable copy. */
  journal(deal: Deal): Promise<void>;
  /** Puts a question to the flow that may refuse, when one wants to be asked. */
  question?(question: DealQuestion): void;
  /** The battery, where other processes may use it too (market §2.8); absent: it is this unit's alone. */
  readonly battery?: SharedBattery;
}

/** Directions of a battery that another process may have. */
export interface SharedBattery {
  /** Could a deal in that direction be agreed now? */
  isFree(direction: DealType): boolean;
  /** Takes the direction until no deal needs it any more; false when another process has it. */
  take(direction: DealType): boolean;
}
