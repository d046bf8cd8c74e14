import type { Milliseconds, WattHours, Watts } from '../domain/quantities.ts';

const MSEC_PER_HOUR = 3_600_000;

/**
 * Integrates the battery-side power over the monotonic clock (control.md S23). Between two measurements by the
 * trapezoid; across a gap in which nobody measured by the smaller of both ends, so that no energy is invented (INV-8).
 */
export class EnergyCounter {
  #energyWh: WattHours = 0;
  #last: { readonly at: Milliseconds; readonly wb: Watts } | undefined;

  get energyWh(): WattHours {
    return this.#energyWh;
  }

  /**
   * Takes a measurement.
   * @param wb battery power, + into the battery
   * @param how `measured`: power may have changed evenly since the last one; `stepped`: it changed just now
   */
  add(at: Milliseconds, wb: Watts, how: 'measured' | 'stepped', longestGapMsec: Milliseconds): void {
    if (!Number.isFinite(wb)) return;
    const last = this.#last;
    if (last !== undefined && at <= last.at) return;
    this.#last = { at, wb };
    if (last === undefined) return;
    const isGap = at - last.at > longestGapMsec;
    const meanW = isGap ? smaller(last.wb, wb) : how === 'stepped' ? last.wb : (last.wb + wb) / 2;
    this.#energyWh += (meanW * (at - last.at)) / MSEC_PER_HOUR;
  }
}

const smaller = (a: Watts, b: Watts): Watts => (a * b <= 0 ? 0 : Math.sign(a) * Math.min(Math.abs(a), Math.abs(b)));
