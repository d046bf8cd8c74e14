import type { DeviceCommand } from '../domain/device-command.ts';
import type { Amperes, Volts } from '../domain/quantities.ts';
import type { CurrentMode } from './deal-currents.ts';

/** One command to one unit. */
export interface PlanStep {
  readonly unitId: string;
  readonly command: DeviceCommand;
}

/** Moving the voltage reference from one unit to another (control.md §1.9.9). */
export interface HandOverPlan {
  readonly from: string;
  readonly to: string;
  /** What the old reference does afterwards; absent means WAIT. */
  readonly next?: { readonly mode: CurrentMode; readonly gridCurrentA: Amperes };
  /** Voltage to hold; absent means what the new reference measures. */
  readonly gridVoltageV?: Volts;
}

/** How a hand-over ends when a step of it fails. */
export type HandOverEnd = 'rolled-back' | 'completed' | 'lost';

/** A step, and what repairs the bus when it fails: the repairs in order, and where they lead. */
export interface HandOverStep extends PlanStep {
  readonly repairs: readonly PlanStep[];
  readonly end: Exclude<HandOverEnd, 'lost'>;
}

/**
 * The quartet as a saga (control.md D14). Droop is taken away last, from the one reference that remains, and only
 * once the other is known to have left constant voltage (INV-1, RULE-8). A failing repair loses the hand-over.
 */
export function handOverSteps({ from, to, next, gridVoltageV }: HandOverPlan): readonly HandOverStep[] {
  const stiffen = (unitId: string): PlanStep => ({ unitId, command: { command: 'voltageReferenceDidTakeOver' } });
  const release = (unitId: string): PlanStep => ({ unitId, command: { command: 'WAIT' } });
  const takeOver = { command: 'voltageReferenceWillTakeOver' as const };
  const handOver = { command: 'voltageReferenceDidHandOver' as const };
  return [
    {
      unitId: from,
      command: { command: 'voltageReferenceWillHandOver' },
      repairs: [stiffen(from)],
      end: 'rolled-back',
    },
    {
      unitId: to,
      command: gridVoltageV === undefined ? takeOver : { ...takeOver, gridVoltageV },
      repairs: [release(to), stiffen(from)],
      end: 'rolled-back',
    },
    {
      unitId: from,
      command: next === undefined ? { ...handOver, mode: 'WAIT' } : { ...handOver, ...next },
      repairs: [release(from), stiffen(to)],
      end: 'completed',
    },
    { ...stiffen(to), repairs: [stiffen(to)], end: 'completed' },
  ];
}
