import type { AnyDelivery } from '../adapters/mesh/message-schemas.ts';
import { type Deal, isDeactivated, isNewerCopy } from '../domain/deal.ts';
import type { Fault } from '../domain/fault.ts';
import type { Birth, Channel, GridState, ModeState } from '../domain/messages.ts';
import type { EpochMsec } from '../domain/quantities.ts';
import type { UnitData } from '../domain/unit-data.ts';

export interface UnitState {
  /** Connection up, and heard within the last 5 s. */
  readonly online: boolean;
  /** Wall time of the last message. */
  readonly seenAt: EpochMsec;
  readonly birth?: Birth;
  readonly unit?: UnitData;
  readonly mode?: ModeState;
}

/** A fault with the id by which its unit knows it. */
export interface KnownFault extends Fault {
  readonly faultId: string;
}

/** What a client knows of the community, as plain data that can be shown or sent on. */
export interface CommunityState {
  readonly units: Readonly<Record<string, UnitState>>;
  /** Newest copies: all open ones, then the last 50 finished, each in order of creation. */
  readonly deals: readonly Deal[];
  readonly grid?: GridState;
  /** The last 100, oldest first. */
  readonly faults: readonly KnownFault[];
  /** The community's own clock, as last heard: emulated time may run faster than ours. */
  readonly time?: EpochMsec;
}

const SILENCE_MSEC = 5_000;
const MAX_UNITS = 256;
const MAX_OPEN_DEALS = 500;
const MAX_FINISHED_DEALS = 50;
const MAX_FAULTS = 100;

interface Seen {
  seenAt: EpochMsec;
  birth?: Birth;
  unit?: UnitData;
  mode?: ModeState;
}

/** Drops the oldest entries of a map beyond `limit`. */
function trim(map: Map<string, unknown>, limit: number): void {
  for (const key of map.keys()) {
    if (map.size <= limit) return;
    map.delete(key);
  }
}

const byCreation = (a: Deal, b: Deal): number =>
  a.createDateTime.localeCompare(b.createDateTime) || a.dealId.localeCompare(b.dealId);

/** Collects what is heard; memory stays bounded whatever is said. */
export class CommunityPicture {
  readonly #units = new Map<string, Seen>();
  readonly #open = new Map<string, Deal>();
  readonly #finished = new Map<string, Deal>();
  /** By unit, id and first sight: a unit repeats its last faults, and tells a fault that goes on again. */
  readonly #faults = new Map<string, KnownFault>();
  #grid: GridState | undefined;
  #time: EpochMsec | undefined;

  /** Takes in one message; false when there are already too many units. */
  hear(unitId: string, delivery: AnyDelivery, now: EpochMsec): boolean {
    const seen = this.#seen(unitId, now);
    if (seen === undefined) return false;
    seen.seenAt = now;
    this.#time = delivery.envelope.time;
    switch (delivery.channel) {
      case 'birth':
        seen.birth = delivery.envelope.body;
        break;
      case 'unit':
        seen.unit = delivery.envelope.body;
        break;
      case 'mode':
        seen.mode = delivery.envelope.body;
        break;
      case 'deal':
        this.#hearDeal(delivery.envelope.body);
        break;
      case 'grid':
        this.#hearGrid(delivery.envelope.body);
        break;
      case 'fault':
        this.#faults.set(`${unitId}/${delivery.key}/${delivery.envelope.body.at}`, {
          ...delivery.envelope.body,
          faultId: delivery.key,
        });
        trim(this.#faults, MAX_FAULTS);
        break;
      default: // elections, requests and commands are seen by listeners to messages, they are no state
    }
    return true;
  }

  /** A retained message was taken back. A deal that leaves while open was dropped by its party without a record. */
  forget(unitId: string, channel: Channel, key: string): void {
    if (channel === 'deal') this.#open.delete(key);
    if (channel === 'grid' && this.#grid?.gridMasterUnitId === unitId) this.#grid = undefined;
    const seen = this.#units.get(unitId);
    if (seen && (channel === 'birth' || channel === 'unit' || channel === 'mode')) delete seen[channel];
  }

  /** Everything of a unit, when nobody wants to hear of it any more. */
  drop(unitId: string): void {
    this.#units.delete(unitId);
  }

  seenAt(unitId: string): EpochMsec | undefined {
    return this.#units.get(unitId)?.seenAt;
  }

  isOnline(unitId: string, isConnected: boolean, now: EpochMsec): boolean {
    const seenAt = this.seenAt(unitId);
    return isConnected && seenAt !== undefined && now - seenAt <= SILENCE_MSEC;
  }

  unitIds(): readonly string[] {
    return [...this.#units.keys()].sort();
  }

  /** A snapshot; it does not change later. */
  state(isConnected: (unitId: string) => boolean, now: EpochMsec): CommunityState {
    const units = this.unitIds().map((unitId) => {
      const online = this.isOnline(unitId, isConnected(unitId), now);
      return [unitId, { ...(this.#units.get(unitId) as Seen), online }] as const; // unitIds lists the map's own keys
    });
    return {
      units: Object.fromEntries(units),
      deals: [...[...this.#open.values()].sort(byCreation), ...[...this.#finished.values()].sort(byCreation)],
      ...(this.#grid === undefined ? {} : { grid: this.#grid }),
      faults: [...this.#faults.values()],
      ...(this.#time === undefined ? {} : { time: this.#time }),
    };
  }

  #seen(unitId: string, now: EpochMsec): Seen | undefined {
    const known = this.#units.get(unitId);
    if (known !== undefined || this.#units.size >= MAX_UNITS) return known;
    const fresh: Seen = { seenAt: now };
    this.#units.set(unitId, fresh);
    return fresh;
  }

  #hearDeal(deal: Deal): void {
    const known = this.#open.get(deal.dealId) ?? this.#finished.get(deal.dealId);
    if (known !== undefined && !isNewerCopy(deal, known)) return;
    this.#open.delete(deal.dealId);
    const map = isDeactivated(deal) ? this.#finished : this.#open;
    map.set(deal.dealId, deal);
    trim(this.#open, MAX_OPEN_DEALS);
    trim(this.#finished, MAX_FINISHED_DEALS);
  }

  /** The highest term wins; a former grid master's retained word is overruled by it (INV-6). */
  #hearGrid(grid: GridState): void {
    if (this.#grid === undefined || grid.term >= this.#grid.term) this.#grid = grid;
  }
}
