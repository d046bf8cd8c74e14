import type { Amperes, Milliseconds } from '../domain/quantities.ts';

interface Suspect {
  readonly currentA: Amperes;
  /** When it was told to lower and did not confirm. */
  readonly doubtedAt?: Milliseconds;
}

/**
 * Converters that were put out of WAIT and have not been seen back there (RULE-10). A doubtful one keeps its
 * current reserved until it is seen in WAIT again.
 */
export class Suspects {
  readonly #active = new Map<string, Suspect>();
  /** As `doubtful` gives them, until one changes: asked for many times in each pass. */
  #doubtful: ReadonlyMap<string, Milliseconds> | undefined;

  /** A converter is being raised, to this current at least. */
  add(unitId: string, currentA: Amperes): void {
    const known = this.#active.get(unitId);
    this.#doubtful = undefined;
    this.#active.set(unitId, { currentA: Math.max(currentA, known?.currentA ?? 0) });
  }

  /**
   * A lowering is not confirmed; a former grid master may have put the converter there, to `currentA` at most. An older
   * doubt stands: nothing has been granted since.
   */
  doubt(unitId: string, now: Milliseconds, currentA: Amperes): void {
    this.#doubtful = undefined;
    this.#active.set(unitId, { currentA, doubtedAt: now, ...this.#active.get(unitId) });
  }

  /** Seen in WAIT. */
  clear(unitId: string): void {
    this.#doubtful = undefined;
    this.#active.delete(unitId);
  }

  get doubtful(): ReadonlyMap<string, Milliseconds> {
    this.#doubtful ??= new Map(
      [...this.#active].flatMap(([unitId, { doubtedAt }]) => (doubtedAt === undefined ? [] : [[unitId, doubtedAt]])),
    );
    return this.#doubtful;
  }

  /** Current to keep free for converters that may still be active. */
  get reservedA(): Amperes {
    return [...this.#active.values()]
      .filter((suspect) => suspect.doubtedAt !== undefined)
      .reduce((sum, suspect) => sum + suspect.currentA, 0);
  }
}
