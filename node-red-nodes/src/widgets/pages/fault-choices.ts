import type { EmulatedFault } from '@apis-edge/gateway/domain';

/** A fault that people can choose, with the numbers that show what it does. */
export interface FaultChoice {
  readonly fault: EmulatedFault;
  readonly title: string;
  /** What happens, and what the community should do about it. */
  readonly effect: string;
}

export interface FaultGroup {
  readonly title: string;
  readonly choices: readonly FaultChoice[];
}

const HOUR_MSEC = 3_600_000;

export const FAULT_GROUPS: readonly FaultGroup[] = [
  {
    title: 'Device',
    choices: [
      {
        fault: { kind: 'noReply' },
        title: 'Device does not answer',
        effect: 'The gateway hears nothing more from its device: the house becomes stale and its deals end.',
      },
      {
        fault: { kind: 'lateReply', delayMsec: 3000 },
        title: 'Device answers 3 s late',
        effect: 'Every answer takes 3 s of the community’s time: longer than a driver waits.',
      },
      {
        fault: { kind: 'clockSkew', offsetMsec: HOUR_MSEC },
        title: 'Device clock is 1 h fast',
        effect: 'Readings come from the future: they are not believed.',
      },
    ],
  },
  {
    title: 'Meter',
    choices: [
      {
        fault: { kind: 'stuckMeter' },
        title: 'Meter is stuck',
        effect: 'The meter keeps saying what it says now, whatever flows.',
      },
      {
        fault: { kind: 'meterOffset', amperes: 0.5 },
        title: 'Meter is 0.5 A off',
        effect: 'Compensation works against a current that is not there.',
      },
    ],
  },
  {
    title: 'Converter',
    choices: [
      {
        fault: { kind: 'heavyAlarm' },
        title: 'Heavy alarm of the converter',
        effect: 'The converter stops at once. The house does not trade until somebody has looked at it.',
      },
      {
        fault: { kind: 'trip', trip: 'over-current' },
        title: 'Converter trips: over-current',
        effect: 'The converter switches itself off. Its deals end, and others go on.',
      },
      {
        fault: { kind: 'lightAlarm' },
        title: 'Light alarm of the converter',
        effect: 'A warning: the converter works on.',
      },
      {
        fault: { kind: 'wrongMode', mode: 'WAIT' },
        title: 'Converter does not leave waiting',
        effect: 'It takes commands and does not follow: a deal with it cannot begin.',
      },
      {
        fault: { kind: 'refuseVoltageReference' },
        title: 'Converter will not hold the voltage',
        effect: 'It refuses to be the voltage reference; another has to.',
      },
      {
        fault: { kind: 'offsetCurrent', amperes: 0.5 },
        title: 'Converter carries 0.5 A too much',
        effect: 'The voltage reference has to make up for the difference.',
      },
      {
        fault: { kind: 'overheat', ambientC: 80 },
        title: 'Converter stands in 80 °C',
        effect: 'It warms up and, in time, switches itself off.',
      },
    ],
  },
  {
    title: 'House',
    choices: [
      { fault: { kind: 'pvDead' }, title: 'Solar is dead', effect: 'No more sun: the battery empties sooner.' },
      {
        fault: { kind: 'batteryLocked' },
        title: 'Battery is locked',
        effect: 'Nothing goes into the battery or out of it.',
      },
      {
        fault: { kind: 'houseOffline' },
        title: 'House without power',
        effect: 'Everything in the house is off, its converter too.',
      },
    ],
  },
  {
    title: 'Bus, at this house',
    choices: [
      {
        fault: { kind: 'secondVoltageSource', volts: 360 },
        title: 'Foreign source of 360 V on the bus',
        effect: 'Somebody else holds a voltage on the bus: the community must not energise it.',
      },
      {
        fault: { kind: 'leak', siemens: 0.002 },
        title: 'Leak of 0.7 A on the bus',
        effect: 'More goes in than comes out; the difference shows in the sum of all currents.',
      },
    ],
  },
];

export const HOUSE_FAULTS: readonly FaultChoice[] = FAULT_GROUPS.flatMap(({ choices }) => choices);

export const LINE_BREAK_TITLE = 'Line cut';
export const LINE_BREAK_EFFECT = 'Houses on both sides do not reach each other; deals across the cut end.';
