import type { HwConfig } from '../config/hw-config.ts';
import type { Policy } from '../config/policy.ts';
import type { ConverterMode } from '../domain/converter-mode.ts';
import type { Deal } from '../domain/deal.ts';
import type { FaultCategory } from '../domain/fault.ts';
import type { OperationMode } from '../domain/operation-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Dcdc } from '../domain/unit-data.ts';
import type { Band } from './transition.ts';

/** What the local safety checks look at (control.md §5.2): one sample, and what should be. */
export interface SafetyInput {
  readonly unitId: string;
  readonly dcdc: Dcdc;
  readonly batteryOperationStatus: number | null | undefined;
  /** Undefined when the converter shows a code that nobody knows. */
  readonly mode: ConverterMode | undefined;
  readonly isExpected: boolean;
  /** WAIT is what it was told last, or it was never told anything else. */
  readonly isLetGo: boolean;
  readonly band: Band;
  readonly effectiveMode: OperationMode;
  readonly deals: readonly Deal[];
  readonly policy: Policy;
  readonly hwConfig: HwConfig;
}

/** One check that does not hold. */
export interface Violation {
  /** Row of control.md §5.2. */
  readonly check: string;
  /** Reason code of the fault. */
  readonly reason: string;
  readonly category: FaultCategory;
  /** What was found and what is right. */
  readonly message: string;
  /** WAIT at once, or after the hold, then inform (INV-3); otherwise inform only. */
  readonly stops: boolean;
  /** Counts only when it has lasted this long, over two samples at least; absent counts at once (control.md S3). */
  readonly holdMsec?: Milliseconds;
  /** Part of every normal start or end for a moment: told only when it counts, never as a suspicion. */
  readonly isUsual?: boolean;
}

export type SafetyCheck = (input: SafetyInput) => readonly Violation[];

/** Half a period: of periodic samples the second one confirms, of a burst of urgent reads none does. */
export const usualHoldMsec = ({ controller }: Policy): Milliseconds => controller.dataAcquisitionPeriodMsec / 2;
