import type { ConverterMode } from '../domain/converter-mode.ts';
import type { Amperes, Celsius, Milliseconds, Ohms, Volts } from '../domain/quantities.ts';
import type { TripKind } from './physics/converter-state.ts';

/** What can be broken in a house (emulator.md §6.4). */
export type HouseFault =
  /** No answer; by default the command is lost too, with `commandsAct` only the answer is. `probability` per call. */
  | { readonly kind: 'noReply'; readonly probability?: number; readonly commandsAct?: boolean }
  | { readonly kind: 'lateReply'; readonly delayMsec: Milliseconds }
  /** Every command is carried out a second time, that much later. */
  | { readonly kind: 'duplicate'; readonly delayMsec?: Milliseconds }
  /** The meter keeps saying what it said when this began. */
  | { readonly kind: 'stuckMeter' }
  /** The converter carries more current than it was told. */
  | { readonly kind: 'offsetCurrent'; readonly amperes: Amperes }
  /** The meter is off, the converter is right. */
  | { readonly kind: 'meterOffset'; readonly volts?: Volts; readonly amperes?: Amperes }
  /** Mode commands are answered, but lead to this mode. */
  | { readonly kind: 'wrongMode'; readonly mode: ConverterMode }
  /** The converter stops; the alarm stands until this is healed and WAIT is commanded. */
  | { readonly kind: 'trip'; readonly trip: TripKind }
  | { readonly kind: 'lightAlarm' }
  | { readonly kind: 'heavyAlarm' }
  | { readonly kind: 'refuseVoltageReference' }
  /** A foreign device holds a voltage at the tap of the house. */
  | { readonly kind: 'secondVoltageSource'; readonly volts: Volts; readonly ohms?: Ohms; readonly limitA?: Amperes }
  | { readonly kind: 'leak'; readonly siemens: number }
  | { readonly kind: 'batteryLocked' }
  | { readonly kind: 'pvDead' }
  | { readonly kind: 'houseOffline' }
  | { readonly kind: 'overheat'; readonly ambientC: Celsius }
  /** The device's own time is off by that much. */
  | { readonly kind: 'clockSkew'; readonly offsetMsec: Milliseconds }
  /** The controller is gone and the converter runs on: nothing changes here, the event is for the log. */
  | { readonly kind: 'reboot' };

export type WorldFault =
  | (HouseFault & { readonly houseId: string })
  /** A line opens; `branch` is like `E001-E002`. */
  | { readonly kind: 'lineBreak'; readonly branch: string };

export type HouseFaultKind = HouseFault['kind'];
export type FaultOf<K extends HouseFaultKind> = Extract<HouseFault, { kind: K }>;

/** Names a fault that can be healed. */
export type FaultTarget =
  | { readonly kind: HouseFaultKind; readonly houseId: string }
  | { readonly kind: 'lineBreak'; readonly branch: string };

/** The faults of one house at present, at most one of each kind. */
export class HouseFaults {
  readonly #active = new Map<HouseFaultKind, HouseFault>();

  get<K extends HouseFaultKind>(kind: K): FaultOf<K> | undefined {
    return this.#active.get(kind) as FaultOf<K> | undefined; // filed under its own kind
  }

  has(kind: HouseFaultKind): boolean {
    return this.#active.has(kind);
  }

  add(fault: HouseFault): void {
    this.#active.set(fault.kind, fault);
  }

  remove(kind: HouseFaultKind): boolean {
    return this.#active.delete(kind);
  }

  kinds(): readonly HouseFaultKind[] {
    return [...this.#active.keys()];
  }
}
