import type { ConverterMode } from '../domain/converter-mode.ts';
import type { EpochMsec } from '../domain/quantities.ts';
import type { TripKind } from './physics/converter-state.ts';

/** What happens in the emulated world, for event logs and checkers; `at` is the world's wall time. */
export type WorldEvent = { readonly at: EpochMsec } & (
  | {
      readonly event: 'converter.mode';
      readonly houseId: string;
      readonly mode: ConverterMode;
      readonly dvg: number;
      readonly dig: number;
      readonly drg: number;
    }
  | { readonly event: 'converter.voltage'; readonly houseId: string; readonly dvg: number; readonly drg: number }
  | { readonly event: 'converter.current'; readonly houseId: string; readonly dig: number }
  | { readonly event: 'converter.tripped'; readonly houseId: string; readonly trip: TripKind; readonly vg: number }
  | { readonly event: 'house.bypass'; readonly houseId: string; readonly on: boolean; readonly rsoc: number }
  | { readonly event: 'house.ac-charging'; readonly houseId: string; readonly on: boolean; readonly rsoc: number }
  | { readonly event: 'battery.full'; readonly houseId: string }
  | { readonly event: 'battery.empty'; readonly houseId: string }
  | { readonly event: 'world.set'; readonly houseId: string; readonly values: Readonly<Record<string, unknown>> }
  | { readonly event: 'fault.injected'; readonly fault: object }
  | { readonly event: 'fault.healed'; readonly fault: object }
);
/** An event without its time. */
export type WorldHappening = WorldEvent extends infer E ? (E extends unknown ? Omit<E, 'at'> : never) : never;
