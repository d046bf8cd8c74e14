import { isOperationMode, labelOfMode, type Refusal } from '@apis-edge/gateway/domain';
import { MODE_TEXTS } from '../shared/texts.ts';

type Numbers = Refusal['numbers'];

const wh = (value: string | number | undefined): string =>
  typeof value === 'number' ? `${Math.round(value)} Wh` : 'an unknown amount';
const gives = ({ type }: Numbers): string => (type === 'charge' ? 'take' : 'give');
const modeOf = ({ mode }: Numbers): string =>
  isOperationMode(mode) ? MODE_TEXTS[labelOfMode(mode)].title : String(mode ?? 'not known');
const atLimit = (n: Numbers): string =>
  `It may ${gives(n)} until ${wh(n.limitWh)} are stored, and has ${wh(n.storedWh)} with ${wh(n.committedWh)} promised.`;

/** Why a house said no, by the reason's stable code (market.md §2.5, §2.7). The sentence is about the house that refused. */
const TEXTS: Readonly<Record<string, (numbers: Numbers) => string>> = {
  'errors.local': () => 'It has a fault of its own.',
  'errors.global': () => 'A fault concerns the whole community.',
  'grid-master.unreachable': () => 'It does not hear the grid master.',
  'mode.not-autonomous': (n) => `It does not trade: its mode is “${modeOf(n)}”.`,
  'slots.busy': (n) => `Its converter is busy: it carries ${n.taken} of at most ${n.slots} deals at once.`,
  'unit-data.missing': () => 'Its device has not answered lately.',
  'scenario.missing': () => 'It has no scenario to trade by.',
  'scenario.no-window': (n) => `Its scenario says nothing about this time of day (${n.time}).`,
  'scenario.no-status': (n) => `Its scenario has no level for ${wh(n.storedWh)} stored.`,
  'scenario.no-rule': (n) => `At level “${n.status}” (${wh(n.storedWh)} stored) its scenario does not ${gives(n)}.`,
  'amount.at-limit': atLimit,
  'amount.wrong-side-of-limit': atLimit,
  'amount.below-minimum': (n) => `It could offer ${wh(n.amountWh)} only; the smallest deal is ${wh(n.amountMinWh)}.`,
  'amount.no-deal': () => 'Less would be left than the smallest deal.',
  'current.no-deal': () => 'The two houses agree on no current.',
  'rsoc.force-stop': (n) => `With ${wh(n.storedWh)} it is at the charge at which deals to ${gives(n)} are stopped.`,
  'direction.conflict': (n) =>
    `It is ${n.role === 'chargeUnit' ? 'charging' : 'discharging'} in another deal and cannot do both.`,
  'battery.in-use': (n) => `Its battery is in use elsewhere: it cannot ${gives(n)} now.`,
  'pair.not-addressed': (n) => `The request was meant for ${n.pairUnitId} alone.`,
  'pair.bound-to-other': (n) => `At this level it trades with ${n.pairUnitId} only.`,
  'backoff.waiting': (n) =>
    `It waits ${Math.ceil(Number(n.remainingMsec) / 1000)} s more after ${n.failures} failed attempts with this house.`,
  'type.unknown': () => 'It did not understand what was wanted.',
  'message.malformed': (n) => `It did not understand the request (${n.field ?? 'message'}).`,
  'time.unreadable': () => 'It does not know what time it is.',
};

const plain = ({ reason, numbers }: Refusal): string => {
  const parts = Object.entries(numbers ?? {}).map(([name, value]) => `${name} ${value}`);
  return parts.length === 0 ? reason : `${reason} (${parts.join(', ')})`;
};

/** A refusal as a sentence with its numbers; a code that is not known is shown as it came. */
export const refusalText = (refusal: Refusal): string =>
  TEXTS[refusal.reason]?.(refusal.numbers ?? {}) ?? plain(refusal);
