import type { OperationMode } from '../../domain/operation-mode.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { HouseFault } from '../world-fault.ts';
import type { NetworkTrouble } from './chaos-network.ts';

/** A house by name, or by what it is doing when the fault begins. */
export type Victim = string;
/** Victims that are named by their role; E001 stands in when nobody has it. */
export const ROLES = ['grid-master', 'voltage-reference', 'charging', 'discharging'] as const;

/** How a process ends: by itself, which its neighbours learn at once, or with its machine, of which only silence tells. */
export type EndOf = 'process' | 'machine';

/** What can go wrong in a run. */
export type Mishap =
  | { readonly kind: 'house'; readonly victim: Victim; readonly fault: HouseFault }
  | { readonly kind: 'lineBreak'; readonly branch: string }
  | { readonly kind: 'network'; readonly trouble: NetworkTrouble }
  /** The process dies at once. */
  | { readonly kind: 'crash'; readonly victim: Victim; readonly endOf?: EndOf }
  /** The process dies at one of its next durable writes. */
  | {
      readonly kind: 'crashAtWrite';
      readonly victim: Victim;
      readonly endOf?: EndOf;
      readonly skip: number;
      readonly when: 'before' | 'after';
    }
  /** The process dies so long after the next device command that the grid master gives. */
  | {
      readonly kind: 'crashAtCommand';
      readonly victim: Victim;
      readonly endOf?: EndOf;
      readonly skip: number;
      readonly delayMsec: Milliseconds;
    }
  | { readonly kind: 'freeze'; readonly victim: Victim }
  | { readonly kind: 'slowDisk'; readonly victim: Victim; readonly writeMsec: Milliseconds }
  /** The wall time of a gateway is off. */
  | { readonly kind: 'wallClock'; readonly victim: Victim; readonly offsetMsec: Milliseconds }
  | { readonly kind: 'mode'; readonly victim: Victim; readonly value: OperationMode }
  | { readonly kind: 'localMode'; readonly victim: Victim; readonly value: 'heteronomous' | 'stop' }
  | { readonly kind: 'emergencyStop'; readonly victim: Victim }
  | { readonly kind: 'scenario'; readonly victim: Victim };

/** A mishap with its time; it is undone `forMsec` later. */
export interface PlannedFault {
  readonly atMsec: Milliseconds;
  readonly forMsec: Milliseconds;
  readonly mishap: Mishap;
}

const seconds = (msec: Milliseconds): string => `${(msec / 1000).toFixed(1)} s`;

/** Time of a run as people read it: h:mm:ss.mmm. */
export function runTime(atMsec: Milliseconds): string {
  const whole = Math.floor(atMsec / 1000);
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const rest = String(Math.floor(atMsec % 1000)).padStart(3, '0');
  return `${Math.floor(whole / 3600)}:${two((whole / 60) % 60)}:${two(whole % 60)}.${rest}`;
}

/** One line for people. */
export function describeFault({ atMsec, forMsec, mishap }: PlannedFault): string {
  const { kind, ...rest } = mishap;
  return `${runTime(atMsec)} ${kind} ${JSON.stringify(rest)} for ${seconds(forMsec)}`;
}
