import type { Report } from './report.ts';

/** A relation among values that no single key can show (control §8.4). */
export interface ConsistencyRule<T> {
  /** The key to blame. */
  readonly path: string;
  /** `problem`: cannot work or cannot be safe. `warning`: works, most likely not meant. */
  readonly severity: 'problem' | 'warning';
  /** What is wrong, once for each finding; empty when the rule holds. */
  readonly broken: (value: T) => readonly string[];
}

/** `message` when `isBroken`, else nothing: for rules with one finding. */
export const when = (isBroken: boolean, message: string): readonly string[] => (isBroken ? [message] : []);

/** Reports every finding of every rule at the line of its key. */
export function applyRules<T>(
  rules: readonly ConsistencyRule<T>[],
  value: T,
  report: Report,
  lineOf: (path: string) => number,
): void {
  for (const { path, severity, broken } of rules) {
    for (const message of broken(value)) {
      const finding = { line: lineOf(path), path, message };
      if (severity === 'problem') report.problem(finding);
      else report.warn(finding);
    }
  }
}
