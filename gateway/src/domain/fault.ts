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
  readonly at: string;
  readonly dealId?: string;
}

/** Short form of control.md §0: `H:L:ERROR`. */
export const faultTag = (fault: Pick<Fault, 'category' | 'extent' | 'level'>): string =>
  `${fault.category[0]}:${fault.extent[0]}:${fault.level}`;

/** What a service says when it raises a fault; the unit adds its own id and the time. */
export type FaultInput = Omit<Fault, 'unitId' | 'at'> & { readonly unitId?: string };
