import { type Deal, isActivated, NEVER } from '@apis-edge/gateway/domain';

export type Outcome = 'complete' | 'early' | 'aborted' | 'emergency' | 'unused';

export interface EndOfDeal {
  readonly outcome: Outcome;
  readonly why: string;
}

/** Measured at the end, a whole amount may miss a little (control.md §4.9). */
const WHOLE = 0.98;

/** Codes as the grid master records them, with what stands behind their colon; the code stays where it helps to look. */
const SENTENCES: readonly (readonly [RegExp, string])[] = [
  [/^(\S+) : dischargeUnitLowerLimitRsoc$/, '$1 has reached the lowest charge at which it may give.'],
  [/^(\S+) : chargeUnitUpperLimitRsoc$/, '$1 has reached the highest charge at which it may take.'],
  [/^mode\.stop$/, 'The community was stopped.'],
  [/^mode\.manual$/, 'The community was set to manual.'],
  [/^deal\.mode-forbids$/, 'The mode of the community allows no deals.'],
  [/^deal\.party-lost$/, 'One of its two houses dropped out.'],
  [/^deal\.reference-lost$/, 'The house that held the voltage dropped out.'],
  [/^deal\.voltage-too-high$/, 'The bus had more voltage than it may have.'],
  [/^deal\.duration-overdue$/, 'It took far longer than its amount needs.'],
  [/^deal\.reset-limit-reached$/, 'It was tried again and again, and could not begin.'],
  [/^deal\.start-overdue : (.+)$/, 'It could not begin in time ($1).'],
  [/^deal\.ended-elsewhere : (\S+)$/, '$1 had ended it already.'],
  [/^hand-over\.rolled-back : (\S+)$/, '$1 could not take the voltage over.'],
  [/^(device\.\S+) : fault of (\S+)$/, 'The device of $2 failed ($1).'],
  [/^(safety\.\S+) : fault of (\S+)$/, '$2 stopped for its own safety ($1).'],
  [/^(\S+) : fault of (\S+)$/, 'A fault that $2 reported ($1).'],
  [/^([a-z-]+\.[a-z.-]+) : (.+)$/, '$2 ($1).'],
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
