import type { Amperes, Volts } from './quantities.ts';

/** Commands that a grid master gives to a unit's controller (control.md §1.9), with their parameters. */
export type DeviceCommand =
  /** `atOnce`: nothing is brought down first. A bus that another converter holds does not follow (INV-1). */
  | { readonly command: 'WAIT'; readonly atOnce?: true }
  | { readonly command: 'scram'; readonly atOnce?: true }
  | { readonly command: 'CHARGE'; readonly gridCurrentA: Amperes }
  | { readonly command: 'DISCHARGE'; readonly gridCurrentA: Amperes }
  | { readonly command: 'VOLTAGE_REFERENCE' }
  | { readonly command: 'voltage'; readonly gridVoltageV: Volts }
  | { readonly command: 'current'; readonly gridCurrentA: Amperes }
  | { readonly command: 'voltageReferenceAuthorization' }
  | { readonly command: 'voltageReferenceWillHandOver' }
  | { readonly command: 'voltageReferenceWillTakeOver'; readonly gridVoltageV?: Volts }
  | {
      readonly command: 'voltageReferenceDidHandOver';
      readonly mode?: 'WAIT' | 'CHARGE' | 'DISCHARGE';
      readonly gridCurrentA?: Amperes;
    }
  | { readonly command: 'voltageReferenceDidTakeOver' };

export type DeviceCommandName = DeviceCommand['command'];
