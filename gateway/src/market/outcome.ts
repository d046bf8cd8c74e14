import type { Refusal } from '../domain/trade.ts';

/** What a decision gives: the thing itself, or a typed no with the numbers that decided it. A normal no never throws. */
export type Outcome<T> = { readonly ok: T } | { readonly refusal: Refusal };

/** A no: `reason` is a stable dotted code, `numbers` what it was decided by. */
export const refuse = (reason: string, numbers: Refusal['numbers'] = {}): { readonly refusal: Refusal } => ({
  refusal: { reason, numbers },
});
