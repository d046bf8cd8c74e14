import type { ConverterMode } from '../domain/converter-mode.ts';
import type { GridState } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';

/** What a unit's converter may do, and until when by the unit's own monotonic clock. */
export interface HeldPermit {
  readonly modes: readonly ConverterMode[];
  readonly dealIds: readonly string[];
  readonly expiresAt: Milliseconds;
}

const REMEMBERED_BEACONS = 64;

/**
 * The unit's own side of permits (INV-2, RULE-1): a permit lasts `permitMsec` from the moment this unit *sent*
 * the beacon that the grid master echoes, so a delayed `grid` can never prolong one.
 */
export class PermitHolder {
  readonly #unitId: string;
  readonly #session: string;
  readonly #clock: Clock;
  readonly #sentAt = new Map<number, Milliseconds>();
  #held: HeldPermit | undefined;

  constructor(unitId: string, session: string, clock: Clock) {
    this.#unitId = unitId;
    this.#session = session;
    this.#clock = clock;
  }

  sentBeacon(beacon: number): void {
    this.#sentAt.set(beacon, this.#clock.monotonic());
    const oldest = this.#sentAt.keys().next().value;
    if (this.#sentAt.size > REMEMBERED_BEACONS && oldest !== undefined) this.#sentAt.delete(oldest);
  }

  /** Takes what an obeyed grid master says; an entry of another session or of a forgotten beacon grants nothing. */
  hearGrid(grid: GridState): void {
    if (!grid.granting) return; // RULE-4: what an older term granted runs out by itself
    const entry = grid.permits.find((permit) => permit.unitId === this.#unitId);
    const sentAt = entry?.session === this.#session ? this.#sentAt.get(entry.beacon) : undefined;
    this.#held =
      entry === undefined || sentAt === undefined || entry.modes.length === 0
        ? undefined
        : { modes: entry.modes, dealIds: entry.dealIds, expiresAt: sentAt + grid.permitMsec };
  }

  /** The live permit; undefined when there is none or it has run out. */
  current(): HeldPermit | undefined {
    return this.#held !== undefined && this.#clock.monotonic() < this.#held.expiresAt ? this.#held : undefined;
  }
}
