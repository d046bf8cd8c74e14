import { InternalError, messageOf } from '../domain/errors.ts';
import type { Grid } from './grid.ts';
import { type HandOverEnd, type HandOverPlan, type HandOverStep, handOverSteps, type PlanStep } from './hand-over.ts';

/** The bus could not be brought back to one reference: everything has to stop. */
export class HandOverLost extends InternalError {}

async function repair(grid: Grid, steps: readonly PlanStep[]): Promise<boolean> {
  for (const { unitId, command } of steps) if (!(await grid.lower(unitId, command))) return false;
  return true;
}

async function failed(grid: Grid, step: HandOverStep, error: unknown): Promise<HandOverEnd> {
  grid.needs.log.warn(
    { unitId: step.unitId, command: step.command.command, message: messageOf(error) },
    'hand-over.step-failed',
  );
  return (await repair(grid, step.repairs)) ? step.end : 'lost';
}

async function runSteps(grid: Grid, plan: HandOverPlan): Promise<Exclude<HandOverEnd, 'lost'>> {
  for (const step of handOverSteps(plan)) {
    try {
      await grid.raise(step.unitId, step.command);
    } catch (error) {
      if (grid.isStepSuperseded) throw error; // a stop is running: it takes both references down
      const end = await failed(grid, step, error);
      if (end === 'lost')
        throw new HandOverLost(`hand-over from ${plan.from} to ${plan.to} failed and could not be repaired`);
      return end;
    }
    if (step.command.command === 'voltageReferenceDidHandOver') grid.voltageReferenceUnitId = plan.to;
  }
  return 'completed';
}

/**
 * Moves the voltage reference; only inside it two converters hold the voltage, both with droop (INV-1). Resolves
 * with `rolled-back` when the old reference holds it as before; throws `HandOverLost` when neither could be reached.
 */
export async function performHandOver(grid: Grid, plan: HandOverPlan): Promise<Exclude<HandOverEnd, 'lost'>> {
  grid.handOver = { from: plan.from, to: plan.to };
  const end = await runSteps(grid, plan);
  if (end === 'completed') grid.voltageReferenceUnitId = plan.to;
  // On a throw the hand-over stays published until the stop that follows has taken both references down.
  grid.handOver = undefined;
  grid.publish();
  return end;
}
