import type { Milliseconds, Volts } from '../domain/quantities.ts';
import type { FirstDealGate } from './first-deal-gate.ts';
import type { Grid } from './grid.ts';
import { hasActiveDeal, modeOf } from './grid-view.ts';

/** A bus that has not fallen for so long is held up by somebody; one that stays in the mask for so long is stuck. */
const PATIENCE_MSEC = 30_000;

/**
 * Patience with a bus that is not idle before a first deal: a decaying voltage is waited for, a held one is a fault
 * (control.md S8), and so is a voltage that settles around the switching threshold of the converters (S9).
 */
export class BusWatch {
  #lowestV = Number.POSITIVE_INFINITY;
  #since: Milliseconds = Number.POSITIVE_INFINITY;
  #saidAt: Milliseconds | undefined;

  /** May the bus be energised? Otherwise it says why, once in a while. */
  mayEnergise(grid: Grid, gate: FirstDealGate, gridVoltageV: Volts): boolean {
    const ownerless = ownerlessUnits(grid);
    if (gate === 'go' && ownerless.length === 0) {
      this.#forget();
      return true;
    }
    this.#observe(grid, gridVoltageV);
    if (this.#isOverdue(grid.now)) this.#complain(grid, gate, gridVoltageV, ownerless);
    return false;
  }

  #forget(): void {
    this.#lowestV = Number.POSITIVE_INFINITY;
    this.#since = Number.POSITIVE_INFINITY;
    this.#saidAt = undefined;
  }

  /** Patience begins anew with every allowance that the voltage has fallen. */
  #observe(grid: Grid, gridVoltageV: Volts): void {
    const hasFallen = gridVoltageV < this.#lowestV - grid.policy.gridVoltageAllowanceV;
    if (!hasFallen) return;
    this.#lowestV = gridVoltageV;
    this.#since = grid.now;
  }

  #isOverdue(now: Milliseconds): boolean {
    return now - (this.#saidAt ?? this.#since) >= PATIENCE_MSEC;
  }

  #complain(grid: Grid, gate: FirstDealGate, gridVoltageV: Volts, ownerless: readonly string[]): void {
    this.#saidAt = grid.now;
    const suspects = ownerless.length === 0 ? 'nobody known' : ownerless.join(', ');
    const isHeldUp = gate !== 'in-uvlo-mask';
    grid.raiseFault({
      category: 'HARDWARE',
      extent: 'GLOBAL',
      level: isHeldUp ? 'ERROR' : 'WARN',
      reason: isHeldUp ? 'grid.bus-held-up' : 'grid.bus-in-uvlo-mask',
      message: `no deal can begin: the bus stays at ${gridVoltageV} V, active without a deal: ${suspects}`,
    });
  }
}

/** Members whose converter is out of WAIT although nobody has put it there (INV-2, RULE-10). */
export function ownerlessUnits(grid: Grid): readonly string[] {
  const view = grid.view();
  return grid.policy.memberUnitIds.filter((unitId) => {
    const mode = modeOf(view, unitId);
    return mode !== undefined && mode !== 'WAIT' && !hasActiveDeal(view, unitId);
  });
}
