import type { DealType } from './deal.ts';
import type { Amperes, Volts, WattHours } from './quantities.ts';

/** Request and accept share their fields; `type` is always the sender's own role (market.md §3.3). */
export interface Offer {
  readonly unitId: string;
  readonly type: DealType;
  readonly amountWh: WattHours;
  readonly pointPerWh?: number;
  readonly pairUnitId?: string;
  readonly efficientGridVoltageV?: Volts;
  readonly dateTime: string;
  readonly dealGridCurrentA: Amperes;
}
export type Request = Offer;
export type Accept = Offer;

/** Why nothing was requested, accepted, chosen or registered: a stable code and the numbers that decided it. */
export interface Refusal {
  /** e.g. `mode.not-autonomous`, `slots.busy`, `amount.below-minimum`, `scenario.no-rule`. */
  readonly reason: string;
  readonly numbers: Readonly<Record<string, number | string>>;
}

/** Answer of a unit to a request: an accept, or a typed no (so that the requester need not wait in full). */
export type Answer =
  | { readonly unitId: string; readonly accept: Accept }
  | { readonly unitId: string; readonly refusal: Refusal };
