import type { Amperes, Volts } from './quantities.ts';

/**
 * How current and voltage come down before WAIT: by the policy's steps; in equal parts, so that all who begin together
 * stay in balance on the way (RULE-9); or not at all, on a bus that another converter holds up (INV-1).
 */
export type Descent = 'stepwise' | 'even' | 'none';

/** Commands that a grid master gives to a unit's controller (control.md §1.9), with their parameters. */
export type DeviceCommand =
  | { readonly command: 'WAIT'; readonly descent?: Descent }
  | { readonly command: 'scram'; readonly descent?: Descent }
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

/** Reason of a refusal: the converter has come to WAIT meanwhile, as its unit brings it there by itself. */
export const AT_REST = 'device.at-rest';
