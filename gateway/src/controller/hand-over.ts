import { DeviceError } from '../domain/errors.ts';
import type { Amperes, Volts } from '../domain/quantities.ts';
import { waitSetting } from './ramp-down.ts';
import { currentTo } from './ramps.ts';
import type { Sequence, SequenceContext } from './sequence.ts';

/** Old voltage reference: same voltage, now with droop, so that a second one can join (control.md §1.9.9, INV-1). */
export function* willHandOver({ state, hwConfig }: SequenceContext): Sequence {
  yield { kind: 'voltage', dvg: state.dvg, drg: hwConfig.droopRatio };
}

/** New voltage reference: joins with droop at the given voltage, else at the one it measures. */
export function* willTakeOver(context: SequenceContext, gridVoltageV?: Volts): Sequence {
  const { hwConfig, state } = context;
  const dvg = gridVoltageV ?? state.dcdc.meter.vg;
  const setting = { dvg, dig: hwConfig.gridCurrentCapacityA, drg: hwConfig.droopRatio };
  yield { kind: 'mode', setting: { mode: 'VOLTAGE_REFERENCE', ...setting } };
}

/** Old voltage reference leaves: its current down and WAIT, or the constant current that its other deals need. */
export function* didHandOver(
  context: SequenceContext,
  mode: 'WAIT' | 'CHARGE' | 'DISCHARGE' = 'WAIT',
  gridCurrentA?: Amperes,
): Sequence {
  const { operationGridVoltageV, operationGridVoltageVRange } = context.policy;
  if (mode === 'WAIT') return yield* leaveBus(context);
  if (gridCurrentA === undefined) {
    throw new DeviceError('device.bad-command', `voltageReferenceDidHandOver to ${mode} needs gridCurrentA`);
  }
  const dvg = mode === 'CHARGE' ? operationGridVoltageV : operationGridVoltageVRange.max;
  yield { kind: 'mode', setting: { mode, dvg, dig: gridCurrentA, drg: 0 } };
}

/** New voltage reference: alone now, stiff again. */
export function* didTakeOver({ state }: SequenceContext): Sequence {
  yield { kind: 'voltage', dvg: state.dvg, drg: 0 };
}

/** WAIT comes even when the current did not fall as it should; that is reported (control.md S10). */
function* leaveBus(context: SequenceContext): Sequence {
  try {
    yield* currentTo(context, 0, 0);
  } catch (error) {
    yield { kind: 'report', reason: 'device.degraded-stop', error };
  }
  yield { kind: 'mode', setting: waitSetting(context.policy) };
}
