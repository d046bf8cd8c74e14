import { authorizationCandidates } from './authorization-range.ts';
import { branchFindings } from './branch-rules.ts';
import { type ConsistencyRule, when } from './consistency.ts';
import type { Policy } from './policy.ts';

/** A unit counts as alive while its beacon is younger than this, so beacons must be closer than this (cluster safety). */
const ALIVE_MSEC = 1000;
/** How long anybody waits for the reply to a command (control §8.4, last row). */
const REPLY_MSEC = 30000;

const strangers = (ids: readonly string[], { memberUnitIds }: Policy): string[] =>
  ids.filter((id) => !memberUnitIds.includes(id));

const strangerText = (id: string) => `expected ids from memberUnitIds, got ${JSON.stringify(id)}`;

const voltageRules: readonly ConsistencyRule<Policy>[] = [
  {
    path: 'operationGridVoltageVRange',
    severity: 'problem',
    broken: ({ operationGridVoltageVRange: { min, max } }) =>
      when(min >= max, `expected min < max, got ${min} and ${max}`),
  },
  {
    path: 'operationGridVoltageV',
    severity: 'problem',
    broken: ({ operationGridVoltageV, operationGridVoltageVRange: { min, max }, gridVoltageSeparationV }) => {
      const lowest = min + 2 * gridVoltageSeparationV;
      const isWithin = operationGridVoltageV >= lowest && operationGridVoltageV <= max;
      return when(
        !isWithin,
        `expected min + 2·gridVoltageSeparationV to max (${lowest} to ${max}), got ${operationGridVoltageV}`,
      );
    },
  },
  {
    path: 'gridVoltageSeparationV',
    severity: 'problem',
    broken: (policy) =>
      when(
        authorizationCandidates(policy).length === 0,
        'expected room for an authorization voltage from min + 3·gridVoltageSeparationV to max − gridVoltageSeparationV ' +
          `besides operationGridVoltageV, got none with ${policy.gridVoltageSeparationV}`,
      ),
  },
  {
    // INV-1: a second voltage reference would go unnoticed.
    path: 'gridVoltageAllowanceV',
    severity: 'problem',
    broken: ({ gridVoltageAllowanceV, gridVoltageSeparationV }) =>
      when(
        gridVoltageAllowanceV >= gridVoltageSeparationV,
        `expected less than gridVoltageSeparationV (${gridVoltageSeparationV}), else authorization proves nothing, got ${gridVoltageAllowanceV}`,
      ),
  },
  {
    path: 'gridUvloMaskV',
    severity: 'warning',
    broken: ({ gridUvloMaskV, gridVoltageSeparationV }) =>
      when(
        gridUvloMaskV >= 2 * gridVoltageSeparationV,
        `expected less than 2·gridVoltageSeparationV (${2 * gridVoltageSeparationV}), else the bus must fall below min − mask, got ${gridUvloMaskV}`,
      ),
  },
  {
    path: 'gridVoltageDropAllowanceV',
    severity: 'warning',
    broken: ({
      gridVoltageDropAllowanceV: dropV,
      operationGridVoltageVRange: { min, max },
      gridVoltageSeparationV: sepV,
      gridMaster,
    }) =>
      when(
        gridMaster.gridVoltageOptimization.enabled &&
          Math.max(min + dropV, min + 3 * sepV) > Math.min(max - dropV, max - sepV),
        `leaves no voltage to optimize between ${min} and ${max}, got ${dropV}`,
      ),
  },
];

const tradeRules: readonly ConsistencyRule<Policy>[] = [
  {
    path: 'mediator.deal.amountMinWh',
    severity: 'problem',
    broken: ({
      mediator: {
        deal: { amountMinWh, amountMaxWh, amountUnitWh },
      },
    }) => {
      const largest = Math.floor(amountMaxWh / amountUnitWh) * amountUnitWh;
      return when(
        largest < Math.max(amountMinWh, 1),
        `expected at most the largest possible deal (${largest} Wh: amountMaxWh ${amountMaxWh} in units of ${amountUnitWh}), got ${amountMinWh}`,
      );
    },
  },
  {
    path: 'gridMaster.deal.forceStopCondition',
    severity: 'problem',
    broken: ({
      gridMaster: {
        deal: {
          forceStopCondition: { dischargeUnitLowerLimitRsoc: lower, chargeUnitUpperLimitRsoc: upper },
        },
      },
    }) =>
      when(
        lower >= upper,
        `expected dischargeUnitLowerLimitRsoc < chargeUnitUpperLimitRsoc, got ${lower} and ${upper}`,
      ),
  },
  {
    path: 'mediator.negotiationTimeoutMsec',
    severity: 'warning',
    broken: ({ mediator: { negotiationTimeoutMsec }, user: { houseKeepingPeriodMsec } }) =>
      when(
        negotiationTimeoutMsec >= houseKeepingPeriodMsec,
        `expected less than user.houseKeepingPeriodMsec (${houseKeepingPeriodMsec}), got ${negotiationTimeoutMsec}`,
      ),
  },
];

const currentRules: readonly ConsistencyRule<Policy>[] = [
  {
    path: 'safety.sumOfDealGridCurrentMaxA',
    severity: 'problem',
    broken: ({ safety: { sumOfDealGridCurrentMaxA: maxA, gridTopologyBasedEvaluation }, mediator }) => {
      if (gridTopologyBasedEvaluation.enabled) return [];
      if (maxA === undefined) return ['expected a number > 0 while gridTopologyBasedEvaluation is off, got nothing'];
      const dealA = mediator.deal.gridCurrentA;
      return when(
        maxA < dealA,
        `expected at least one deal's current (mediator.deal.gridCurrentA ${dealA}), got ${maxA}`,
      );
    },
  },
  { path: 'safety.gridTopologyBasedEvaluation', severity: 'problem', broken: branchFindings },
  {
    path: 'gridMaster.currentCompensation.driftAllowanceA',
    severity: 'warning',
    broken: ({ gridMaster, safety: { sumOfDealingUnitGridCurrentAllowancePerUnitA: allowanceA } }) => {
      const driftA = gridMaster.currentCompensation.driftAllowanceA;
      const expected = `at most safety.sumOfDealingUnitGridCurrentAllowancePerUnitA (${allowanceA})`;
      return when(driftA > allowanceA, `expected ${expected}, got ${driftA}`);
    },
  },
];

const memberRules: readonly ConsistencyRule<Policy>[] = [
  {
    path: 'largeCapacityUnitIds',
    severity: 'warning',
    broken: (policy) => strangers(policy.largeCapacityUnitIds ?? [], policy).map(strangerText),
  },
  {
    path: 'gridMaster.gridMasterSelection.fixedUnitId',
    severity: 'problem',
    broken: (policy) => {
      const { strategy, fixedUnitId } = policy.gridMaster.gridMasterSelection;
      if (strategy !== 'fixed') return [];
      return fixedUnitId === undefined
        ? ['expected a unit id, as the strategy is "fixed", got nothing']
        : strangers([fixedUnitId], policy).map(strangerText);
    },
  },
  {
    path: 'gridMaster.gridMasterSelection.fixedUnitId',
    severity: 'warning',
    broken: (policy) => {
      const { strategy, fixedUnitId } = policy.gridMaster.gridMasterSelection;
      if (strategy === 'fixed' || fixedUnitId === undefined) return [];
      return strangers([fixedUnitId], policy).map(
        (id) => `${strangerText(id)} (unused while the strategy is "${strategy}")`,
      );
    },
  },
];

const timingRules: readonly ConsistencyRule<Policy>[] = [
  {
    path: 'gridMaster.heartbeatMsec',
    severity: 'problem',
    broken: ({ gridMaster: { heartbeatMsec, leaseMsec } }) => [
      ...when(
        heartbeatMsec >= ALIVE_MSEC,
        `expected less than ${ALIVE_MSEC}, else every unit counts as dead in between, got ${heartbeatMsec}`,
      ),
      ...when(2 * heartbeatMsec > leaseMsec, `expected at most half of leaseMsec (${leaseMsec}), got ${heartbeatMsec}`),
    ],
  },
  {
    path: 'gridMaster.leaseMsec',
    severity: 'problem',
    broken: ({ gridMaster: { leaseMsec, permitMsec } }) =>
      when(leaseMsec >= permitMsec, `expected less than permitMsec (${permitMsec}), got ${leaseMsec}`),
  },
  {
    path: 'gridMaster.dataCollectionTimeoutMsec',
    severity: 'warning',
    broken: ({ gridMaster: { dataCollectionTimeoutMsec: timeout, dataCollectionPeriodMsec: period } }) =>
      when(timeout > period, `expected at most dataCollectionPeriodMsec (${period}), got ${timeout}`),
  },
  {
    path: 'controller.requestTimeoutMsec',
    severity: 'warning',
    broken: ({ controller: { requestTimeoutMsec, retryLimit } }) => {
      const longest = requestTimeoutMsec * Math.max(1, retryLimit);
      return when(
        longest >= REPLY_MSEC,
        `times retryLimit expected less than ${REPLY_MSEC}, the time limit of replies, got ${longest}`,
      );
    },
  },
];

/** What must hold among the keys of policy.json (control §8.4 and cluster safety). */
export const policyRules: readonly ConsistencyRule<Policy>[] = [
  ...voltageRules,
  ...tradeRules,
  ...currentRules,
  ...memberRules,
  ...timingRules,
];
