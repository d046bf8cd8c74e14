import { type Deal, type DealSide, unitOnSide } from '../domain/deal.ts';
import type { Amperes, Milliseconds, WattHours, Watts } from '../domain/quantities.ts';
import { otherRunningDeals } from './deal-currents.ts';

const MSEC_PER_HOUR = 3_600_000;

/** What the reference unit said about its battery at one moment; `at` is monotonic. */
export interface EnergySample {
  readonly at: Milliseconds;
  /** Its running counter, + into the battery. */
  readonly energyWh: WattHours;
  readonly batteryPowerW: Watts;
}

/** Part of the reference unit's power that belongs to a deal: its current over that of all its deals (control.md §4.9). */
export function currentShare(dealCurrentA: Amperes, otherCurrentsA: Amperes): number {
  const sumA = dealCurrentA + otherCurrentsA;
  return sumA === 0 ? 0 : dealCurrentA / sumA;
}

/** Energy of `powerW` during `durationMsec`, right-endpoint rule as the original (control.md §4.9). */
export const energyOfWh = (powerW: Watts, durationMsec: Milliseconds): WattHours =>
  (powerW * Math.max(0, durationMsec)) / MSEC_PER_HOUR;

/** Sign that makes the reference unit's battery energy the energy of the deal. */
export const referenceSign = (side: DealSide): 1 | -1 => (side === 'chargeUnit' ? 1 : -1);

/** How far a counter may run ahead of the power meter before it is taken for one that began anew. */
const PLAUSIBLE_FACTOR = 2;
const PLAUSIBLE_SLACK_WH = 1;

/**
 * Energy between two samples, + into the battery. The counter of a unit that has started anew begins at 0: a jump
 * that its power cannot explain is replaced by the trapezoid of the power (control.md S23).
 */
export function energyBetweenWh(from: EnergySample, to: EnergySample): WattHours {
  const durationMsec = to.at - from.at;
  const counted = to.energyWh - from.energyWh;
  const peakW = Math.max(Math.abs(from.batteryPowerW), Math.abs(to.batteryPowerW));
  if (Math.abs(counted) <= PLAUSIBLE_FACTOR * energyOfWh(peakW, durationMsec) + PLAUSIBLE_SLACK_WH) return counted;
  return energyOfWh((from.batteryPowerW + to.batteryPowerW) / 2, durationMsec);
}

/** Share of a started deal in what its reference unit moves, by compensated currents. */
export function shareOf(deals: readonly Deal[], deal: Deal, referenceSide: DealSide): number {
  const unitId = unitOnSide(deal, referenceSide);
  const currentOf = (one: Deal): Amperes =>
    (one.chargeUnitId === unitId ? one.chargeUnitCompensatedGridCurrentA : one.dischargeUnitCompensatedGridCurrentA) ??
    0;
  const others = otherRunningDeals(deals, deal, unitId);
  if (others.length === 0) return 1;
  return currentShare(
    currentOf(deal),
    others.reduce((sum, other) => sum + currentOf(other), 0),
  );
}

/** When a deal will have its amount, from now; undefined while it does not come nearer. */
export function timeToAmountMsec(remainingWh: WattHours, powerW: Watts): Milliseconds | undefined {
  if (remainingWh <= 0) return 0;
  return powerW > 0 ? (remainingWh / powerW) * MSEC_PER_HOUR : undefined;
}
