/** Faults as in control.md §7 and market.md §4. */
export const FAULT_CATEGORIES = ['HARDWARE', 'FRAMEWORK', 'LOGIC', 'USER', 'UNKNOWN'] as const;
export const FAULT_EXTENTS = ['GLOBAL', 'LOCAL', 'UNKNOWN'] as const;
export const FAULT_LEVELS = ['WARN', 'ERROR', 'FATAL', 'UNKNOWN'] as const;
export type FaultCategory = (typeof FAULT_CATEGORIES)[number];
export type FaultExtent = (typeof FAULT_EXTENTS)[number];
export type FaultLevel = (typeof FAULT_LEVELS)[number];

export interface Fault {
  /** The unit that the fault is about. */
  readonly unitId: string;
  readonly category: FaultCategory;
  readonly extent: FaultExtent;
  readonly level: FaultLevel;
  /** Stable dotted code, e.g. `safety.over-voltage`; programs decide by it, never by the message. */
  readonly reason: string;
  /** For people: what happened, with the value and the limit. */
  readonly message: string;
  /** When it was first seen, the unit's wall clock. */
  readonly at: string;
  readonly dealId?: string;
  /** How often it was seen, when more than once, and when last: equal faults are told as one. */
  readonly count?: number;
  readonly lastAt?: string;
  /** How many of its sights the grid master has answered: another one that follows does not do it again. */
  readonly answered?: number;
  /** When an operator took note of it. */
  readonly acknowledgedAt?: string;
}

const known = <T extends string>(words: readonly T[], text: unknown): T | undefined =>
  words.find((word) => word === text);

/** A fault as another unit told it: words that nobody knows become UNKNOWN (market.md §4.1). */
export const readFault = (fault: Fault): Fault => ({
  ...fault,
  category: known(FAULT_CATEGORIES, fault.category) ?? 'UNKNOWN',
  extent: known(FAULT_EXTENTS, fault.extent) ?? 'UNKNOWN',
  level: known(FAULT_LEVELS, fault.level) ?? 'UNKNOWN',
});

/** Short form of control.md §0: `H:L:ERROR`. */
export const faultTag = (fault: Pick<Fault, 'category' | 'extent' | 'level'>): string =>
  `${fault.category[0]}:${fault.extent[0]}:${fault.level}`;

/** What a service says when it raises a fault; the unit adds its own id and the time. */
export type FaultInput = Omit<Fault, 'unitId' | 'at' | 'count' | 'lastAt' | 'answered' | 'acknowledgedAt'> & {
  readonly unitId?: string;
};
