import type { Deal, DealType } from '../domain/deal.ts';
import type { ExclusiveLocks } from '../ports/exclusive-locks.ts';

/** The original's names: both generations of gateways on one computer respect each other (control.md §2.1). */
const LOCK_OF: Readonly<Record<DealType, string>> = {
  charge: 'batteryCapacity.CHARGE',
  discharge: 'batteryCapacity.DISCHARGE',
};
const DIRECTIONS: readonly DealType[] = ['charge', 'discharge'];

export interface BatteryCapacityNeeds {
  readonly unitId: string;
  /** Absent: this unit has its battery for itself. */
  readonly locks: ExclusiveLocks | undefined;
  /** A lock can be neither had nor refused: the direction is closed until it can. */
  failed(error: unknown): void;
}

/**
 * Several units in different clusters may share one battery: at most one of them charges it and at most one discharges
 * it (control.md §2.1, market.md §2.8). A direction belongs to a unit as long as one of its deals moves that way, so
 * nothing has to be counted, and nothing leaks when deals of both directions end (control.md D16).
 */
export class BatteryCapacity {
  readonly #needs: BatteryCapacityNeeds;
  readonly #held = new Set<DealType>();

  constructor(needs: BatteryCapacityNeeds) {
    this.#needs = needs;
  }

  /** May a deal in that direction be agreed? Whoever asks has it afterwards no more than before. */
  isFree(direction: DealType): boolean {
    if (this.#held.has(direction)) return true;
    const isFree = this.take(direction);
    this.#giveBack(direction);
    return isFree;
  }

  /** Takes a direction for good; false when another process has it. */
  take(direction: DealType): boolean {
    const { locks, failed } = this.#needs;
    try {
      if (locks?.tryLock(LOCK_OF[direction]) === false) return false;
      this.#held.add(direction);
      return true;
    } catch (error) {
      failed(error);
      return false;
    }
  }

  /**
   * Has from now on the directions of these deals and no other; deals of a former process are among them after a crash.
   * Gives the directions that another process has taken meanwhile.
   */
  keep(deals: readonly Deal[]): readonly DealType[] {
    if (deals.length === 0 && this.#held.size === 0) return [];
    const { unitId } = this.#needs;
    const needed = new Set(deals.map((deal): DealType => (deal.chargeUnitId === unitId ? 'charge' : 'discharge')));
    for (const direction of this.#held) if (!needed.has(direction)) this.#giveBack(direction);
    return DIRECTIONS.filter((direction) => needed.has(direction) && !this.take(direction));
  }

  #giveBack(direction: DealType): void {
    if (!this.#held.delete(direction)) return;
    try {
      this.#needs.locks?.unlock(LOCK_OF[direction]);
    } catch (error) {
      this.#needs.failed(error);
    }
  }
}
