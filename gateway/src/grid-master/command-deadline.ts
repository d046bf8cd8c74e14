import type { Policy } from '../config/policy.ts';
import type { DeviceCommandName } from '../domain/device-command.ts';
import type { Milliseconds } from '../domain/quantities.ts';

/** How many set-and-check rounds a command takes at most in a controller (control.md §1.9); the authorisation counts its trials. */
const ROUNDS: Readonly<Record<DeviceCommandName, number>> = {
  WAIT: 3,
  scram: 3,
  CHARGE: 4,
  DISCHARGE: 4,
  VOLTAGE_REFERENCE: 1,
  voltage: 2,
  current: 4,
  voltageReferenceAuthorization: 1,
  voltageReferenceWillHandOver: 1,
  voltageReferenceWillTakeOver: 1,
  voltageReferenceDidHandOver: 4,
  voltageReferenceDidTakeOver: 1,
};

/** Time of a driver write beside its checkpoint. */
const WRITE_MSEC = 500;

/** How long the grid master waits for a unit to carry a command out, each command for itself (control.md D11). */
export function commandDeadlineMsec(policy: Policy, command: DeviceCommandName): Milliseconds {
  const { checkpoint, voltageReference } = policy.controller.dcdc;
  const trials = command === 'voltageReferenceAuthorization' ? voltageReference.authorization.numberOfTrials : 0;
  const roundMsec = Math.max(1, checkpoint.retryLimit) * checkpoint.retryWaitMsec + WRITE_MSEC;
  return policy.controller.requestTimeoutMsec + (ROUNDS[command] + trials) * roundMsec;
}

/** Deadline of an answer that needs no converter sequence: a record to journal, a reading. */
export const answerDeadlineMsec = (policy: Policy): Milliseconds => policy.gridMaster.dataCollectionTimeoutMsec;
