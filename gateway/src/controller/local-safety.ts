import type { Milliseconds } from '../domain/quantities.ts';
import { checkDeals } from './deal-checks.ts';
import { checkDynamics } from './dynamic-check.ts';
import { checkRanges } from './range-check.ts';
import type { SafetyCheck, SafetyInput, Violation } from './safety-check.ts';
import { checkAlarm, checkBatteryPermission, checkMode } from './status-checks.ts';

/** Checks that a status alone allows, none of which waits. */
const AT_ONCE: readonly SafetyCheck[] = [checkAlarm, checkMode, checkRanges];
const ALL: readonly SafetyCheck[] = [...AT_ONCE, checkBatteryPermission, checkDeals, checkDynamics];

/** L1–L10 of control.md §5.2: every check that does not hold, without any memory. `status`: only those that never wait. */
export function violationsOf(input: SafetyInput, what: 'unit' | 'status'): readonly Violation[] {
  const found: Violation[] = [];
  for (const check of what === 'unit' ? ALL : AT_ONCE) found.push(...check(input));
  return found;
}

/** A violation, and whether it counts (`ERROR`) or is only suspected yet (`WARN`). */
export interface Finding extends Violation {
  readonly level: 'WARN' | 'ERROR';
}

/** Debounces by time and by distinct samples (control.md S3). One good evaluation forgets a suspicion. */
export class SuspicionBook {
  readonly #since = new Map<string, Milliseconds>();

  /** Findings of one sample taken at `at`. */
  judge(violations: readonly Violation[], at: Milliseconds): readonly Finding[] {
    if (violations.length === 0) {
      this.#since.clear();
      return [];
    }
    const present = new Set(violations.map(({ check }) => check));
    for (const check of this.#since.keys()) if (!present.has(check)) this.#since.delete(check);
    return violations
      .map((violation) => ({ ...violation, level: this.#level(violation, at) }))
      .filter(({ level, isUsual }) => level === 'ERROR' || isUsual !== true);
  }

  #level({ check, holdMsec }: Violation, at: Milliseconds): 'WARN' | 'ERROR' {
    if (holdMsec === undefined) return 'ERROR';
    const since = this.#since.get(check) ?? at;
    this.#since.set(check, since);
    return at > since && at - since >= holdMsec ? 'ERROR' : 'WARN';
  }
}
