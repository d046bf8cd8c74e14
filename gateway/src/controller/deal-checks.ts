import type { ConverterMode } from '../domain/converter-mode.ts';
import { masterSideMustBeActive, sideOf, slaveSideMustBeActive } from '../domain/deal.ts';
import { type SafetyCheck, type SafetyInput, usualHoldMsec, type Violation } from './safety-check.ts';
import { commandMsec } from './transition.ts';

/** L5: out of WAIT without any deal; only a manual session may be (INV-2). */
const checkOwner: SafetyCheck = ({ mode, effectiveMode, policy }) =>
  mode === 'WAIT' || effectiveMode === 'manual'
    ? []
    : [
        {
          check: 'L5',
          reason: 'safety.active-without-deal',
          category: 'HARDWARE',
          message: `in ${mode} although no deal involves this unit`,
          stops: true,
          holdMsec: usualHoldMsec(policy),
        },
      ];

/**
 * L6: deals although the mode forbids them, once the time in which they are stopped in order has passed. Every stop that
 * somebody asks for begins with running deals: that is nothing to suspect.
 */
const checkPermission: SafetyCheck = ({ effectiveMode, policy }) => [
  {
    check: 'L6',
    reason: 'safety.deal-not-allowed',
    category: 'USER',
    message: `a deal involves this unit although it is in ${effectiveMode}`,
    stops: false,
    holdMsec: policy.gridMaster.deal.stopTimeoutMsec + usualHoldMsec(policy),
    isUsual: true,
  },
];

const sidesOf = ({ deals, unitId }: SafetyInput) =>
  deals.filter(masterSideMustBeActive).map((deal) => ({ deal, side: sideOf(deal, unitId) }));

/** L7: charging in one deal and discharging in another (INV-5). */
const checkDirection: SafetyCheck = (input) =>
  new Set(sidesOf(input).map(({ side }) => side)).size < 2
    ? []
    : [
        {
          check: 'L7',
          reason: 'safety.both-directions',
          category: 'LOGIC',
          message: 'this unit charges in one deal and discharges in another',
          stops: false,
          holdMsec: usualHoldMsec(input.policy),
        },
      ];

/** Modes that fit all deals: WAIT when none is active, else voltage reference, the role, and WAIT while one side may rest. */
function fittingModes(input: SafetyInput): readonly ConverterMode[] {
  const active = sidesOf(input);
  const allowed = (mode: ConverterMode): boolean =>
    active.every(({ deal, side }) => {
      const role: ConverterMode = side === 'chargeUnit' ? 'CHARGE' : 'DISCHARGE';
      return mode === 'VOLTAGE_REFERENCE' || mode === role || (mode === 'WAIT' && !slaveSideMustBeActive(deal));
    });
  const modes: readonly ConverterMode[] = ['WAIT', 'VOLTAGE_REFERENCE', 'CHARGE', 'DISCHARGE'];
  return active.length === 0 ? ['WAIT'] : modes.filter(allowed);
}

/**
 * L8: the mode fits the deals (control.md §5.2). WAIT harms nobody: a converter that still rests is given the time of a
 * command. One that was told to rest does as it was told, whatever the records say: their intent stands before the command
 * comes (INV-7), and they outlast a stop while no grid master can be heard (RULE-7). The grid master sees it rest.
 */
const checkRole: SafetyCheck = (input) => {
  const fitting = fittingModes(input);
  if (fitting.some((mode) => mode === input.mode) || (input.mode === 'WAIT' && input.isLetGo)) return [];
  const violation: Violation = {
    check: 'L8',
    reason: 'safety.mode-against-deals',
    category: 'HARDWARE',
    message: `in ${input.mode}, the deals want ${fitting.join(' or ')}`,
    stops: false,
    ...(input.mode === 'WAIT'
      ? { holdMsec: commandMsec(input.policy), isUsual: true }
      : { holdMsec: usualHoldMsec(input.policy) }),
  };
  return [violation];
};

/** L5–L8, left out while the mode is unknown. */
export const checkDeals: SafetyCheck = (input) => {
  if (input.mode === undefined) return [];
  if (input.deals.length === 0) return checkOwner(input);
  const isForbidden = input.effectiveMode === 'stop' || input.effectiveMode === 'manual';
  return isForbidden ? checkPermission(input) : [...checkDirection(input), ...checkRole(input)];
};
