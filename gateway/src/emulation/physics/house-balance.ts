import type { Watts } from '../../domain/quantities.ts';
import type { HouseLoss } from './house-loss.ts';

/** What decides the flows of a house at one instant. */
export interface BalanceInput {
  readonly pvW: Watts;
  readonly loadW: Watts;
  /** At the grid side of the converter, + when received. */
  readonly gridW: Watts;
  readonly converterLossW: Watts;
  /** Drawn from the battery to charge the capacitance of the bus. */
  readonly busChargeW: Watts;
  readonly bypass: boolean;
  readonly acCharging: boolean;
  readonly mayCharge: boolean;
  readonly mayDischarge: boolean;
}

/** All flows of a house, W: sources = pvUsed + import + grid, sinks = load + losses + busCharge + spilled + battery. */
export interface HouseFlows {
  readonly pvUsed: Watts;
  readonly pvCurtailed: Watts;
  readonly load: Watts;
  readonly import: Watts;
  readonly houseLoss: Watts;
  readonly converterLoss: Watts;
  readonly grid: Watts;
  readonly gridReceived: Watts;
  readonly gridSent: Watts;
  readonly busCharge: Watts;
  /** Pushed into a full battery with no PV left to cut. */
  readonly spilled: Watts;
  /** At the battery's terminals, + into it. */
  readonly battery: Watts;
  /** What the battery would get if it took and gave everything. */
  readonly wanted: Watts;
}

/**
 * Balance of one house (emulator.md §1.5). A battery that may not charge cuts the PV, then spills;
 * one that may not discharge leaves the rest to the AC grid.
 */
export function balance(input: BalanceInput, losses: HouseLoss): HouseFlows {
  const { pvW, loadW, gridW, converterLossW, busChargeW } = input;
  const mode = input.bypass ? losses.bypass : losses.battery;
  const dcLossW = mode.dcW + mode.dcPerLoad * loadW;
  const acLossW = mode.acW + mode.acPerLoad * loadW + (input.acCharging ? losses.chargerLossW : 0);
  const chargerW = input.acCharging ? losses.chargerW : 0;
  const wanted = gridW - converterLossW - busChargeW + pvW + chargerW - dcLossW - (input.bypass ? 0 : loadW);
  const surplusW = input.mayCharge ? 0 : Math.max(0, wanted);
  const deficitW = input.mayDischarge ? 0 : Math.max(0, -wanted);
  const pvCurtailed = Math.min(pvW, surplusW);
  return {
    pvUsed: pvW - pvCurtailed,
    pvCurtailed,
    load: loadW,
    import: acLossW + chargerW + (input.bypass ? loadW : 0) + deficitW,
    houseLoss: dcLossW + acLossW,
    converterLoss: converterLossW,
    grid: gridW,
    gridReceived: Math.max(0, gridW),
    gridSent: Math.max(0, -gridW),
    busCharge: busChargeW,
    spilled: surplusW - pvCurtailed,
    battery: wanted - surplusW + deficitW,
    wanted,
  };
}
