import { type ConverterMode, CURRENT_SIGN } from '../domain/converter-mode.ts';
import { AT_REST, type DeviceCommand, type DeviceCommandName } from '../domain/device-command.ts';
import { DeviceError } from '../domain/errors.ts';
import type { Amperes } from '../domain/quantities.ts';
import { authorize } from './authorization.ts';
import { checkpoint } from './checkpoint.ts';
import { didHandOver, didTakeOver, willHandOver, willTakeOver } from './hand-over.ts';
import { currentTo, voltageTo } from './ramps.ts';
import type { Sequence, SequenceContext } from './sequence.ts';

/** Commands that wait for their turn; those that stop the converter overtake everything instead (RULE-11). */
export type QueuedName = Exclude<DeviceCommandName, 'WAIT' | 'scram'>;
export type QueuedCommand = Extract<DeviceCommand, { command: QueuedName }>;

type Table = {
  readonly [Name in QueuedName]: (
    context: SequenceContext,
    command: Extract<DeviceCommand, { command: Name }>,
  ) => Sequence;
};

/** Constant current: the first step with the mode, the rest in steps (control.md §1.9.5, §1.9.6). */
function* constantCurrent(context: SequenceContext, mode: 'CHARGE' | 'DISCHARGE', currentA: Amperes): Sequence {
  const { operationGridVoltageV, operationGridVoltageVRange, gridCurrentStepA } = context.policy;
  // The reference defines the voltage; for a discharger dvg is a ceiling.
  const dvg = mode === 'CHARGE' ? operationGridVoltageV : operationGridVoltageVRange.max;
  const sign = CURRENT_SIGN[mode];
  const dig = Math.min(currentA, gridCurrentStepA);
  yield { kind: 'mode', setting: { mode, dvg, dig, drg: 0 } };
  if (currentA < gridCurrentStepA) yield* checkpoint(context, { ig: sign * currentA });
  else yield* currentTo(context, currentA, sign);
}

/** Outside a hand-over nobody holds a bus up that is up already (RULE-2, INV-1). */
function* voltageReference(context: SequenceContext): Sequence {
  const { policy, hwConfig, state } = context;
  const { meter } = yield { kind: 'status' };
  const liveFromV = policy.operationGridVoltageVRange.min + 2 * policy.gridVoltageSeparationV;
  const isAlone = state.mode === 'VOLTAGE_REFERENCE' && state.drg === 0;
  if (!isAlone && !(meter.vg <= liveFromV)) {
    throw new DeviceError('device.bus-live', `the bus is up already: vg ${meter.vg} V exceeds ${liveFromV} V`);
  }
  const dvg = policy.operationGridVoltageV;
  yield { kind: 'mode', setting: { mode: 'VOLTAGE_REFERENCE', dvg, dig: hwConfig.gridCurrentCapacityA, drg: 0 } };
}

/**
 * A converter that has been stopped meanwhile, as by its unit itself, is asked in vain, and nobody is to blame (RULE-11);
 * in any other mode the command is a mistake.
 */
const unfit = (name: QueuedName, needed: string, mode: ConverterMode | undefined): DeviceError =>
  new DeviceError(
    mode === 'WAIT' ? AT_REST : 'device.bad-command',
    `${name} needs ${needed}, the converter is in ${mode}`,
  );

function* current(context: SequenceContext, gridCurrentA: Amperes): Sequence {
  const { mode } = context.state;
  if (mode === 'CHARGE' || mode === 'DISCHARGE') return yield* currentTo(context, gridCurrentA, CURRENT_SIGN[mode]);
  throw unfit('current', 'CHARGE or DISCHARGE', mode);
}

function* inVoltageReference(context: SequenceContext, name: QueuedName, sequence: Sequence): Sequence {
  const { mode } = context.state;
  if (mode === 'VOLTAGE_REFERENCE') return yield* sequence;
  throw unfit(name, 'VOLTAGE_REFERENCE', mode);
}

/** Only the end of a hand-over takes the droop away: until then two references may share the bus (INV-1, RULE-8). */
function* whileStiff(context: SequenceContext, name: QueuedName, sequence: Sequence): Sequence {
  if (context.state.drg > 0) throw new DeviceError('device.bad-command', `${name} would take the droop away`);
  yield* inVoltageReference(context, name, sequence);
}

/** Each command and its steps (control.md §1.9). */
export const COMMANDS: Table = {
  CHARGE: (context, { gridCurrentA }) => constantCurrent(context, 'CHARGE', gridCurrentA),
  DISCHARGE: (context, { gridCurrentA }) => constantCurrent(context, 'DISCHARGE', gridCurrentA),
  VOLTAGE_REFERENCE: voltageReference,
  voltage: (context, { command, gridVoltageV }) =>
    whileStiff(context, command, voltageTo(context, { vg: gridVoltageV })),
  current: (context, { gridCurrentA }) => current(context, gridCurrentA),
  voltageReferenceAuthorization: (context, { command }) => whileStiff(context, command, authorize(context)),
  voltageReferenceWillHandOver: (context, { command }) => inVoltageReference(context, command, willHandOver(context)),
  voltageReferenceWillTakeOver: (context, { gridVoltageV }) => willTakeOver(context, gridVoltageV),
  voltageReferenceDidHandOver: (context, { command, mode, gridCurrentA }) =>
    inVoltageReference(context, command, didHandOver(context, mode, gridCurrentA)),
  voltageReferenceDidTakeOver: (context, { command }) => inVoltageReference(context, command, didTakeOver(context)),
};

/** Steps of a command; the table's types hold name and parameters together, the union cannot. */
export const sequenceOf = (command: QueuedCommand, context: SequenceContext): Sequence =>
  (COMMANDS[command.command] as (context: SequenceContext, command: QueuedCommand) => Sequence)(context, command);
