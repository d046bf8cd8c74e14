import type { Fault, FaultCategory, FaultExtent, FaultLevel } from './fault.ts';

/**
 * What may be done about a fault. The first five are done by the unit that the fault is about, the others by the
 * grid master's unit; each is described where it is carried out (`unit/fault-hands.ts`).
 */
export const FAULT_ACTIONS = [
  'stopLocal',
  'leaveBus',
  'stopOwnDeals',
  'resignGridMaster',
  'resetLocal',
  'shutdownLocal',
  'stopDeal',
  'scram',
  'resetAll',
  'globalStop',
] as const;
export type FaultAction = (typeof FAULT_ACTIONS)[number];

/** What the original does, where it has another word for it (market.md §4.6). */
export type OriginalAction = FaultAction | 'shutdownAll';

export interface FaultRow {
  /** In this order; a failing one does not stop those behind it. Logged, remembered and told is every fault. */
  readonly actions: readonly FaultAction[];
  /** What the original does (market.md §4.5), only where we differ; and why we do. */
  readonly original?: readonly OriginalAction[];
  readonly why?: string;
}

type ByLevel = Readonly<Record<FaultLevel, FaultRow>>;
type ByCategory = Readonly<Record<FaultCategory, ByLevel>>;

const NOTHING: FaultRow = { actions: [] };

/** A sick device is let go at once; whoever relied on it notices by itself (INV-3, RULE-7). */
const HARDWARE_ERROR: FaultRow = { actions: ['stopLocal', 'stopOwnDeals'] };
const HARDWARE_FATAL: FaultRow = { actions: ['stopLocal', 'stopOwnDeals', 'resignGridMaster', 'shutdownLocal'] };
/** Our own mistakes leave the device well: it goes in order, and still waits for nobody (market.md W38). */
const USER_ERROR: FaultRow = { actions: ['leaveBus', 'stopOwnDeals'] };
const SOFTWARE_ERROR: FaultRow = { actions: ['leaveBus', 'stopOwnDeals', 'resignGridMaster', 'resetLocal'] };
const SOFTWARE_FATAL: FaultRow = { actions: ['leaveBus', 'stopOwnDeals', 'resignGridMaster', 'shutdownLocal'] };

const UNKNOWN_IS_LOGIC =
  'a category that nobody knows is handled as LOGIC instead of being logged only (market.md W36)';

const LOCAL: ByCategory = {
  HARDWARE: { WARN: NOTHING, ERROR: HARDWARE_ERROR, FATAL: HARDWARE_FATAL, UNKNOWN: HARDWARE_FATAL },
  FRAMEWORK: { WARN: NOTHING, ERROR: SOFTWARE_ERROR, FATAL: SOFTWARE_FATAL, UNKNOWN: SOFTWARE_FATAL },
  LOGIC: { WARN: NOTHING, ERROR: SOFTWARE_ERROR, FATAL: SOFTWARE_FATAL, UNKNOWN: SOFTWARE_FATAL },
  USER: { WARN: NOTHING, ERROR: USER_ERROR, FATAL: SOFTWARE_FATAL, UNKNOWN: SOFTWARE_FATAL },
  UNKNOWN: {
    WARN: NOTHING,
    ERROR: { ...SOFTWARE_ERROR, original: [], why: UNKNOWN_IS_LOGIC },
    FATAL: HARDWARE_FATAL,
    UNKNOWN: HARDWARE_FATAL,
  },
};

const BUS_ERROR: FaultRow = { actions: ['scram', 'resetAll'] };
/** The one way into a mode that only an operator leaves (INV-10). */
const BUS_FATAL: FaultRow = {
  actions: ['scram', 'globalStop'],
  original: ['scram', 'shutdownAll'],
  why: 'units that stay in mode stop go on watching their converters, and can be asked and set going again',
};

const GLOBAL: ByCategory = {
  HARDWARE: {
    WARN: NOTHING,
    ERROR: {
      actions: ['scram'],
      original: ['scram', 'globalStop'],
      why: 'trading resumes by itself once the fault has stayed away for the sustaining time (INV-10, control.md S8)',
    },
    FATAL: BUS_FATAL,
    UNKNOWN: BUS_FATAL,
  },
  FRAMEWORK: { WARN: NOTHING, ERROR: BUS_ERROR, FATAL: BUS_FATAL, UNKNOWN: BUS_FATAL },
  LOGIC: { WARN: NOTHING, ERROR: BUS_ERROR, FATAL: BUS_FATAL, UNKNOWN: BUS_FATAL },
  USER: { WARN: NOTHING, ERROR: { actions: ['scram'] }, FATAL: BUS_FATAL, UNKNOWN: BUS_FATAL },
  UNKNOWN: {
    WARN: NOTHING,
    ERROR: { ...BUS_ERROR, original: [], why: UNKNOWN_IS_LOGIC },
    FATAL: BUS_FATAL,
    UNKNOWN: BUS_FATAL,
  },
};

/** Every combination and what is done about it (market.md §4.5, vectors EA-*); an unknown extent counts as GLOBAL. */
export const FAULT_TABLE: Readonly<Record<FaultExtent, ByCategory>> = { LOCAL, GLOBAL, UNKNOWN: GLOBAL };

/** Whom a fault keeps from trading until it has stayed away for the sustaining time. */
export type Barred = 'nobody' | 'unit' | 'cluster';

export interface FaultMeasures {
  readonly actions: readonly FaultAction[];
  readonly bars: Barred;
}

/**
 * What an ERROR can concern at most, by the beginning of its reason, whatever extent its raiser gave it: a lost
 * message, a vanished deal or an unreachable peer never becomes a stop of the cluster (control.md D5, D8).
 */
interface Scope {
  readonly reason: string;
  readonly extents: readonly FaultExtent[];
  readonly needsDeal: boolean;
  readonly measures: FaultMeasures;
}

const WIDE: readonly FaultExtent[] = ['GLOBAL', 'UNKNOWN'];

export const FAULT_SCOPES: readonly Scope[] = [
  { reason: 'peer.', extents: ['LOCAL', ...WIDE], needsDeal: false, measures: { actions: [], bars: 'nobody' } },
  { reason: 'deal.', extents: WIDE, needsDeal: true, measures: { actions: ['stopDeal'], bars: 'nobody' } },
  {
    reason: 'grid-master.',
    extents: WIDE,
    needsDeal: false,
    measures: { actions: ['resignGridMaster'], bars: 'cluster' },
  },
];

type Judged = Pick<Fault, 'category' | 'extent' | 'level' | 'reason' | 'dealId'>;

/** What is done about a fault, and whom it keeps from trading: its scope, else its row of the table. */
export function measuresFor(fault: Judged): FaultMeasures {
  if (fault.level === 'ERROR') {
    const scope = FAULT_SCOPES.find((one) => isWithin(one, fault));
    if (scope !== undefined) return scope.measures;
  }
  const { actions } = FAULT_TABLE[fault.extent][fault.category][fault.level];
  if (fault.level === 'WARN') return { actions, bars: 'nobody' };
  return { actions, bars: fault.extent === 'LOCAL' ? 'unit' : 'cluster' };
}

const isWithin = (scope: Scope, { reason, extent, dealId }: Judged): boolean =>
  reason.startsWith(scope.reason) && scope.extents.includes(extent) && !(scope.needsDeal && dealId === undefined);

/** FATAL, or so strange that it must be taken for it: stays until an operator acknowledges it. */
export const isFatal = ({ level }: Pick<Fault, 'level'>): boolean => level === 'FATAL' || level === 'UNKNOWN';
