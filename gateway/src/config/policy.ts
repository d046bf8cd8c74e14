import { OPERATION_MODES } from '../domain/operation-mode.ts';
import { dictionary, list, optional, record, withDefault } from './composite-fields.ts';
import type { ValueOf } from './field.ts';
import { choice, delayMsec, flag, id, integer, msec, number, text } from './scalar-fields.ts';

/** Voltages of the bus; far below what the converters stand, so that a slipped decimal point is noticed. */
const volts = number({ above: 0, max: 2000 });
const amperes = number({ above: 0, max: 10000 });
const wattHours = integer({ min: 1, max: 1e9 });
const percent = number({ min: 0, max: 100 });
const count = integer({ min: 0, max: 1000 });
const atLeastOnce = integer({ min: 1, max: 1000 });

const side = withDefault(choice('chargeUnit', 'dischargeUnit'), 'chargeUnit');

const branch = record({
  forwardUnitIds: list(id, { unique: true }),
  backwardUnitIds: list(id, { unique: true }),
});

const safetyFields = record({
  sumOfDealingUnitGridCurrentAllowancePerUnitA: amperes,
  // Needed only while the topology evaluation is off (policy-rules.ts).
  sumOfDealGridCurrentMaxA: optional(amperes),
  gridTopologyBasedEvaluation: record({
    enabled: withDefault(flag, false),
    branchIds: withDefault(list(text, { unique: true }), []),
    branchAssociation: withDefault(dictionary(branch), {}),
    branchCurrentCapacityA: withDefault(dictionary(amperes), {}),
  }),
});

const controllerFields = record({
  dcdc: record({
    checkpoint: record({ retryLimit: count, retryWaitMsec: delayMsec }),
    voltageReference: record({
      rampUp: record({ first: record({ timeoutMsec: msec }) }),
      authorization: record({ numberOfTrials: atLeastOnce }),
    }),
  }),
  scramVoltageReferenceDelayMsec: withDefault(delayMsec, 5000),
  stopMeTimeoutMsec: withDefault(msec, 60000),
  stopMeCheckPeriodMsec: withDefault(msec, 1000),
  dataAcquisitionPeriodMsec: withDefault(msec, 5000),
  requestTimeoutMsec: withDefault(msec, 5000),
  retryLimit: withDefault(count, 3),
});

const userFields = record({
  errorHandlingPeriodMsec: withDefault(msec, 1000),
  errorSustainingMsec: withDefault(delayMsec, 30000),
  houseKeepingPeriodMsec: withDefault(msec, 60000),
});

const mediatorFields = record({
  deal: record({
    gridCurrentA: amperes,
    amountMinWh: wattHours,
    amountMaxWh: wattHours,
    amountUnitWh: wattHours,
  }),
  negotiationTimeoutMsec: withDefault(msec, 2000),
  dealLoggingPeriodMsec: withDefault(msec, 5000),
});

const gridMasterFields = record({
  voltageReferenceSide: side,
  voltageReferenceTakeOverDvg: withDefault(choice('theoretical', 'actual'), 'theoretical'),
  masterDealSelection: record({ strategy: withDefault(choice('newestDeal'), 'newestDeal') }),
  gridMasterSelection: record({
    strategy: withDefault(choice('voltageReferenceUnit', 'fixed', 'anywhere'), 'voltageReferenceUnit'),
    fixedUnitId: optional(id),
  }),
  gridMasterEnsuring: record({ interlockInconsistency: record({ retryWaitMsec: withDefault(delayMsec, 2000) }) }),
  gridMasterWatching: record({ absence: record({ ensureWaitMsec: withDefault(delayMsec, 5000) }) }),
  deal: record({
    forceStopCondition: record({ dischargeUnitLowerLimitRsoc: percent, chargeUnitUpperLimitRsoc: percent }),
    referenceSide: side,
    resetLimit: count,
    // Ours: deadlines of a deal's life (architecture §4).
    startTimeoutMsec: withDefault(msec, 600000),
    maxDurationFactor: withDefault(number({ min: 1, max: 1000 }), 3),
    stopTimeoutMsec: withDefault(msec, 1000),
  }),
  currentCompensation: record({ limitOfTrials: count, driftAllowanceA: amperes }),
  gridVoltageOptimization: record({ enabled: withDefault(flag, false) }),
  heloPeriodMsec: withDefault(msec, 5000),
  dataCollectionPeriodMsec: withDefault(msec, 5000),
  dataCollectionTimeoutMsec: withDefault(msec, 2000),
  mainLoopPeriodMsec: withDefault(msec, 5000),
  errorSustainingMsec: withDefault(delayMsec, 30000),
  // Ours: election, lease and permits (architecture §3).
  heartbeatMsec: withDefault(msec, 500),
  permitMsec: withDefault(msec, 5000),
  leaseMsec: withDefault(msec, 2000),
  /** How long a live bus waits for a next deal before it is ramped down. */
  lingerMsec: withDefault(delayMsec, 3000),
  quorum: withDefault(choice('majority', 'any'), 'majority'),
  admission: withDefault(choice('capacity', 'n-1'), 'capacity'),
});

/** Every key of policy.json (control §8.2, market Appendix A) with type, range and code default. */
export const policyFields = record({
  refreshingPeriodMsec: withDefault(msec, 5000),
  operationMode: withDefault(choice(...OPERATION_MODES), 'stop'),
  memberUnitIds: list(id, { unique: true, atLeast: 1 }),
  largeCapacityUnitIds: optional(list(id, { unique: true })),
  operationGridVoltageV: volts,
  operationGridVoltageVRange: record({ min: volts, max: volts }),
  gridVoltageSeparationV: volts,
  gridVoltageAllowanceV: volts,
  gridVoltageDropAllowanceV: volts,
  gridVoltageStepV: withDefault(volts, 350),
  gridCurrentStepA: amperes,
  gridUvloMaskV: number({ min: 0, max: 2000 }),
  safety: safetyFields,
  heloPeriodMsec: withDefault(msec, 5000),
  controller: controllerFields,
  user: userFields,
  mediator: mediatorFields,
  gridMaster: gridMasterFields,
});

/** The rules of the whole cluster, with all defaults filled in; names and units are those of the file. */
export type Policy = ValueOf<typeof policyFields>;

/** The member that always holds the office, where the policy names one. */
export function fixedGridMasterOf({ gridMaster, memberUnitIds }: Policy): string | undefined {
  const { strategy, fixedUnitId } = gridMaster.gridMasterSelection;
  return strategy === 'fixed' ? memberUnitIds.find((unitId) => unitId === fixedUnitId) : undefined;
}
