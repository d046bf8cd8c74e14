import type { EpochMsec, Percent, WattHours, Watts } from './quantities.ts';

/** Something to break, by its kind, with the numbers that the kind takes; the process that emulates checks it. */
export interface EmulatedFault {
  readonly kind: string;
  /** Where; a line break names its branch instead. */
  readonly houseId?: string;
  readonly branch?: string;
  readonly [detail: string]: string | number | boolean | undefined;
}

/** An operator's words about houses that are emulated; a unit with a real device refuses them. */
export type EmulationBody =
  /** Changes nothing. */
  | { readonly kind: 'emulation.look' }
  /** Sets by hand; null gives sun or load back to the dataset. */
  | {
      readonly kind: 'emulation.set';
      readonly houseId: string;
      readonly rsoc?: Percent;
      readonly pvW?: Watts | null;
      readonly loadW?: Watts | null;
    }
  | { readonly kind: 'emulation.inject'; readonly fault: EmulatedFault }
  /** Without a target everything is mended. */
  | { readonly kind: 'emulation.heal'; readonly target?: EmulatedFault }
  /** Times life. */
  | { readonly kind: 'emulation.speed'; readonly value: number };

/** The truth about an emulated house, without a meter in between. */
export interface EmulatedHouse {
  readonly houseId: string;
  readonly unitId: string;
  readonly rsoc: Percent;
  readonly capacityWh: WattHours;
  readonly pvW: Watts;
  readonly loadW: Watts;
  /** Kinds of faults that are in effect. */
  readonly faults: readonly string[];
}

/** What an emulation tells of itself. */
export interface EmulationState {
  readonly time: EpochMsec;
  readonly speed: number;
  readonly houses: readonly EmulatedHouse[];
  readonly branches: readonly { readonly branch: string; readonly isBroken: boolean }[];
}
