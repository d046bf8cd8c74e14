import type { Policy } from '../config/policy.ts';
import type { ConverterMode } from '../domain/converter-mode.ts';
import type { Deal } from '../domain/deal.ts';
import type { FaultInput } from '../domain/fault.ts';
import type { CommandBody, GridState, ReplyBody } from '../domain/messages.ts';
import type { OperationMode } from '../domain/operation-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { UnitData } from '../domain/unit-data.ts';
import type { Unsubscribe } from '../ports/bus.ts';
import type { Clock } from '../ports/clock.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { Log } from '../ports/log.ts';

/** A deal as its parties publish it: the newest copy, and who has published any copy. */
export interface DealCopies {
  readonly deal: Deal;
  readonly holders: readonly string[];
  /** Holders at which the deal has ended, in whatever record. */
  readonly endedAt?: readonly string[];
}

/** Leave to be out of WAIT, before the cluster stamps it with session and beacon (RULE-1). */
export interface PermitDraft {
  readonly unitId: string;
  readonly modes: readonly ConverterMode[];
  readonly dealIds: readonly string[];
}

/** What the grid master says with every `grid` message; the cluster adds its own stamps. */
export interface GridDraft
  extends Pick<
    GridState,
    'pass' | 'passMsec' | 'granting' | 'voltageReferenceUnitId' | 'masterDealId' | 'handOver' | 'hasGlobalErrors'
  > {
  readonly permits: readonly PermitDraft[];
}

export type Confirmation = Extract<ReplyBody, { ok: true }>;
/** `reading`: a unit was measured anew and does what it did; `unit`: it does something else. */
export type CommunityChange = 'deal' | 'unit' | 'reading' | 'members' | 'mode';

/** What the cluster knows about the members; `at` is the monotonic time of receipt. */
export interface Community {
  unit(unitId: string): { readonly data: UnitData; readonly at: Milliseconds } | undefined;
  isAlive(unitId: string): boolean;
  deals(): readonly DealCopies[];
  onChange(handle: (what: CommunityChange) => void): Unsubscribe;
}

/** All that the grid master wants from outside. */
export interface GridMasterNeeds {
  readonly unitId: string;
  readonly term: number;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: Log;
  policy(): Policy;
  readonly community: Community;
  /** The global mode. */
  mode(): OperationMode;
  /** Resolves with the unit's reply; rejects with `PeerError` on refusal or when the deadline passes. */
  command(to: string, body: CommandBody, deadlineMsec: Milliseconds): Promise<Confirmation>;
  publish(state: GridDraft): void;
  /** The deal has left the grid master's picture. */
  finished(deal: Deal): void;
  raise(fault: FaultInput): void;
  /** A majority hears this grid master; without one it grants and raises nothing (RULE-5). */
  hasQuorum(): boolean;
  /** This member has echoed a `grid` within the lease; being heard proves only the other direction (RULE-5, RULE-7). */
  hearsUs(unitId: string): boolean;
  /** A fault of the cluster is open that this or another unit has raised, under this or a former grid master. */
  hasGlobalErrors(): boolean;
  /** Asks this unit to stand for the next term, undefined: nobody any more (RULE-6). */
  offerLeadership(unitId: string | undefined): void;
}
