import type { Deal } from '@apis-edge/gateway/domain';
import { price, wattHours } from '../shared/format.ts';
import type { Question } from '../shared/texts.ts';

/** The words of the pages, in one place. */
export const DEALS_TEXTS = {
  running: 'Running deals',
  finished: 'Finished deals',
  noneFinished: 'No deal has ended since this page’s node began to listen.',
  accounts: 'Points by house',
  accountsHint: 'Over the finished deals that are listed: who gives earns, who takes pays.',
  refusals: 'Why requests were refused',
  refusalsHint: 'What houses answered since Node-RED started, the latest first.',
  noRefusals: 'No request has been refused since Node-RED started.',
  stop: 'Stop',
  all: 'Show all',
  fewer: 'Show fewer',
} as const;

/** Why a deal was made: what one asked and the other offered, each with its own limit (market.md §3.3). */
export const madeText = (deal: Deal): string => {
  const wish = deal.type === 'charge' ? 'take' : 'give';
  const offer = deal.type === 'charge' ? 'give' : 'take';
  const asked = `${deal.requestUnitId} asked to ${wish} up to ${wattHours(deal.requestAmountWh)}, ${price(deal.requestPointPerWh ?? undefined)}`;
  const offered = `${deal.acceptUnitId} could ${offer} up to ${wattHours(deal.acceptAmountWh)}, ${price(deal.acceptPointPerWh ?? undefined)}`;
  return `${asked}; ${offered}.`;
};

export const stopQuestion = (from: string, to: string): Question => ({
  title: 'Stop this deal?',
  text: `The current from ${from} to ${to} goes down now. What was moved is paid for.`,
  yes: 'Stop the deal',
});
/** Reason that goes with the stop into logs and the deal record. */
export const STOP_REASON = 'stopped by a person on the Deals page';

export const HOUSE_TEXTS = {
  choose: 'House',
  span: 'Time shown',
  noHouse: 'No house has been heard yet. They appear here as soon as their gateway is running.',
  noPast: 'Nothing is known of this time yet. The plot fills while the community runs.',
  stale: 'These are old values: the house’s device does not answer.',
  offline: 'This house is offline: these are its last values.',
  mode: 'Mode',
  ownMode: 'Own mode',
  scenario: 'Scenario now',
  keys: 'Arrow keys move through time.',
} as const;

export const SPANS = [
  { seconds: 3600, label: '1 h', title: 'last hour' },
  { seconds: 6 * 3600, label: '6 h', title: 'last 6 hours' },
  { seconds: 24 * 3600, label: '24 h', title: 'last day' },
  { seconds: 7 * 24 * 3600, label: '7 d', title: 'last 7 days' },
] as const;

export const GRID_TEXTS = {
  profile: 'Voltage along the line',
  profileHint: 'What each house measures on the bus, in the order of their ids.',
  currents: 'Currents on the bus',
  currentsHint: 'Right: into the battery; left: out of it.',
  limits:
    'The mark is what its deals come to, the frame what the deals it may have at once come to. Hard limits of current and voltage stay with each gateway’s hardware file and the policy; nobody can pass them from here.',
  sum: 'Sum of all currents',
  sumGood: 'What is given and what is taken cancel out.',
  sumOff: 'More than the meters’ error: compensation is under way, or current flows that no deal explains.',
  sumUnknown: 'No house measures a current now.',
  master: 'Grid master',
  noMaster: 'No grid master is heard. The houses elect one by themselves; without one no deal begins.',
  off: 'The bus is off: converters wait and measure a few volts at most.',
} as const;

export const FAULT_TEXTS = {
  lists: { open: 'Open', acknowledged: 'Acknowledged', all: 'All' },
  empty: {
    open: 'Nothing is open. Errors and fatal faults appear here until somebody acknowledges them.',
    acknowledged: 'No fault has been acknowledged.',
    all: 'No fault has been heard of.',
  },
  acknowledge: 'Acknowledge',
  holds: 'Keeps from trading until it is acknowledged',
  alarm: 'A fault concerns the whole community: no new deals begin until it is cleared.',
  todo: 'What to do',
} as const;

export const EMULATOR_TEXTS = {
  about: 'These houses, their batteries and their line are emulated: whatever is set or broken here harms nobody.',
  asking: 'Asking the gateway for its emulated houses …',
  none: 'No house of this gateway is emulated, so there is nothing to set or to break here.',
  observer: 'This page sets and breaks things, which needs the role of operator; this dashboard only looks.',
  speed: 'Speed, times life',
  houses: 'Houses',
  healthy: 'Nothing is broken.',
  mend: 'Mend',
  mendAll: 'Mend everything',
  break: 'Break something',
  what: 'What',
  where: 'Where',
  breakIt: 'Break it',
  follow: 'Watch it on the Faults, Grid and Deals pages.',
} as const;
