import type { EpochMsec, Milliseconds } from './quantities.ts';
import type { Offer } from './trade.ts';

/** What becomes of an own request or accept when the flow that may refuse it says nothing in time. */
export type OnSilence = 'allow' | 'refuse';

/** Longest time that a flow may take for its word: a negotiation does not wait for it. */
export const LONGEST_VETO_MSEC: Milliseconds = 1_000;

/** An own request or accept, before anybody else hears of it: a flow may refuse it, and nothing else. */
export interface DealQuestion {
  readonly id: string;
  readonly step: 'request' | 'accept';
  readonly offer: Offer;
  /** Whose request would be accepted. */
  readonly peerUnitId?: string;
  /** When it was asked, by the clock of the unit's machine, and how long the answer is waited for. */
  readonly time: EpochMsec;
  readonly limitMsec: Milliseconds;
  readonly onSilence: OnSilence;
}
