import type { KnownFault } from '@apis-edge/gateway/client';
import { type FaultLevel, isFatal } from '@apis-edge/gateway/domain';
import { type AdviceLanguage, faultAdvice } from './fault-advice.ts';

export interface FaultView {
  readonly key: string;
  readonly faultId: string;
  readonly unitId: string;
  readonly level: FaultLevel;
  readonly levelText: string;
  readonly reason: string;
  readonly message: string;
  readonly at: string;
  readonly lastAt?: string;
  readonly count: number;
  readonly concerns: string;
  readonly acknowledgedAt?: string;
  readonly advice: string;
  /** Keeps its house, or all, from trading until somebody acknowledges it. */
  readonly holdsTrade: boolean;
}

export const FAULT_LISTS = ['open', 'acknowledged', 'all'] as const;
export type FaultList = (typeof FAULT_LISTS)[number];
export type FaultsView = Readonly<Record<FaultList, readonly FaultView[]>>;

const LEVEL_TEXTS: Readonly<Record<FaultLevel, string>> = {
  WARN: 'Warning',
  ERROR: 'Error',
  FATAL: 'Fatal',
  UNKNOWN: 'Not known',
};

const faultView = (fault: KnownFault, language: AdviceLanguage): FaultView => ({
  key: `${fault.faultId} ${fault.at}`,
  faultId: fault.faultId,
  unitId: fault.unitId,
  level: fault.level,
  levelText: LEVEL_TEXTS[fault.level],
  reason: fault.reason,
  message: fault.message,
  at: fault.at,
  count: fault.count ?? 1,
  concerns: fault.extent === 'LOCAL' ? 'this house' : 'the whole community',
  advice: faultAdvice(fault, language),
  holdsTrade: isFatal(fault) && fault.acknowledgedAt === undefined,
  ...(fault.lastAt === undefined ? {} : { lastAt: fault.lastAt }),
  ...(fault.acknowledgedAt === undefined ? {} : { acknowledgedAt: fault.acknowledgedAt }),
});

/** What several houses say of the same fault, as one: an acknowledgement by any of them counts. */
function merged(faults: readonly KnownFault[]): readonly KnownFault[] {
  const byKey = new Map<string, KnownFault>();
  for (const fault of faults) {
    const key = `${fault.faultId} ${fault.at}`;
    const known = byKey.get(key);
    const acknowledgedAt = fault.acknowledgedAt ?? known?.acknowledgedAt;
    const younger = known === undefined || (fault.count ?? 1) >= (known.count ?? 1) ? fault : known;
    byKey.set(key, acknowledgedAt === undefined ? younger : { ...younger, acknowledgedAt });
  }
  return [...byKey.values()];
}

const lastSeen = (fault: FaultView): string => fault.lastAt ?? fault.at;

/** Open: more than a warning and not acknowledged; those that hold the trade first, then the newest. Pure. */
export function faultsView(faults: readonly KnownFault[], language: AdviceLanguage = 'en'): FaultsView {
  const all = merged(faults)
    .map((fault) => faultView(fault, language))
    .sort((a, b) => lastSeen(b).localeCompare(lastSeen(a)));
  return {
    open: all
      .filter((fault) => fault.level !== 'WARN' && fault.acknowledgedAt === undefined)
      .sort((a, b) => Number(b.holdsTrade) - Number(a.holdsTrade)),
    acknowledged: all.filter((fault) => fault.acknowledgedAt !== undefined),
    all,
  };
}
