import type { Milliseconds } from '../domain/quantities.ts';

/**
 * How a step ended: the deal has advanced and is looked at again at once, or it has nothing to do until something
 * changes or, when given, `retryMsec` have passed.
 */
export type StepResult = 'advanced' | { readonly retryMsec?: Milliseconds };

export const WAITING: StepResult = {};
export const retryIn = (retryMsec: Milliseconds): StepResult => ({ retryMsec });
