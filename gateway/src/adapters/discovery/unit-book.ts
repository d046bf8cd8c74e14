import type { Milliseconds } from '../../domain/quantities.ts';
import type { UnitPlace } from '../mesh/mqtt-topics.ts';
import type { Sighting } from './announcement.ts';

/** Not heard for so long, a unit is forgotten: three questions went without its answer. */
export const EXPIRY_MSEC: Milliseconds = 40_000;
/** So long the older of two units of one id may take to show that it still is there. */
export const TRIAL_MSEC: Milliseconds = 2_000;
/** More than any neighbourhood has; a flood of names fills no memory (INV-11). */
const MAX_ENTRIES = 512;

/** Two living units of one id: the first stays, the newcomer is refused. */
export interface Duplicate {
  readonly kept: Sighting;
  readonly refused: Sighting;
}

interface Entry {
  readonly sighting: Sighting;
  readonly firstSeen: Milliseconds;
  readonly lastSeen: Milliseconds;
}

/** The unit that an announcement is of, whoever announces it. */
export const placeOf = ({ communityId, clusterId, unitId }: UnitPlace): string =>
  `${communityId}/${clusterId}/${unitId}`;
const keyOf = ({ service, host }: Pick<Sighting, 'service' | 'host'>): string => `${service} ${host}`;

const byFirstSeen = (a: Entry, b: Entry): number => a.firstSeen - b.firstSeen;

/**
 * Who was heard, where and when. Times are monotonic and given by the caller. mDNS is a hint where a unit may be
 * found, and nothing here says that it lives (architecture.md §3).
 */
export class UnitBook {
  readonly #entries = new Map<string, Entry>();

  /** True when a known unit seems to be elsewhere now, or there twice: only questions tell. */
  see(sighting: Sighting, now: Milliseconds): boolean {
    const key = keyOf(sighting);
    const known = this.#entries.get(key);
    if (known === undefined && this.#entries.size >= MAX_ENTRIES) return false;
    this.#entries.set(key, { sighting, firstSeen: known?.firstSeen ?? now, lastSeen: now });
    return known === undefined && this.#rivalsOf(sighting).length > 0;
  }

  /** A goodbye; what the unit has at other addresses it keeps. */
  leave(service: string, host: string): void {
    this.#entries.delete(keyOf({ service, host }));
  }

  /** Drops what was not heard any more: after long silence, or, when a newcomer stands in its place, after a short one. */
  expire(now: Milliseconds): void {
    for (const [key, entry] of this.#entries) {
      if (now - entry.lastSeen >= EXPIRY_MSEC || this.#isSucceeded(entry, now)) this.#entries.delete(key);
    }
  }

  /** Every known unit once; of several that share an id the one that came first. */
  units(): readonly Sighting[] {
    const firstAt = new Map<string, Sighting>();
    for (const { sighting } of [...this.#entries.values()].sort(byFirstSeen)) {
      const place = placeOf(sighting);
      if (!firstAt.has(place)) firstAt.set(place, sighting);
    }
    return [...firstAt].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, first]) => first);
  }

  /** Every address at which those units were heard, the first ones first: one of a unit's interfaces may be cut off. */
  places(): readonly Sighting[] {
    const services = new Set(this.units().map(({ service }) => service));
    return [...this.#entries.values()]
      .sort(byFirstSeen)
      .map(({ sighting }) => sighting)
      .filter(({ service }) => services.has(service));
  }

  /** Newcomers whose id belongs to a unit that was heard again since they came. */
  duplicates(): readonly Duplicate[] {
    const kept = new Map(this.units().map((sighting) => [placeOf(sighting), sighting]));
    return [...this.#entries.values()].flatMap(({ sighting: refused, firstSeen }) => {
      const first = kept.get(placeOf(refused));
      const isProven = first !== undefined && this.#lastSeenOf(first) > firstSeen;
      return isProven && first.instance !== refused.instance ? [{ kept: first, refused }] : [];
    });
  }

  /** The same unit at another address or of another process. */
  #rivalsOf(one: Sighting): readonly Entry[] {
    return [...this.#entries.values()].filter(
      ({ sighting }) => placeOf(sighting) === placeOf(one) && keyOf(sighting) !== keyOf(one),
    );
  }

  #isSucceeded({ sighting, firstSeen, lastSeen }: Entry, now: Milliseconds): boolean {
    return this.#rivalsOf(sighting).some(
      (rival) => rival.firstSeen > firstSeen && rival.firstSeen >= lastSeen && now - rival.firstSeen >= TRIAL_MSEC,
    );
  }

  #lastSeenOf({ service }: Sighting): Milliseconds {
    const all = [...this.#entries.values()].filter(({ sighting }) => sighting.service === service);
    return Math.max(...all.map(({ lastSeen }) => lastSeen));
  }
}
