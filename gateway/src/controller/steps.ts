import type { ConverterMode } from '../domain/converter-mode.ts';
import { type Clock, sleep } from '../ports/clock.ts';
import type { Acquisition } from './acquisition.ts';
import type { DeviceState } from './device-state.ts';
import type { DriverCalls, Gate } from './driver-calls.ts';
import type { Step } from './sequence.ts';

export interface StepTools {
  readonly clock: Clock;
  readonly calls: DriverCalls;
  readonly state: DeviceState;
  readonly acquisition: Acquisition;
  report(reason: string, error: unknown): void;
}

/** What stands between a step and the driver. */
export interface StepGate {
  readonly signal: AbortSignal;
  /** Throws when the command is no longer valid (RULE-2, INV-6). */
  fence(): void;
  /** Throws when the converter may not be in this mode now (INV-2). */
  mustHold(mode: ConverterMode | undefined): void;
}

const free = (gate: StepGate): Gate => ({ signal: gate.signal, check: () => {} });

/** The gate of a write that raises: fence and permit, asked again before every attempt. */
const raising = (gate: StepGate, mode: ConverterMode | undefined, begin = (): void => {}): Gate => ({
  signal: gate.signal,
  check: () => {
    gate.fence();
    gate.mustHold(mode);
    begin();
  },
});

/** The gate of a write that lowers: nobody needs leave to stop. */
const lowering = (gate: StepGate): Gate => ({ signal: gate.signal, check: () => gate.fence() });

type Of<Kind extends Step['kind']> = Extract<Step, { kind: Kind }>;

async function setMode({ setting }: Of<'mode'>, tools: StepTools, gate: StepGate): Promise<void> {
  const { acquisition, calls, clock, state } = tools;
  const { mode, ...setpoint } = setting;
  // A write that gets no answer may have landed all the same: what is intended counts from here on (RULE-3).
  const begin = (): void => state.intends(mode, clock.monotonic());
  acquisition.merge(
    await calls.setMode(setting, mode === 'WAIT' ? lowering(gate) : raising(gate, mode, begin)),
    'stepped',
  );
  state.entered(mode);
  state.commanded(setpoint);
}

async function setVoltage({ dvg, drg, isLowering }: Of<'voltage'>, tools: StepTools, gate: StepGate): Promise<void> {
  const { acquisition, calls, state } = tools;
  const writeGate = isLowering ? lowering(gate) : raising(gate, 'VOLTAGE_REFERENCE');
  acquisition.merge(await calls.setVoltage({ dvg, drg }, writeGate), 'stepped');
  state.commanded({ dvg, drg });
}

async function setCurrent({ dig }: Of<'current'>, tools: StepTools, gate: StepGate): Promise<void> {
  const { acquisition, calls, state } = tools;
  const writeGate = dig <= state.dig ? lowering(gate) : raising(gate, state.mode);
  acquisition.merge(await calls.setCurrent({ dig }, writeGate), 'stepped');
  state.commanded({ dig });
}

type Performers = {
  readonly [Kind in Step['kind']]: (step: Of<Kind>, tools: StepTools, gate: StepGate) => Promise<unknown>;
};

const PERFORMERS: Performers = {
  mode: setMode,
  voltage: setVoltage,
  current: setCurrent,
  status: (_, { acquisition }, gate) => acquisition.readStatus(free(gate)),
  wait: ({ msec }, { clock }, gate) => sleep(clock, msec, gate.signal),
  report: async ({ reason, error }, { report }) => report(reason, error),
};

/** Carries out one step; the table's types hold kind and fields together, the union cannot. */
export async function performStep(step: Step, tools: StepTools, gate: StepGate): Promise<void> {
  gate.signal.throwIfAborted();
  await (PERFORMERS[step.kind] as (step: Step, tools: StepTools, gate: StepGate) => Promise<unknown>)(
    step,
    tools,
    gate,
  );
}
