import { DeviceError } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Dcdc, UnitData } from '../domain/unit-data.ts';
import type { Clock } from '../ports/clock.ts';
import type { EnergySample } from './cumulation.ts';
import type { Community, Confirmation } from './needs.ts';

/** What was told, and when. */
interface Told<T> {
  readonly data: T;
  readonly at: Milliseconds;
}

/** What counts of a unit at present, put together once for all who ask until something newer comes. */
interface Known {
  readonly pushed: Told<UnitData> | undefined;
  readonly full: Told<UnitData> | undefined;
  readonly converter: Told<Pick<UnitData, 'dcdc'>> | undefined;
  readonly unit: UnitData | undefined;
  readonly sample: EnergySample | undefined;
}

const newest = <T>(pushed: Told<T> | undefined, answered: Told<T> | undefined): Told<T> | undefined =>
  pushed === undefined || (answered !== undefined && answered.at >= pushed.at) ? answered : pushed;

/** What is known of the units: what they push, and what they answer to commands and readings; the newer one counts. */
export class UnitBook {
  readonly #community: Community;
  readonly #clock: Clock;
  readonly #units = new Map<string, Told<UnitData>>();
  readonly #dcdcs = new Map<string, Told<Pick<UnitData, 'dcdc'>>>();
  readonly #known = new Map<string, Known>();
  readonly #fresh = new Set<string>();
  /** Has answered in this term at least once, whatever became of it since. */
  readonly #heard = new Set<string>();

  constructor(community: Community, clock: Clock) {
    this.#community = community;
    this.#clock = clock;
  }

  /** Takes in what a unit has answered; an answer also proves that it obeys this term, and acts by no older one (RULE-3). */
  answered(unitId: string, reply: Confirmation): void {
    const at = this.#clock.monotonic();
    if (reply.unit?.possiblyActive !== true) {
      this.#fresh.add(unitId);
      this.#heard.add(unitId);
    }
    if (reply.unit !== undefined) this.#units.set(unitId, { data: reply.unit, at });
    const dcdc = reply.dcdc ?? reply.unit?.dcdc;
    if (dcdc !== undefined) this.#dcdcs.set(unitId, { data: { dcdc }, at });
    this.#known.delete(unitId);
  }

  /** Has the unit answered anything in this term? */
  isFresh(unitId: string): boolean {
    return this.#fresh.has(unitId);
  }

  /** Has it ever been fresh in this term? Then it can hold no permit of an older one. */
  hasBeenHeard(unitId: string): boolean {
    return this.#heard.has(unitId);
  }

  /** The unit is gone: what it comes back with counts, not what it answered before. */
  forget(unitId: string): void {
    this.#fresh.delete(unitId);
    this.#units.delete(unitId);
    this.#dcdcs.delete(unitId);
    this.#known.delete(unitId);
  }

  #knownOf(unitId: string): Known {
    const pushed = this.#community.unit(unitId);
    const before = this.#known.get(unitId);
    if (before !== undefined && before.pushed === pushed) return before;
    const known = this.#combine(unitId, pushed);
    this.#known.set(unitId, known);
    return known;
  }

  #combine(unitId: string, pushed: Told<UnitData> | undefined): Known {
    const found = newest(pushed, this.#units.get(unitId));
    const full = found?.data.stale === true ? undefined : found;
    const converter = newest<Pick<UnitData, 'dcdc'>>(full, this.#dcdcs.get(unitId));
    const dcdc = converter?.data.dcdc;
    if (full === undefined || dcdc === undefined)
      return { pushed, full, converter, unit: undefined, sample: undefined };
    const { at, data } = full;
    const sample = { at, energyWh: data.apis.energy_wh, batteryPowerW: data.dcdc.meter.wb };
    return { pushed, full, converter, unit: data.dcdc === dcdc ? data : { ...data, dcdc }, sample };
  }

  /** Newest full data of a unit, with the converter's newest answer in it; undefined when unknown or stale. */
  unit(unitId: string): UnitData | undefined {
    return this.#knownOf(unitId).unit;
  }

  /** Newest converter data of a unit. */
  dcdc(unitId: string): Dcdc | undefined {
    return this.#knownOf(unitId).converter?.data.dcdc;
  }

  /** As `dcdc`, unless that is older. */
  dcdcSince(unitId: string, since: Milliseconds): Dcdc | undefined {
    const { converter } = this.#knownOf(unitId);
    return (converter?.at ?? 0) >= since ? converter?.data.dcdc : undefined;
  }

  /** When the newest converter data of a unit came in. */
  seenAt(unitId: string): Milliseconds | undefined {
    return this.#knownOf(unitId).converter?.at;
  }

  /** Newest converter data, for a step that cannot do without. */
  demandDcdc(unitId: string): Dcdc {
    const dcdc = this.dcdc(unitId);
    if (dcdc === undefined)
      throw new DeviceError('device.no-reading', `nothing is known of the converter of ${unitId}`);
    return dcdc;
  }

  /** Newest word of a unit on its energy. */
  energySample(unitId: string): EnergySample | undefined {
    return this.#knownOf(unitId).sample;
  }
}
