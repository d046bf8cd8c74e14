import { modeOfCode } from '../domain/converter-mode.ts';
import { isInvolved, partiesOfAll, slaveSideMustBeActive } from '../domain/deal.ts';
import type { FaultInput } from '../domain/fault.ts';
import type { Milliseconds, Volts } from '../domain/quantities.ts';
import { activeDealsOf, type GridView, gridCurrentOf, isUntold, modeOf } from './grid-view.ts';

export interface Violation {
  readonly check: 'balance' | 'idle-current' | 'branch' | 'voltage-spread';
  readonly message: string;
  /** Whose readings show it. */
  readonly unitIds: readonly string[];
  /** Sign of what does not add up: readings that are not of one moment err to one side, and a moment later to the other. */
  readonly direction?: number;
  /** Acts at the first sight, without a second look. */
  readonly isImmediate: boolean;
  /** A person should look; nothing is stopped for it, because each unit guards its own voltage (control.md §5.3). */
  readonly isWarning?: true;
}

const EPSILON_A = 1e-9;

/**
 * G2: while deals run, the currents of all units with a deal on the bus add up to nothing, within an allowance per
 * unit (INV-4). A deal that a former grid master left half way up, or that waits for its reference, counts as well.
 */
function balanceViolation(view: GridView): Violation | undefined {
  if (!view.deals.some(slaveSideMustBeActive)) return undefined;
  const present = activeDealsOf(view);
  const units = partiesOfAll(present).filter((unitId) => modeOf(view, unitId) !== 'WAIT');
  const currents = units.map((unitId) => (isUntold(view, unitId) ? undefined : gridCurrentOf(view, unitId)));
  const known = currents.filter((currentA) => currentA !== undefined);
  // A unit that does not tell is the business of the guard on lost parties.
  if (known.length === 0 || known.length < currents.length) return undefined;
  const sumA = known.reduce((sum, currentA) => sum + currentA, 0);
  const limitA = view.policy.safety.sumOfDealingUnitGridCurrentAllowancePerUnitA * units.length;
  if (Math.abs(sumA) <= limitA + EPSILON_A) return undefined;
  const message = `currents of ${units.join(', ')} add up to ${sumA.toFixed(3)} A, allowed are ${limitA.toFixed(3)} A`;
  return { check: 'balance', message, unitIds: units, direction: Math.sign(sumA), isImmediate: false };
}

/** Leakage: a converter in WAIT without a deal moves no current (control.md S6). */
function idleViolation(view: GridView): Violation | undefined {
  const limitA = view.policy.safety.sumOfDealingUnitGridCurrentAllowancePerUnitA;
  for (const unitId of view.policy.memberUnitIds) {
    const dcdc = view.dcdc(unitId);
    const isIdle = modeOfCode(dcdc?.status.status) === 'WAIT' && !view.deals.some((deal) => isInvolved(deal, unitId));
    const currentA = dcdc?.meter.ig ?? 0;
    if (isIdle && Math.abs(currentA) > limitA + EPSILON_A) {
      const message = `${unitId} is in WAIT without a deal and moves ${currentA.toFixed(3)} A, allowed are ${limitA} A`;
      return { check: 'idle-current', message, unitIds: [unitId], isImmediate: false };
    }
  }
  return undefined;
}

/** G3: the measured currents behind a branch stay within its capacity. */
function branchViolation(view: GridView): Violation | undefined {
  const topology = view.policy.safety.gridTopologyBasedEvaluation;
  if (!topology.enabled) return undefined;
  for (const branchId of topology.branchIds) {
    const units = topology.branchAssociation[branchId]?.forwardUnitIds ?? [];
    const sumA = units.reduce((sum, unitId) => sum + (gridCurrentOf(view, unitId) ?? 0), 0);
    const limitA = Math.abs(topology.branchCurrentCapacityA[branchId] ?? 0);
    if (Math.abs(sumA) > limitA + EPSILON_A) {
      const message = `branch ${branchId} carries ${sumA.toFixed(3)} A, its limit is ${limitA} A`;
      return { check: 'branch', message, unitIds: units, isImmediate: true };
    }
  }
  return undefined;
}

/** Who is active sees the same bus, but for the drop that lines may have and what meters may be off: else a line is open or shorted (control.md S5). */
function spreadViolation(view: GridView): Violation | undefined {
  let lowest: { readonly unitId: string; readonly vg: Volts } | undefined;
  let highest: typeof lowest;
  for (const unitId of view.policy.memberUnitIds) {
    const dcdc = view.dcdc(unitId);
    if (dcdc === undefined || modeOfCode(dcdc.status.status) === 'WAIT') continue;
    const seen = { unitId, vg: dcdc.meter.vg };
    if (lowest === undefined || seen.vg < lowest.vg) lowest = seen;
    if (highest === undefined || seen.vg >= highest.vg) highest = seen;
  }
  if (lowest === undefined || highest === undefined) return undefined;
  const limitV = view.policy.gridVoltageDropAllowanceV + 2 * view.policy.gridVoltageAllowanceV;
  if (highest.vg - lowest.vg <= limitV) return undefined;
  const message = `${lowest.unitId} sees ${lowest.vg} V and ${highest.unitId} ${highest.vg} V, allowed are ${limitV} V apart`;
  const unitIds = [lowest.unitId, highest.unitId];
  return { check: 'voltage-spread', message, unitIds, isImmediate: false, isWarning: true };
}

/** Every violation of the global checks at this moment (control.md §5.4, G2 and G3, S5, S6). */
export const violationsOf = (view: GridView): readonly Violation[] =>
  [balanceViolation(view), idleViolation(view), branchViolation(view), spreadViolation(view)].filter(
    (one) => one !== undefined,
  );

/** For how long a violation has to last before it counts: two strikes by time and by samples, not by evaluations (control.md S3). */
export const STRIKE_MSEC = 1_000;

/** For how long one has to last whatever its direction, and whoever was heard: nothing that leaves the bus takes so long. */
const ANY_WAY_MSEC = 3 * STRIKE_MSEC;

/** The moment of an evaluation. */
export interface Sight {
  readonly now: Milliseconds;
  /** When the newest reading of a unit came in. */
  seenAt(unitId: string): Milliseconds | undefined;
  /** The whole bus is brought down. */
  readonly isHalting?: boolean;
}

/** What has to last: the same check, in the same direction. */
const keyOf = ({ check, direction = 0 }: Violation): string => `${check} ${direction}`;

/** Remembers since when a check has been violated. */
export class StrikeCounter {
  readonly #since = new Map<string, Milliseconds>();

  /**
   * The faults of this moment: WARN when a violation begins, ERROR when it lasts; a good evaluation forgets. It lasts by
   * distinct samples of all whom it is read from (control.md S3): a unit that has just stopped by itself and has not said
   * so yet costs its own deals, not those of all. While the whole bus is brought down converters leave it one by one: what
   * begins then is nothing to suspect, and counts when it lasts all the same.
   */
  faultsOf(violations: readonly Violation[], sight: Sight): readonly FaultInput[] {
    if (violations.length === 0) {
      this.clear();
      return [];
    }
    const present = new Set(violations.flatMap((violation) => [violation.check, keyOf(violation)]));
    for (const key of this.#since.keys()) if (!present.has(key)) this.#since.delete(key);
    return violations.flatMap((violation) => {
      const begins = !this.#since.has(keyOf(violation)) && sight.isHalting !== true;
      const lasts = this.#lasts(violation, sight);
      if (violation.isWarning) return lasts ? [this.#fault(violation, 'WARN')] : [];
      return lasts || begins ? [this.#fault(violation, lasts ? 'ERROR' : 'WARN')] : [];
    });
  }

  /** Something does not add up at present. */
  get isCounting(): boolean {
    return this.#since.size > 0;
  }

  /** The bus is being changed on purpose: what was seen so far does not count. */
  clear(): void {
    this.#since.clear();
  }

  #lasts(violation: Violation, { now, seenAt }: Sight): boolean {
    const since = this.#sinceOf(keyOf(violation), now);
    const sinceAnyWay = this.#sinceOf(violation.check, now);
    const isSeenAnew = (unitId: string): boolean => (seenAt(unitId) ?? since) > since;
    const lastsOneWay = now - since >= STRIKE_MSEC && violation.unitIds.every(isSeenAnew);
    return violation.isImmediate || lastsOneWay || now - sinceAnyWay >= ANY_WAY_MSEC;
  }

  /** The first time that it is asked. */
  #sinceOf(key: string, now: Milliseconds): Milliseconds {
    const since = this.#since.get(key) ?? now;
    this.#since.set(key, since);
    return since;
  }

  #fault(violation: Violation, level: 'WARN' | 'ERROR'): FaultInput {
    const reason = `grid.${violation.check}`;
    return { category: 'HARDWARE', extent: 'GLOBAL', level, reason, message: violation.message };
  }
}
