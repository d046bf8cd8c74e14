import type { ScenarioWindow } from '../config/scenario.ts';
import { statusOf } from './battery-status.ts';
import { type Outcome, refuse } from './outcome.ts';
import type { Standing } from './standing.ts';
import { isKnown, noStatus, type Wish, wishOf } from './wish.ts';

/**
 * Should this unit ask for a deal, and for how much (market §2.4)? Charging is looked at first; when it gives
 * nothing, discharging is tried too (W14).
 */
export function evaluateRequest(window: ScenarioWindow, standing: Standing): Outcome<Wish> {
  const status = statusOf(window, standing.storedWh);
  if (status === undefined || !isKnown(standing)) return noStatus(standing);
  const rules = window.request.get(status);
  const charge = rules?.charge && wishOf('charge', rules.charge, standing);
  if (charge !== undefined && 'ok' in charge) return charge;
  const discharge = rules?.discharge && wishOf('discharge', rules.discharge, standing);
  if (discharge !== undefined && 'ok' in discharge) return discharge;
  return charge ?? discharge ?? refuse('scenario.no-rule', { status, storedWh: standing.storedWh });
}
