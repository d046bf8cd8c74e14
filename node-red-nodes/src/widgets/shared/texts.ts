import type { ConverterMode, ModeLabel } from '@apis-edge/gateway/domain';

/** The words of the picture, in one place. */
export const MODE_TEXTS: Readonly<Record<ModeLabel, { readonly title: string; readonly meaning: string }>> = {
  run: { title: 'Run', meaning: 'Houses trade energy by themselves.' },
  'soft-stop': { title: 'Soft stop', meaning: 'Running deals end as planned, no new ones begin.' },
  'force-stop': { title: 'Force stop', meaning: 'All deals are stopped, converters wait.' },
  manual: { title: 'Manual', meaning: 'A person operates the converters.' },
};

/** What stands where no deal runs: in a mode in which none can begin it names the way out. */
export const noDealText = (mode: ModeLabel | undefined): string =>
  mode === undefined || mode === 'run'
    ? 'No deal is running. Houses begin one when one has energy to spare and another wants it.'
    : `No deal is running, and none begins in the mode “${MODE_TEXTS[mode].title}”: “Run” lets houses trade again.`;

export const CONVERTER_TEXTS: Readonly<Record<ConverterMode, string>> = {
  WAIT: 'Waiting',
  VOLTAGE_REFERENCE: 'Voltage reference',
  CHARGE: 'Charging',
  DISCHARGE: 'Discharging',
};

/** What the picture asks before it does something that cannot be taken back. */
export interface Question {
  readonly title: string;
  readonly text: string;
  readonly yes: string;
}

export const FORCE_STOP_QUESTION: Question = {
  title: 'Force stop the community?',
  text: 'All running deals end now. Currents go down first, then the voltage reference lets go of the bus.',
  yes: 'Force stop',
};
export const EMERGENCY_QUESTION: Question = {
  title: 'Emergency stop?',
  text: 'Every converter goes to waiting at once, without any order. The community stays stopped until somebody presses Run.',
  yes: 'Stop everything now',
};
/** Reason that goes with the emergency stop into logs and deal records. */
export const EMERGENCY_REASON = 'emergency stop pressed on the community page';
