import type { Milliseconds } from '../../domain/quantities.ts';

export type Invariant = `INV-${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11}`;

/** Something that must not last: a violation once it has been there for longer than it may. */
export interface Finding {
  readonly invariant: Invariant;
  /** What stays the same while it is the same finding. */
  readonly subject: string;
  /** What was found and what is right, with numbers. */
  readonly message: string;
  readonly toleranceMsec: Milliseconds;
}

export interface Violation {
  readonly invariant: Invariant;
  readonly subject: string;
  readonly message: string;
  /** When it became one, ms of virtual time. */
  readonly at: Milliseconds;
}

/** Remembers since when each finding has been there without a break. */
export class Patience {
  readonly #since = new Map<string, { readonly at: Milliseconds; toleranceMsec: Milliseconds }>();

  /** Findings of one moment; gives those that have outlasted their tolerance. */
  judge(findings: readonly Finding[], at: Milliseconds): readonly Violation[] {
    const keys = new Set(findings.map(keyOf));
    for (const key of this.#since.keys()) if (!keys.has(key)) this.#since.delete(key);
    return findings.flatMap((finding) => this.#judgeOne(finding, at));
  }

  /** Something is being tolerated now. */
  get isWaiting(): boolean {
    return this.#since.size > 0;
  }

  /** The tolerance is the largest that applied meanwhile: a fault that excuses may come in between. */
  #judgeOne(finding: Finding, at: Milliseconds): Violation[] {
    const key = keyOf(finding);
    const known = this.#since.get(key) ?? { at, toleranceMsec: finding.toleranceMsec };
    this.#since.set(key, known);
    known.toleranceMsec = Math.max(known.toleranceMsec, finding.toleranceMsec);
    const lastedMsec = at - known.at;
    if (lastedMsec < known.toleranceMsec || (lastedMsec === 0 && known.toleranceMsec > 0)) return [];
    const { invariant, subject, message } = finding;
    return [{ invariant, subject, message: `${message} (for ${lastedMsec.toFixed(0)} ms)`, at }];
  }
}

const keyOf = ({ invariant, subject }: Finding): string => `${invariant} ${subject}`;
