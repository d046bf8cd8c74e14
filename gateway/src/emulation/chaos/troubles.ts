import type { Milliseconds } from '../../domain/quantities.ts';

/** A fault goes on to excuse what it did for so long after it was healed: a given-up request lasts that long. */
const AFTERMATH_MSEC: Readonly<Record<string, Milliseconds>> = {
  noReply: 16_000,
  lateReply: 16_000,
  houseOffline: 16_000,
  duplicate: 5_000,
  batteryLocked: 5_000,
};
const USUAL_MSEC: Milliseconds = 3_000;

/** Which faults are at work in each place, those included that were healed a moment ago. */
export class Troubles {
  readonly #until = new Map<string, Map<string, Milliseconds>>();

  begin(place: string, kind: string): void {
    this.#of(place).set(kind, Number.POSITIVE_INFINITY);
  }

  end(place: string, kind: string, at: Milliseconds): void {
    this.#of(place).set(kind, at + (AFTERMATH_MSEC[kind] ?? USUAL_MSEC));
  }

  at(place: string, now: Milliseconds): ReadonlySet<string> {
    const kinds = this.#of(place);
    for (const [kind, until] of kinds) if (until <= now) kinds.delete(kind);
    return new Set(kinds.keys());
  }

  #of(place: string): Map<string, Milliseconds> {
    const known = this.#until.get(place) ?? new Map<string, Milliseconds>();
    this.#until.set(place, known);
    return known;
  }
}
