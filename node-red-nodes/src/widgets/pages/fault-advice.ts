import type { Fault } from '@apis-edge/gateway/domain';
import { ADVICE_EN } from './advice-en.ts';
import { ADVICE_JA } from './advice-ja.ts';

interface Advice {
  readonly byReason: Readonly<Record<string, string>>;
  readonly byLevel: Readonly<Record<Fault['level'], string>>;
}

const ADVICE = {
  en: {
    byReason: ADVICE_EN,
    byLevel: {
      WARN: 'For information; nothing to do unless it comes again and again.',
      ERROR: 'Trading resumes by itself once it stays away. Look at the house when it comes again.',
      FATAL: 'Find and mend the cause at the house, then acknowledge.',
      UNKNOWN: 'Find and mend the cause at the house, then acknowledge.',
    },
  },
  ja: {
    byReason: ADVICE_JA,
    byLevel: {
      WARN: 'お知らせです。繰り返さなければ何もする必要はありません。',
      ERROR: '異常が起きなければ取引は自動で再開します。繰り返すときはその家を調べてください。',
      FATAL: 'その家で原因を取り除いてから、確認済みにしてください。',
      UNKNOWN: 'その家で原因を取り除いてから、確認済みにしてください。',
    },
  },
} satisfies Record<string, Advice>;

export type AdviceLanguage = keyof typeof ADVICE;

/** Which language a browser set to `tag` (BCP 47) reads its advice in. */
export const adviceLanguage = (tag: string): AdviceLanguage => (/^ja\b/i.test(tag) ? 'ja' : 'en');

/** One or two sentences of advice, never nothing: the longest beginning of the reason that fits counts. */
export function faultAdvice(
  { reason, level }: Pick<Fault, 'reason' | 'level'>,
  language: AdviceLanguage = 'en',
): string {
  const { byReason, byLevel }: Advice = ADVICE[language];
  const fitting = Object.entries(byReason).filter(([start]) => reason.startsWith(start));
  const [longest] = fitting.sort(([a], [b]) => b.length - a.length);
  return longest?.[1] ?? byLevel[level] ?? byLevel.UNKNOWN;
}
