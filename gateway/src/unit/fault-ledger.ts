import { messageOf } from '../domain/errors.ts';
import { type Fault, readFault } from '../domain/fault.ts';
import { isFatal } from '../domain/fault-actions.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Store } from '../ports/store.ts';

export const REMEMBERED_FAULTS = 200;
const KEY = 'faults';

/** A fault as a unit remembers it. */
export interface FaultEntry {
  /** The same at every unit: the reporter's id and its count. */
  readonly faultId: string;
  readonly reporter: string;
  readonly fault: Fault;
  /** Monotonic time of its last sight; before all time when a former process saw it. */
  readonly seenAt: Milliseconds;
  /** Measured to be over. */
  readonly isOver?: true;
  /** How often it has come back after it was measured to be over; absent for never. */
  readonly returns?: number;
}

export interface FaultLedgerNeeds {
  readonly unitId: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** For so long a fault that comes again is the same one still. */
  sameWithinMsec(): Milliseconds;
}

type Record_ = Omit<FaultEntry, 'seenAt' | 'isOver' | 'returns'>;

const isSame = (a: Fault, b: Fault): boolean =>
  (['unitId', 'category', 'extent', 'level', 'reason', 'dealId'] as const).every((field) => a[field] === b[field]);

/** The last faults that concern a unit, its own and others', durable and in order of their first sight. */
export class FaultLedger {
  readonly #needs: FaultLedgerNeeds;
  /** By id, in order of their first sight. */
  readonly #entries = new Map<string, FaultEntry>();
  #next = 1;

  constructor(needs: FaultLedgerNeeds) {
    this.#needs = needs;
  }

  /** Reads what the last process left; a record that is none is left out (INV-11). */
  async load(): Promise<void> {
    const saved = (await this.#needs.store.load(KEY)) as { next?: unknown; faults?: unknown } | undefined;
    if (typeof saved?.next === 'number') this.#next = saved.next;
    const records = Array.isArray(saved?.faults) ? saved.faults.filter(isRecord) : [];
    for (const one of records) {
      this.#entries.set(one.faultId, { ...one, fault: readFault(one.fault), seenAt: Number.NEGATIVE_INFINITY });
    }
  }

  /** Oldest first. */
  entries(): readonly FaultEntry[] {
    return [...this.#entries.values()];
  }

  get(faultId: string): FaultEntry | undefined {
    return this.#entries.get(faultId);
  }

  /** A fault seen here: a new entry, or one more sight of one that is there already. */
  note(fault: Fault): FaultEntry {
    const { unitId, clock } = this.#needs;
    const former = this.entries().findLast((entry) => entry.reporter === unitId && this.#goesOn(entry, fault));
    if (former === undefined) {
      return this.#put({ faultId: `${unitId}-${this.#next++}`, reporter: unitId, fault, seenAt: clock.monotonic() });
    }
    const { at, count = 1, answered } = former.fault;
    return this.#put({
      ...afterSight(former),
      fault: { ...fault, at, count: count + 1, lastAt: fault.at, ...(answered === undefined ? {} : { answered }) },
      seenAt: clock.monotonic(),
    });
  }

  /** What another unit tells of a fault; the entry when something new was told. */
  hear(faultId: string, reporter: string, fault: Fault): FaultEntry | undefined {
    const known = this.get(faultId);
    // A reporter that has lost its memory counts anew: an old id with another time of first sight is another fault.
    if (known === undefined || known.fault.at !== fault.at) {
      return this.#put({ faultId, reporter, fault, seenAt: this.#needs.clock.monotonic() });
    }
    const { count = 1, acknowledgedAt } = known.fault;
    this.answered(faultId, fault.answered ?? 0);
    if ((fault.count ?? 1) > count)
      return this.#put({ ...afterSight(known), fault, seenAt: this.#needs.clock.monotonic() });
    const isAcknowledged = acknowledgedAt === undefined && fault.acknowledgedAt !== undefined;
    return isAcknowledged
      ? this.#put({ ...known, fault: { ...known.fault, acknowledgedAt: fault.acknowledgedAt } })
      : undefined;
  }

  /** It is being answered until now: the time that it has to stay away begins anew (market.md §4.4). */
  touch(faultId: string): void {
    const known = this.get(faultId);
    if (known !== undefined) this.#entries.set(faultId, { ...known, seenAt: this.#needs.clock.monotonic() });
  }

  /** It has been measured to be over. */
  recovered(faultId: string): void {
    const known = this.get(faultId);
    if (known !== undefined) this.#entries.set(faultId, { ...known, isOver: true });
  }

  /** The grid master has answered so many sights of it; undefined when that is no news. */
  answered(faultId: string, count: number): FaultEntry | undefined {
    const known = this.get(faultId);
    if (known === undefined || (known.fault.answered ?? 0) >= count) return undefined;
    return this.#put({ ...known, fault: { ...known.fault, answered: count } });
  }

  /** An operator has taken note; undefined for a fault that is not remembered. */
  acknowledge(faultId: string, acknowledgedAt: string): FaultEntry | undefined {
    const known = this.get(faultId);
    if (known === undefined || known.fault.acknowledgedAt !== undefined) return known;
    return this.#put({ ...known, fault: { ...known.fault, acknowledgedAt } });
  }

  /** A fault that is fatal, or was seen a short while ago, is still the same when it comes again. */
  #goesOn(entry: FaultEntry, fault: Fault): boolean {
    if (entry.fault.acknowledgedAt !== undefined || !isSame(entry.fault, fault)) return false;
    return isFatal(fault) || this.#needs.clock.monotonic() - entry.seenAt < this.#needs.sameWithinMsec();
  }

  #put(entry: FaultEntry): FaultEntry {
    this.#entries.set(entry.faultId, entry);
    if (this.#entries.size > REMEMBERED_FAULTS) this.#forgetOne();
    this.#save();
    return entry;
  }

  /** The oldest that nobody has to acknowledge; without such a one, the oldest. */
  #forgetOne(): void {
    const entries = this.entries();
    const oldest = entries.find(({ fault }) => !isFatal(fault) || fault.acknowledgedAt !== undefined) ?? entries[0];
    if (oldest !== undefined) this.#entries.delete(oldest.faultId);
  }

  /** Not awaited: a slow or full disk never delays a stop (RULE-11, market.md W33). */
  #save(): void {
    const { store, log } = this.#needs;
    const faults = this.entries().map(({ faultId, reporter, fault }): Record_ => ({ faultId, reporter, fault }));
    store.save(KEY, { next: this.#next, faults }).catch((error: unknown) => {
      log.warn({ message: messageOf(error) }, 'faults.not-saved');
    });
  }
}

/** The entry at one more sight of its fault: one that was over has come back. */
const afterSight = ({ isOver, ...entry }: FaultEntry): FaultEntry =>
  isOver === undefined ? entry : { ...entry, returns: (entry.returns ?? 0) + 1 };

function isRecord(one: unknown): one is Record_ {
  const { faultId, reporter, fault } = (one ?? {}) as Partial<Record<keyof Record_, unknown>>;
  return typeof faultId === 'string' && typeof reporter === 'string' && typeof fault === 'object' && fault !== null;
}
