import type { EpochMsec } from './quantities.ts';

/** Operation modes of the cluster and of a unit (control.md §6). */
export const OPERATION_MODES = ['autonomous', 'heteronomous', 'stop', 'manual'] as const;
export type OperationMode = (typeof OPERATION_MODES)[number];

/** A unit's own mode: absent, or one of the two that lower it. */
export const LOCAL_MODES = ['heteronomous', 'stop'] as const;
export type LocalMode = (typeof LOCAL_MODES)[number];

/** The one table between the words of CLI and UI and the spec's values. */
export const MODE_LABELS = {
  run: 'autonomous',
  'soft-stop': 'heteronomous',
  'force-stop': 'stop',
  manual: 'manual',
} as const satisfies Record<string, OperationMode>;
export type ModeLabel = keyof typeof MODE_LABELS;

export const isOperationMode = (value: unknown): value is OperationMode =>
  OPERATION_MODES.some((mode) => mode === value);
export const isLocalMode = (value: unknown): value is LocalMode => LOCAL_MODES.some((mode) => mode === value);

/** Word shown to people for a mode value. */
export function labelOfMode(mode: OperationMode): ModeLabel {
  const found = Object.entries(MODE_LABELS).find(([, value]) => value === mode);
  return (found?.[0] ?? 'force-stop') as ModeLabel; // every mode has a label; the fallback is the safest
}

const RANK: Readonly<Record<OperationMode, number>> = { autonomous: 3, heteronomous: 2, manual: 1, stop: 0 };

/** True when going from `from` to `to` takes permissions away; such changes act at once and locally. */
export const isLowering = (from: OperationMode, to: OperationMode): boolean => RANK[to] < RANK[from];

/** Effective mode of a unit (control.md §6, vectors OM-*): a local mode lowers autonomous and heteronomous, nothing else. */
export function effectiveMode(global: OperationMode, local: LocalMode | undefined): OperationMode {
  if (global === 'stop' || global === 'manual' || local === undefined) return global;
  return local === 'stop' ? 'stop' : 'heteronomous';
}

/** A global mode with the stamp that orders it: the highest (term, revision) wins everywhere (architecture.md §3). */
export interface StampedMode {
  readonly value: OperationMode;
  readonly term: number;
  readonly revision: number;
  /** When an operator has last raised the mode: earlier lowerings are overridden (RULE-12). */
  readonly raisedAt?: EpochMsec;
  readonly loweredAt?: EpochMsec;
  /** Ids of the lowerings that this stamp and those before it have taken in. */
  readonly settled?: readonly string[];
}

/** A lowering as it goes from unit to unit until a stamp lists it (RULE-12). */
export interface Lowering {
  readonly id: string;
  readonly value: OperationMode;
  readonly at: EpochMsec;
}

/** The mode that permits least. */
export const lowestMode = (modes: readonly OperationMode[]): OperationMode =>
  modes.reduce((lowest, mode) => (isLowering(lowest, mode) ? mode : lowest));
