import type { Fault } from '@apis-edge/gateway/domain';

/** What to do about a fault, by the beginning of its reason; the longest that fits counts. For the one who stands there. */
const ADVICE: Readonly<Record<string, string>> = {
  'safety.over-voltage':
    'The converter has let go by itself. See that nothing else feeds the bus, then check its voltage with a meter.',
  'safety.under-voltage': 'The bus sagged: look for a short circuit, a loose connector or too much load on the line.',
  'safety.over-current':
    'The converter has let go by itself. Look for a short circuit on the bus before it is used again.',
  'safety.over-temperature': 'Let the converter cool down and check its fan and air inlet.',
  'safety.under-temperature': 'Warm the place up; the converter works again within its range.',
  'safety.battery-over-voltage':
    'Look at the battery and its management system; do not charge it until its voltage is normal.',
  'safety.battery-under-voltage': 'The battery is too low. Charge it from the house before it trades again.',
  'safety.battery-over-current':
    'Look at the battery’s fuses and cables; lower the current of deals if it comes again.',
  'safety.battery-permission': 'The battery forbids this direction. See what its management system says.',
  'safety.heavy-alarm': 'Read the alarm on the converter itself, follow its manual, and reset it there.',
  'safety.unexpected-mode': 'Somebody or something else switches this converter. Take local control off.',
  'safety.active-without-deal':
    'The converter ran without a deal and was stopped. See that nobody switches it by hand.',
  'safety.':
    'The converter was stopped by itself. Compare the value in the message with the limit in the house’s hardware file.',
  'device.no-reply': 'Check power, cable and address of the device. Trading resumes by itself when it answers.',
  'device.no-reading': 'Check power, cable and address of the device. Trading resumes by itself when it answers.',
  'device.stale': 'The device answers too late. Check its cable and what else talks on the same line.',
  'device.silent': 'Check power, cable and address of the device. Trading resumes by itself when it answers.',
  'device.stop-failed': 'Nobody knows whether the converter has stopped: go there and switch it off by hand.',
  'device.wrong-mode': 'The converter does not do what it is told. Restart it; if it comes again, have it looked at.',
  'device.bus-live': 'There is voltage on the bus although nobody holds it. Look for a second source.',
  'device.out-of-range': 'A limit in the configuration does not fit this device. Check its hardware file.',
  'device.': 'See the device’s own display and log; trading resumes by itself when it works again.',
  'deal.': 'The deal was ended and its energy recorded. Nothing to do unless it comes again and again.',
  'grid.reference-lost': 'The house that held the voltage dropped out and all were stopped. Look at that house first.',
  'grid.foreign-current': 'Current flows that no deal explains: look for a leak, a second source or a wrong meter.',
  'grid.possibly-active': 'One converter may still be active. Go there and make sure that it waits.',
  'grid.bus-held-up':
    'The bus keeps its voltage although all converters wait. Look for a second source before anyone touches the line.',
  'grid.ramp-up-timeout': 'The bus did not come up. Look for a short circuit, an open switch or a loose connector.',
  'grid.': 'The grid was put into a safe state. Trading resumes by itself once it stays away.',
  'grid-master.members-silent': 'Too few houses can be heard. Check network and power of the silent ones.',
  'grid-master.': 'Another house takes over by itself. Look at this house’s network if it comes again.',
  'peer.no-member':
    'Somebody who is not in the policy speaks here. Check who is on the network, and the policy’s list of members.',
  'peer.': 'A house could not be reached. Check its network and power.',
  'hand-over.': 'Passing the voltage on failed and was taken back. Nothing to do unless it comes again.',
  'action.': 'A measure did not help. Look at the fault that it was meant for.',
  'journal.failed': 'The disk cannot be written. Check free space and the card.',
  internal: 'A mistake in the program. Restart this house’s gateway and report the message.',
};

const BY_LEVEL: Readonly<Record<Fault['level'], string>> = {
  WARN: 'For information; nothing to do unless it comes again and again.',
  ERROR: 'Trading resumes by itself once it stays away. Look at the house when it comes again.',
  FATAL: 'Find and mend the cause at the house, then acknowledge.',
  UNKNOWN: 'Find and mend the cause at the house, then acknowledge.',
};

/** One or two sentences of advice; never nothing. */
export function faultAdvice({ reason, level }: Pick<Fault, 'reason' | 'level'>): string {
  const fitting = Object.keys(ADVICE).filter((start) => reason.startsWith(start));
  const [longest] = fitting.sort((a, b) => b.length - a.length);
  const advice = longest === undefined ? undefined : ADVICE[longest];
  return advice ?? BY_LEVEL[level] ?? BY_LEVEL.UNKNOWN;
}
