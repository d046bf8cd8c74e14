import { type Deal, isActivated, NEVER } from '@apis-edge/gateway/domain';

export type Outcome = 'complete' | 'early' | 'aborted' | 'emergency' | 'unused';

export interface EndOfDeal {
  readonly outcome: Outcome;
  readonly why: string;
}

/** Measured at the end, a whole amount may miss a little (control.md §4.9). */
const WHOLE = 0.98;

const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [/^(\S+) : dischargeUnitLowerLimitRsoc$/, '$1 has reached the lowest charge at which it may give.'],
  [/^(\S+) : chargeUnitUpperLimitRsoc$/, '$1 has reached the highest charge at which it may take.'],
];

const sentence = (text: string): string => {
  const found = SENTENCES.find(([pattern]) => pattern.test(text));
  return found === undefined ? text : text.replace(found[0], found[1]);
};

/** Reasons as people read them; the original writes lists as JSON text. */
export function reasonText(text: string | undefined): string {
  if (text === undefined || text === '') return 'No reason was recorded.';
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list)) return list.map((one) => sentence(String(one))).join(' ');
  } catch {
    // no list: plain text
  }
  return sentence(text);
}

const isReal = (mark: string | undefined): boolean => mark !== undefined && mark !== NEVER;

/** How a deal that is over has ended, and why (control.md §4.1). */
export function endOfDeal(deal: Deal): EndOfDeal {
  if (isReal(deal.scramDateTime)) return { outcome: 'emergency', why: reasonText(deal.scramReason) };
  if (isReal(deal.abortDateTime)) return { outcome: 'aborted', why: reasonText(deal.abortReason) };
  const reasons = deal.needToStopReasons ?? [];
  const isWhole = (deal.cumulateAmountWh ?? 0) >= deal.dealAmountWh * WHOLE;
  if (isWhole) return { outcome: 'complete', why: 'The whole amount was moved.' };
  if (reasons.length > 0) return { outcome: 'early', why: reasons.map(reasonText).join(' ') };
  if (!isActivated(deal) || !isReal(deal.startDateTime))
    return { outcome: 'unused', why: 'It ended before energy could flow.' };
  return { outcome: 'early', why: 'No reason was recorded.' };
}

export const OUTCOME_TEXTS: Readonly<Record<Outcome, string>> = {
  complete: 'Complete',
  early: 'Ended early',
  aborted: 'Aborted',
  emergency: 'Emergency stop',
  unused: 'Not begun',
};
