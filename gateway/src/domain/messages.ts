import type { ConverterMode } from './converter-mode.ts';
import type { Deal, DealType } from './deal.ts';
import type { DeviceCommand } from './device-command.ts';
import type { Fault } from './fault.ts';
import type { LocalMode, Lowering, OperationMode, StampedMode } from './operation-mode.ts';
import type { Amperes, EpochMsec, Milliseconds, Volts, WattHours } from './quantities.ts';
import type { OnSilence } from './question.ts';
import type { Answer, Refusal, Request } from './trade.ts';
import type { Dcdc, UnitData } from './unit-data.ts';

/** Who is there and where: retained, one session is one process start (RULE "Words"). */
export interface Birth {
  readonly unitId: string;
  readonly session: string;
  readonly version: string;
  readonly display: string;
  /** Where the unit's broker is, absent on the in-process bus. `isOwn`: it runs in the unit's process and ends with it. */
  readonly broker?: { readonly host: string; readonly port: number; readonly isOwn?: true };
  /** Where the members that this unit knows have their brokers: a client needs only one address. */
  readonly peers?: readonly { readonly unitId: string; readonly host: string; readonly port: number }[];
  readonly policyHash: string;
  readonly startedAt: EpochMsec;
}

/** Beacon and election state in one: sent every `gridMaster.heartbeatMsec` and on every change (RULE-1). */
export interface ElectionState {
  readonly session: string;
  /** Counter of this session's beacons; a `grid` entry echoes the last one heard. */
  readonly beacon: number;
  readonly term: number;
  readonly role: 'follower' | 'candidate' | 'leader' | 'observer';
  readonly votedFor?: string;
  /** The grid master this unit obeys. */
  readonly gridMasterUnitId?: string;
  /** Pre-vote question of a candidate: the term it would stand for. */
  readonly preVoteTerm?: number;
  readonly grantsPreVoteTo?: string;
  /** Whom a leader asks to take its office over, once it grants nothing and no command is on its way (RULE-6). */
  readonly successor?: string;
  /** Pass of the last `grid` heard: the echo by which a master knows that it is heard (RULE-5). */
  readonly heardGrid?: { readonly term: number; readonly pass: number };
}

/** Leave to be out of WAIT: runs `permitMsec` from the moment the unit sent the echoed beacon (RULE-1). */
export interface Permit {
  readonly unitId: string;
  readonly session: string;
  readonly beacon: number;
  /** What the converter may do; absent means WAIT only. */
  readonly modes: readonly ConverterMode[];
  readonly dealIds: readonly string[];
}

/** The grid master's word, at least every `gridMaster.heartbeatMsec` (architecture.md §3). */
export interface GridState {
  readonly gridMasterUnitId: string;
  readonly session: string;
  readonly term: number;
  readonly pass: number;
  /** How long the last pass took and how old it is: a hung loop is visible. */
  readonly passMsec: Milliseconds;
  readonly mode: StampedMode;
  readonly permitMsec: Milliseconds;
  /** Its permits rely on this unit's voltage, in this session of it (RULE-1, RULE-7). */
  readonly voltageReferenceUnitId?: string;
  readonly voltageReferenceSession?: string;
  readonly masterDealId?: string;
  readonly handOver?: { readonly from: string; readonly to: string };
  /**
   * False while permits of older terms may be alive, and without a majority: the permits here are renewed, and who is
   * not listed keeps what was granted before until it runs out. Otherwise not to be listed takes it away (RULE-4, RULE-5).
   */
  readonly granting: boolean;
  readonly permits: readonly Permit[];
  /** Global faults present: nothing new is negotiated or activated. */
  readonly hasGlobalErrors: boolean;
}

/** Soft stops that an operator has set for later, of the cluster or of the unit that says so. */
export interface Schedule {
  readonly cluster?: EpochMsec;
  readonly unit?: EpochMsec;
}

export interface ModeState {
  readonly global: StampedMode;
  readonly local: LocalMode | null;
  readonly effective: OperationMode;
  /** Lowerings that this unit has heard and no stamp lists yet (RULE-12). */
  readonly lowerings?: readonly Lowering[];
  readonly schedule?: Schedule;
}

/** What one unit asks of another; always answered by a `Reply` before its deadline or given up. */
export type CommandBody =
  | { readonly kind: 'deal.propose'; readonly deal: Deal }
  /** Grid master → party: a younger record, to be journalled; no device action. */
  | { readonly kind: 'deal.update'; readonly deal: Deal }
  /** Grid master → unit: journal the records, then act (INV-7). */
  | { readonly kind: 'control'; readonly device: DeviceCommand; readonly deals: readonly Deal[] }
  /** Grid master → unit: read the device now; a new grid master asks for the deals as well (RULE-3). */
  | { readonly kind: 'read'; readonly what: 'unit' | 'status'; readonly withDeals?: true }
  /** Anyone → grid master: please end this deal. */
  | { readonly kind: 'deal.stop'; readonly dealId: string; readonly reasons: readonly string[] }
  /** Operator's word, forwarded to the grid master by the unit that heard it. */
  | { readonly kind: 'mode.set'; readonly value: OperationMode; readonly ageMsec?: Milliseconds }
  | { readonly kind: 'fault.acknowledge'; readonly faultId: string }
  /** Operator's word, forwarded: the policy of everybody from now on (RULE-15). */
  | { readonly kind: 'policy.set'; readonly policy: object }
  /** Grid master → unit: what do you remember of policies; and promise this one. */
  | { readonly kind: 'policy.ask' }
  | { readonly kind: 'policy.stage'; readonly entry: PolicyEntry }
  | { readonly kind: 'emergency-stop'; readonly reason: string };

export type ReplyBody =
  | {
      readonly ok: true;
      readonly dcdc?: Dcdc;
      readonly unit?: UnitData;
      readonly deal?: Deal;
      readonly deals?: readonly Deal[];
      readonly policies?: PolicyPages;
    }
  | { readonly ok: false; readonly refusal: Refusal; readonly message: string };

/** Where an operator wants the converter of one unit, in mode manual only; repeated before it runs out (RULE-19). */
export interface ManualSetPoint {
  readonly mode: ConverterMode;
  /** Magnitude of the bus current, for CHARGE and DISCHARGE. */
  readonly gridCurrentA?: Amperes;
  /** Moves a bus that the unit holds already; it is brought up at the policy's voltage. */
  readonly gridVoltageV?: Volts;
  /** How long it is held without a further one; then WAIT. */
  readonly holdMsec?: Milliseconds;
}

/** A unit has answered an operator's word by then, whatever came of it: whoever waits less is told of a failure too early. */
export const OPERATOR_ANSWER_MSEC: Milliseconds = 15_000;

/** Operator's words to any unit (`operator/#`). */
export type OperatorBody =
  | { readonly kind: 'mode'; readonly value: OperationMode; readonly unitId?: string }
  | { readonly kind: 'local-mode'; readonly value: LocalMode | null }
  | { readonly kind: 'emergency-stop'; readonly reason: string }
  | { readonly kind: 'deal.stop'; readonly dealId: string; readonly reason: string }
  | { readonly kind: 'fault.acknowledge'; readonly faultId: string }
  /** Another scenario, in the form of scenario.json, for the unit that hears it and until its process ends; null takes it back. */
  | { readonly kind: 'scenario'; readonly value: Readonly<Record<string, unknown>> | null }
  /** A deal now, within what policy and scenario allow; to the unit that hears it. */
  | ({ readonly kind: 'deal.request' } & DealInjection)
  /** Whoever says so is asked before own requests and accepts, for `holdMsec`; null: no more. */
  | {
      readonly kind: 'veto';
      readonly onSilence: OnSilence | null;
      readonly limitMsec?: Milliseconds;
      readonly holdMsec?: Milliseconds;
    }
  /** The word on a question. */
  | { readonly kind: 'verdict'; readonly id: string; readonly allow: boolean; readonly reason?: string }
  /** Another policy, in the form of policy.json, for the whole cluster and for good. */
  | { readonly kind: 'policy'; readonly value: Readonly<Record<string, unknown>> }
  /** To the converter of the unit that hears it. */
  | ({ readonly kind: 'manual' } & ManualSetPoint)
  /** A soft stop at a later time, of the cluster or of this unit; null takes it back. */
  | { readonly kind: 'schedule'; readonly scope: 'cluster' | 'unit'; readonly at: EpochMsec | null };

/** A wish for a deal; what is left out is as the scenario has it. */
export interface DealInjection {
  /** What the unit that is asked would do. */
  readonly type: DealType;
  readonly amountWh?: WattHours;
  readonly pairUnitId?: string;
}

/** The list of certificates that are believed no more, as its CA has signed it. */
export interface Revocations {
  readonly number: number;
  readonly pem: string;
}

/** The policy that a unit works by, so that others can tell in what theirs differs (RULE-15). */
export interface PublishedPolicy {
  /** As in the birth. */
  readonly hash: string;
  readonly policy: object;
  /** 0 is the unit's own file. */
  readonly version?: number;
  /** What it has promised to accept next. */
  readonly staged?: Omit<PolicyEntry, 'policy'>;
}

/** A numbered policy; `term` is that of the grid master who staged it last. */
export interface PolicyEntry {
  readonly version: number;
  readonly term: number;
  readonly hash: string;
  readonly policy: object;
}

/** What a unit remembers of policies (RULE-15). */
export interface PolicyPages {
  readonly active: PolicyEntry;
  readonly staged?: PolicyEntry;
}

/** Channels of the bus and what they carry (architecture.md §3, topics). */
export interface Bodies {
  birth: Birth;
  unit: UnitData;
  election: ElectionState;
  grid: GridState;
  deal: Deal;
  mode: ModeState;
  fault: Fault;
  request: Request;
  accept: Answer;
  command: CommandBody;
  reply: ReplyBody;
  revocations: Revocations;
  policy: PublishedPolicy;
}
export type Channel = keyof Bodies;

/** Retained channels keep their last message for whoever comes later; the others are gone once delivered. */
export const RETAINED: Readonly<Record<Channel, boolean>> = {
  birth: true,
  unit: true,
  election: true,
  grid: true,
  deal: true,
  mode: true,
  revocations: true,
  policy: true,
  fault: false,
  request: false,
  accept: false,
  command: false,
  reply: false,
};

/** Our own envelope around every message, so that any MQTT 3.1.1 broker will do (architecture.md §3). */
export interface Envelope<B> {
  readonly id: string;
  readonly sender: string;
  readonly session: string;
  readonly term: number;
  readonly time: EpochMsec;
  /** Not to be acted upon later than this many ms after it was sent; absent for retained state. */
  readonly expiryMsec?: Milliseconds;
  /** The sender's monotonic clock: between gateways ages are told by it, since wall clocks differ and jump. */
  readonly uptimeMsec?: Milliseconds;
  readonly body: B;
}
