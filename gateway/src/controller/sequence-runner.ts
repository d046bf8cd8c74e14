import type { Dcdc } from '../domain/unit-data.ts';
import type { Sequence } from './sequence.ts';
import { performStep, type StepGate, type StepTools } from './steps.ts';

export interface RunOptions {
  /** Something more important has taken over: the sequence ends on the spot, without any clean-up writes. */
  readonly overtaken: AbortSignal;
  /** The caller has given up: the sequence ends after its clean-up. */
  readonly signal?: AbortSignal | undefined;
  /** Throws when the command is no longer valid. */
  fence(): void;
}

/** Fence or permit said no. Nothing more may be written, so no clean-up either. */
class Refused {
  readonly reason: unknown;
  constructor(reason: unknown) {
    this.reason = reason;
  }
}

/** Marks what a check throws, to tell it from a failure of the device. */
const marked =
  <Args extends unknown[]>(check: (...args: Args) => void) =>
  (...args: Args): void => {
    try {
      check(...args);
    } catch (error) {
      throw new Refused(error);
    }
  };

/**
 * Carries out a sequence to its end, with every check directly before the write (RULE-2). What fails in a step is
 * thrown into the sequence, which may clean up; not so when it was overtaken or is no longer allowed.
 */
export async function runSequence(
  sequence: Sequence,
  tools: StepTools & Pick<StepGate, 'mustHold'>,
  { overtaken, signal, fence }: RunOptions,
): Promise<Dcdc> {
  const checks = { fence: marked(fence), mustHold: marked(tools.mustHold) };
  let stepSignal = signal === undefined ? overtaken : AbortSignal.any([overtaken, signal]);
  let next = sequence.next();
  while (!next.done) {
    const failure = await failureOf(performStep(next.value, tools, { ...checks, signal: stepSignal }));
    overtaken.throwIfAborted();
    if (failure?.error instanceof Refused) throw failure.error.reason;
    if (failure !== undefined) stepSignal = overtaken;
    next = failure === undefined ? sequence.next(tools.state.dcdc) : sequence.throw(failure.error);
  }
  return tools.state.dcdc;
}

const failureOf = (work: Promise<void>): Promise<{ readonly error: unknown } | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
