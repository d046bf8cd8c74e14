import type { HwConfig } from '../../config/hw-config.ts';
import type { Policy } from '../../config/policy.ts';
import type { ConverterMode } from '../../domain/converter-mode.ts';
import type { Deal } from '../../domain/deal.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { HouseState } from '../house-state.ts';
import type { Finding } from './finding.ts';

/** The truth about one house, and what its unit knows and may. */
export interface HouseMoment
  extends Pick<HouseState, 'houseId' | 'mode' | 'vg' | 'ig' | 'tmp' | 'dvg' | 'dig' | 'drg' | 'demandedA' | 'rsoc'> {
  /** Part of the bus that it hangs on; all the same while no line is broken. */
  readonly segment: number;
  /** Its unit's process lives and is not frozen. */
  readonly isAwake: boolean;
  /** For how long the present process has been awake. */
  readonly awakeMsec: Milliseconds;
  /** The mode that the unit told the converter last. */
  readonly toldMode: ConverterMode;
  /** It does what it was told last, and not what it was told before that or never. */
  readonly isAsTold: boolean;
  /** Latest end of any permit that this session can hold for its present mode; -Infinity without one. */
  readonly permitUntil: Milliseconds;
  /** Deals that the unit has journalled and not finished. */
  readonly deals: readonly Deal[];
  readonly isGridMaster: boolean;
  /** Its last word as grid master raised or granted something. */
  readonly grants: boolean;
  /** Names of the faults that are at work in this house, or were until a moment ago. */
  readonly troubles: ReadonlySet<string>;
  /** A fault holds its converter in a mode now, whatever it is told: no unit can help that. */
  readonly isPinned: boolean;
}

/** One look at everything. */
export interface Moment {
  readonly at: Milliseconds;
  readonly policy: Policy;
  readonly hwConfig: HwConfig;
  readonly houses: readonly HouseMoment[];
  /** Faults of the bus itself that are at work, or were until a moment ago: leak, secondVoltageSource, lineBreak, trip, tripped. */
  readonly busTroubles: ReadonlySet<string>;
  /** How many houses lost their converter, their unit or their voice lately. */
  readonly recentLosses: number;
  /** For how long nothing has been injected and nothing has been broken. */
  readonly calmMsec: Milliseconds;
}

/** What a look finds; pure. */
export type Check = (moment: Moment) => readonly Finding[];
