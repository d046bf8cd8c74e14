import type { Problem } from '../domain/errors.ts';
import type { JsonNode } from './json-tree.ts';

const LONGEST_VALUE = 60;

/** Collects every problem and warning of one file, so that all are shown at once. */
export class Report {
  readonly file: string;
  readonly problems: Problem[] = [];
  readonly warnings: Problem[] = [];

  constructor(file: string) {
    this.file = file;
  }

  /** Something that makes the file unusable. */
  problem(at: Finding): void {
    this.problems.push({ file: this.file, ...at });
  }

  /** Something legal that is most likely not meant. */
  warn(at: Finding): void {
    this.warnings.push({ file: this.file, ...at });
  }
}

export type Finding = Omit<Problem, 'file'>;

/** The standard message: what would be right, and what stands there. */
export const expectedGot = (expected: string, got: string): string => `expected ${expected}, got ${got}`;

/** A value as shown in a message: JSON for scalars, a short name for the rest. */
export function shown(node: JsonNode | undefined): string {
  if (node === undefined) return 'nothing';
  if (node.kind === 'object') return 'an object';
  if (node.kind === 'array') return 'a list';
  const text = JSON.stringify(node.value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}
