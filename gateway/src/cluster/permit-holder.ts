import { type ConverterMode, CURRENT_SIGN } from '../domain/converter-mode.ts';
import type { GridState } from '../domain/messages.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Clock } from '../ports/clock.ts';
import { SentTimes } from './sent-times.ts';

/** What a unit's converter may do, and until when by the unit's own monotonic clock; all that RULE-1 names. */
export interface HeldPermit {
  readonly term: number;
  readonly modes: readonly ConverterMode[];
  readonly dealIds: readonly string[];
  readonly expiresAt: Milliseconds;
  /** Whose voltage it relies on, and in which session of that unit. */
  readonly voltageReference?: { readonly unitId: string; readonly session: string };
  readonly handOver?: { readonly from: string; readonly to: string };
  /** The list that granted it held no constant-current converter besides this one (RULE-7). */
  readonly isAlone: boolean;
}

const REMEMBERED_BEACONS = 64;

const isConstantCurrent = (mode: ConverterMode): boolean => CURRENT_SIGN[mode] !== 0;

/**
 * The unit's own side of permits (INV-2, RULE-1): a permit lasts `permitMsec` from the moment this unit *sent*
 * the beacon that the grid master echoes, so a delayed `grid` can never prolong one.
 */
export class PermitHolder {
  readonly #unitId: string;
  readonly #session: string;
  readonly #clock: Clock;
  readonly #sent = new SentTimes(REMEMBERED_BEACONS);
  #held: HeldPermit | undefined;

  constructor(unitId: string, session: string, clock: Clock) {
    this.#unitId = unitId;
    this.#session = session;
    this.#clock = clock;
  }

  sentBeacon(beacon: number): void {
    this.#sent.note(beacon, this.#clock.monotonic());
  }

  /** Takes what an obeyed grid master says; an entry of another session or of a forgotten beacon grants nothing. */
  hearGrid(grid: GridState): void {
    const renewed = this.#grantedBy(grid);
    if (renewed === undefined && !grid.granting) return; // RULE-4: what an older term granted runs out by itself
    this.#held = renewed;
  }

  #grantedBy(grid: GridState): HeldPermit | undefined {
    const entry = grid.permits.find((permit) => permit.unitId === this.#unitId);
    const sentAt = entry?.session === this.#session ? this.#sent.at(entry.beacon) : undefined;
    if (entry === undefined || sentAt === undefined || entry.modes.length === 0) return undefined;
    const { voltageReferenceUnitId: unitId, voltageReferenceSession: session, handOver } = grid;
    return {
      term: grid.term,
      modes: entry.modes,
      dealIds: entry.dealIds,
      expiresAt: sentAt + grid.permitMsec,
      ...(unitId === undefined || session === undefined ? {} : { voltageReference: { unitId, session } }),
      ...(handOver === undefined ? {} : { handOver }),
      isAlone: !grid.permits.some((one) => one.unitId !== this.#unitId && one.modes.some(isConstantCurrent)),
    };
  }

  /** The live permit; undefined when there is none or it has run out. */
  current(): HeldPermit | undefined {
    return this.#held !== undefined && this.#clock.monotonic() < this.#held.expiresAt ? this.#held : undefined;
  }
}
