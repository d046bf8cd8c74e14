import { type Deal, isActivated, isDeactivated, isStarted, isStopped } from '../domain/deal.ts';
import { NEVER } from '../domain/timestamp.ts';

/** A change of a record: fields to set, and fields to take away by `undefined`. */
export type DealChange = { readonly [K in keyof Deal]?: Deal[K] | undefined };

/** Longest text kept as a reason (control.md Q7). */
const REASON_LIMIT = 200;

/** Marks of phases that a deal will not reach any more, and of those that end now (control.md §4.11, §7.4). */
function endMarks(deal: Deal, at: string): DealChange {
  const ends: DealChange = isActivated(deal)
    ? { deactivateDateTime: at }
    : { activateDateTime: NEVER, deactivateDateTime: NEVER };
  if (!isStarted(deal)) return { ...ends, startDateTime: NEVER, stopDateTime: NEVER };
  return isStopped(deal) ? ends : { ...ends, stopDateTime: at };
}

/** Every `…DateTime` of the end, and no master flag any more. A mark that stands is never moved (RULE-13). */
export function ended(deal: Deal, at: string): DealChange {
  return isDeactivated(deal) ? {} : { ...endMarks(deal, at), isMaster: undefined, needToStopReasons: undefined };
}

/** The record of an abortion; the first one names the deal's reason, each one is listed. */
export function aborted(deal: Deal, at: string, reason: string): DealChange {
  if (isDeactivated(deal)) return {};
  const entry = { dateTime: at, reason: reason.slice(0, REASON_LIMIT) };
  const first = deal.abortDateTime === undefined ? { abortDateTime: at, abortReason: entry.reason } : {};
  return { ...first, abort: [...(deal.abort ?? []), entry] };
}

/** The record of a SCRAM (control.md §7.4). */
export function scrammed(deal: Deal, at: string, reason: string): DealChange {
  if (isDeactivated(deal)) return {};
  return { scramDateTime: at, scramReason: JSON.stringify([reason.slice(0, REASON_LIMIT)]), ...ended(deal, at) };
}

/** Back to created after a failed authorisation, with the reason listed (control.md §4.8). */
export const reset = (deal: Deal, at: string, reason: string): DealChange => ({
  activateDateTime: undefined,
  rampUpDateTime: undefined,
  warmUpDateTime: undefined,
  startDateTime: undefined,
  stopDateTime: undefined,
  deactivateDateTime: undefined,
  isMaster: undefined,
  compensationTargetVoltageReferenceGridCurrentA: undefined,
  reset: [...(deal.reset ?? []), { dateTime: at, reason: reason.slice(0, REASON_LIMIT) }],
});

/** The record with a change applied: undefined takes a field away. */
export function withChange(deal: Deal, change: DealChange, term: number): Deal {
  const merged = { ...deal, ...change, term, revision: deal.revision + 1 };
  // The cast: the entries of a deal and of a change to it, without those that are taken away.
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined)) as unknown as Deal;
}
