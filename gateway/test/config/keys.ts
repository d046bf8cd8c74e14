/** What a file without the key means. */
export type Absent = 'required' | 'optional' | { readonly means: unknown };

/** One key of a file as the specification has it, with values that must be refused and values that must be taken. */
export interface KeyCase {
  readonly path: string;
  readonly absent: Absent;
  readonly bad: readonly unknown[];
  readonly good: readonly unknown[];
}

const key = (path: string, absent: Absent, bad: readonly unknown[], good: readonly unknown[]): KeyCase => ({
  path,
  absent,
  bad,
  good,
});

const NO_NUMBER = ['three', true, null, {}, []];
const TOO_LONG_A_TIMER = 2 ** 31;

/** Milliseconds of a period or time limit. */
const msec = (path: string, absent: Absent, good = 1000) =>
  key(path, absent, [...NO_NUMBER, 0, -1, 1.5, TOO_LONG_A_TIMER], [good]);
/** Milliseconds that may be 0. */
const delay = (path: string, absent: Absent) => key(path, absent, [...NO_NUMBER, -1, 0.5, TOO_LONG_A_TIMER], [0, 1]);
const volts = (path: string, good: number) => key(path, 'required', [...NO_NUMBER, 0, -1, 2001], [good]);
const amperes = (path: string, good: number) => key(path, 'required', [...NO_NUMBER, 0, -1, 10001], [good]);
const count = (path: string, absent: Absent) => key(path, absent, [...NO_NUMBER, -1, 1.5, 1001], [0, 1]);
const flag = (path: string, means: boolean, good = [true, false]) => key(path, { means }, [0, 'true', null, {}], good);
const word = (path: string, absent: Absent, ...good: string[]) =>
  key(path, absent, ['nonsense', '', 1, null, [], {}], good);
const id = (path: string, absent: Absent) =>
  key(path, absent, ['', 'a/b', 'a b', '+', '#', '../x', 'x'.repeat(65), 1, null, {}], ['E002', 'x_1.a-b']);
const ids = (path: string, absent: Absent, good: readonly string[]) =>
  key(path, absent, ['E001', {}, null, [1], ['E001', 'E001'], ['a/b']], [good]);
const text = (path: string, absent: Absent) => key(path, absent, ['', 1, true, null, [], {}], ['some text']);
const port = (path: string, absent: Absent) => key(path, absent, [...NO_NUMBER, 0, 65536, 80.5], [1, 65535]);

/** policy.json: control §8.2, market Appendix A, and our own. */
export const POLICY_KEYS: readonly KeyCase[] = [
  msec('refreshingPeriodMsec', { means: 5000 }),
  word('operationMode', { means: 'stop' }, 'autonomous', 'heteronomous', 'stop', 'manual'),
  ids('memberUnitIds', 'required', ['E001', 'E002']),
  key('memberUnitIds', 'required', [[]], [['E001']]),
  ids('largeCapacityUnitIds', 'optional', ['E001']),
  volts('operationGridVoltageV', 340),
  volts('operationGridVoltageVRange.min', 310),
  volts('operationGridVoltageVRange.max', 390),
  volts('gridVoltageSeparationV', 5),
  volts('gridVoltageAllowanceV', 3),
  volts('gridVoltageDropAllowanceV', 10),
  key('gridVoltageStepV', { means: 350 }, [...NO_NUMBER, 0], [10]),
  amperes('gridCurrentStepA', 0.5),
  key('gridUvloMaskV', 'required', [...NO_NUMBER, -1, 2001], [0, 15]),
  amperes('safety.sumOfDealingUnitGridCurrentAllowancePerUnitA', 0.2),
  key('safety.sumOfDealGridCurrentMaxA', 'required', [...NO_NUMBER, 0, 10001], [10]),
  flag('safety.gridTopologyBasedEvaluation.enabled', false, [false]),
  key('safety.gridTopologyBasedEvaluation.branchIds', { means: [] }, ['a', [1], [''], ['a', 'a']], [['a b', 'c']]),
  key(
    'safety.gridTopologyBasedEvaluation.branchAssociation',
    { means: {} },
    [[], 1, { a: 1 }, { a: {} }],
    [{ a: { forwardUnitIds: [], backwardUnitIds: ['E001'] } }],
  ),
  key(
    'safety.gridTopologyBasedEvaluation.branchCurrentCapacityA',
    { means: {} },
    [[], { a: 0 }, { a: 'x' }],
    [{ a: 1 }],
  ),
  msec('heloPeriodMsec', { means: 5000 }),
  count('controller.dcdc.checkpoint.retryLimit', 'required'),
  delay('controller.dcdc.checkpoint.retryWaitMsec', 'required'),
  msec('controller.dcdc.voltageReference.rampUp.first.timeoutMsec', 'required'),
  key('controller.dcdc.voltageReference.authorization.numberOfTrials', 'required', [...NO_NUMBER, 0, 1.5], [1, 3]),
  delay('controller.scramVoltageReferenceDelayMsec', { means: 5000 }),
  msec('controller.stopMeTimeoutMsec', { means: 60000 }),
  msec('controller.stopMeCheckPeriodMsec', { means: 1000 }),
  msec('controller.dataAcquisitionPeriodMsec', { means: 5000 }),
  msec('controller.requestTimeoutMsec', { means: 5000 }),
  count('controller.retryLimit', { means: 3 }),
  msec('user.errorHandlingPeriodMsec', { means: 1000 }),
  delay('user.errorSustainingMsec', { means: 30000 }),
  msec('user.houseKeepingPeriodMsec', { means: 60000 }),
  amperes('mediator.deal.gridCurrentA', 2),
  key('mediator.deal.amountMinWh', 'required', [...NO_NUMBER, 0, -50, 1.5], [1]),
  key('mediator.deal.amountMaxWh', 'required', [...NO_NUMBER, 0, 99.5], [500]),
  key('mediator.deal.amountUnitWh', 'required', [...NO_NUMBER, 0, -1], [25]), // 0 divided by zero: W12
  msec('mediator.negotiationTimeoutMsec', { means: 2000 }),
  msec('mediator.dealLoggingPeriodMsec', { means: 5000 }),
  word('gridMaster.voltageReferenceSide', { means: 'chargeUnit' }, 'chargeUnit', 'dischargeUnit'),
  word('gridMaster.voltageReferenceTakeOverDvg', { means: 'theoretical' }, 'theoretical', 'actual'),
  word('gridMaster.masterDealSelection.strategy', { means: 'newestDeal' }, 'newestDeal'),
  word(
    'gridMaster.gridMasterSelection.strategy',
    { means: 'voltageReferenceUnit' },
    'voltageReferenceUnit',
    'anywhere',
  ),
  id('gridMaster.gridMasterSelection.fixedUnitId', 'optional'),
  delay('gridMaster.gridMasterEnsuring.interlockInconsistency.retryWaitMsec', { means: 2000 }),
  delay('gridMaster.gridMasterWatching.absence.ensureWaitMsec', { means: 5000 }),
  key('gridMaster.deal.forceStopCondition.dischargeUnitLowerLimitRsoc', 'required', [...NO_NUMBER, -1, 101], [0, 30.5]),
  key('gridMaster.deal.forceStopCondition.chargeUnitUpperLimitRsoc', 'required', [...NO_NUMBER, -1, 101], [90, 100]),
  word('gridMaster.deal.referenceSide', { means: 'chargeUnit' }, 'chargeUnit', 'dischargeUnit'),
  count('gridMaster.deal.resetLimit', 'required'),
  msec('gridMaster.deal.startTimeoutMsec', { means: 600000 }),
  key('gridMaster.deal.maxDurationFactor', { means: 3 }, [...NO_NUMBER, 0.5], [1, 2.5]),
  msec('gridMaster.deal.stopTimeoutMsec', { means: 1000 }),
  count('gridMaster.currentCompensation.limitOfTrials', 'required'),
  amperes('gridMaster.currentCompensation.driftAllowanceA', 0.1),
  flag('gridMaster.gridVoltageOptimization.enabled', false),
  msec('gridMaster.heloPeriodMsec', { means: 5000 }),
  msec('gridMaster.dataCollectionPeriodMsec', { means: 5000 }, 4000),
  msec('gridMaster.dataCollectionTimeoutMsec', { means: 2000 }),
  msec('gridMaster.mainLoopPeriodMsec', { means: 5000 }),
  delay('gridMaster.errorSustainingMsec', { means: 30000 }),
  msec('gridMaster.heartbeatMsec', { means: 500 }, 400),
  msec('gridMaster.permitMsec', { means: 5000 }, 6000),
  msec('gridMaster.leaseMsec', { means: 2000 }, 1500),
  delay('gridMaster.lingerMsec', { means: 3000 }),
  word('gridMaster.quorum', { means: 'majority' }, 'majority', 'any'),
  word('gridMaster.admission', { means: 'capacity' }, 'capacity', 'n-1'),
];

const meter = (name: string, good: number) =>
  ['min', 'max'].map((end) =>
    key(`safety.range.dcdc.meter.${name}.${end}`, 'required', NO_NUMBER, [end === 'min' ? -good : good]),
  );

/** hwConfig.json: control §8.3. */
export const HW_CONFIG_KEYS: readonly KeyCase[] = [
  msec('refreshingPeriodMsec', { means: 5000 }),
  key('batteryNominalCapacityWh', 'required', [...NO_NUMBER, 0, -1], [1000.5]),
  amperes('gridCurrentCapacityA', 2),
  amperes('gridCurrentAllowanceA', 0.1),
  key('droopRatio', 'required', [...NO_NUMBER, 0, -0.1, 1.1], [0.01, 1]), // INV-1
  key('efficientBatteryGridVoltageRatio', 'optional', [...NO_NUMBER, 0], [6.5]),
  ...meter('tmp', 50),
  ...meter('vg', 400),
  ...meter('vb', 60),
  ...meter('ig', 3),
  ...meter('ib', 30),
];

/** config.json: market §1.3, and our own. */
export const UNIT_CONFIG_KEYS: readonly KeyCase[] = [
  text('programId', { means: 'apis-main' }),
  id('communityId', { means: 'NA' }),
  id('clusterId', { means: 'NA' }),
  flag('security.enabled', false),
  text('security.pemKeyFile', 'optional'),
  text('security.pemCertFile', 'optional'),
  id('unitId', 'required'),
  text('unitName', 'optional'),
  text('serialNumber', { means: 'NA' }),
  word('systemType', 'required', 'dcdc_emulator'),
  text('hwConfigFile', 'required'),
  text('policyFile', 'required'),
  text('scenarioFile', 'required'),
  key('stateFileFormat', 'optional', ['', 1], ['{tmpdir}/apis/state/%s']),
  text('dealLogDirFormat', 'optional'),
  text('fileSystemExclusiveLockFileFormat', { means: '{tmpdir}/.apis.%s.lock' }),
  msec('policyFileReadTimeoutMsec', { means: 60000 }),
  text('connection.emulator.host', { means: 'localhost' }),
  port('connection.emulator.port', 'required'),
  port('connection.dcdc_controller.port', 'optional'),
  port('connection.emu_driver.port', 'optional'),
  flag('controlCenter.enabled', false), // the original's default is true: W26
  text('controlCenter.account', 'optional'),
  key('controlCenter.password', 'optional', [1, null, {}], ['', 'secret']),
  flag('batteryCapacityManagement.enabled', false),
  flag('watchdog.enabled', false, [false]),
  msec('watchdog.periodMsec', { means: 5000 }),
  text('watchdog.host', 'optional'),
  port('watchdog.port', 'optional'),
  text('watchdog.uri', 'optional'),
  msec('watchdog.requestTimeoutMsec', { means: 5000 }),
  key(
    'device',
    'optional',
    [1, [], {}, { type: 1 }, { type: 'emulated' }, { type: 'http' }, { type: 'http', baseUrl: 1 }],
    [
      { type: 'emulated', house: 'h1' },
      { type: 'http', baseUrl: 'http://127.0.0.1:4380', nested: { deep: [1, null, 'x'] } },
      { type: 'of-tomorrow', anything: true },
    ],
  ),
  text('mqtt.host', { means: '127.0.0.1' }),
  port('mqtt.port', 'optional'),
  text('mqtt.reachedAt', 'optional'),
  word('mqtt.broker', { means: 'embedded' }, 'embedded'),
  flag('mqtt.insecure', false),
  text('dataDir', 'optional'),
  key('discovery.mdns', 'optional', [0, 'true', null, {}], [true, false]),
  text('discovery.interface', 'optional'),
  key(
    'peers',
    { means: [] },
    [{}, 'E002', [1], [{}], [{ unitId: 'E002', host: 'h', port: 0 }]],
    [[], [{ unitId: 'E002', host: '127.0.0.1', port: 18831 }]],
  ),
  key('timeZoneOffsetMinutes', 'optional', [...NO_NUMBER, -721, 841, 0.5], [0, 540, -720]),
];

const WINDOW = '00:00:00-24:00:00';
const discharge = `${WINDOW}.request.excess.discharge`;

/** scenario.json: market §2.1. */
export const SCENARIO_KEYS: readonly KeyCase[] = [
  msec('refreshingPeriodMsec', { means: 5000 }),
  word('acceptSelection.strategy', 'optional', 'amount', 'pointAndAmount'),
  word(`${WINDOW}.acceptSelection.strategy`, 'optional', 'amount', 'pointAndAmount'),
  key(`${WINDOW}.batteryStatus`, 'required', [1, [], { '-': 1 }, { '-': '' }], [{ '-': 'excess' }]),
  key(`${WINDOW}.request`, 'optional', [1, []], [{}]),
  key(`${WINDOW}.accept`, 'optional', [1, []], [{}]),
  key(discharge, 'optional', [1, []], []),
  key(`${discharge}.limitWh`, 'required', [...NO_NUMBER, -1], [0, 3000]), // W10, W11
  key(`${discharge}.pointPerWh`, 'optional', [...NO_NUMBER, -1], [0, 10.5]),
  id(`${discharge}.pairUnitId`, 'optional'),
];

/** Hardware profile, down to where the drivers take over. */
export const PROFILE_KEYS: readonly KeyCase[] = [
  key('id', 'required', ['', 'Upper', 'a b', 1], ['a-1']),
  text('title', 'required'),
  key('profileVersion', 'required', [0, 1.5, '1'], [2]),
  word('verified', 'optional', 'bench', 'simulator', 'document', 'template'),
  word('devices.battery.protocol', 'required', 'modbus', 'sunspec', 'http-driver', 'fake'),
  word('devices.dcdc.protocol', 'required', 'eza2500', 'modbus', 'http-driver', 'fake'),
  word('devices.dcdc.transport.kind', 'required', 'serial', 'tcp', 'rtu-over-tcp', 'http', 'memory'),
  port('devices.dcdc.transport.port', 'optional'),
  key('devices.battery.points', 'required', [1, []], [{ rsoc: { json: 'rsoc' } }]),
  key('devices.dcdc.points', 'optional', [1, []], [{}]),
  key('devices.dcdc.modes.WAIT', 'required', [...NO_NUMBER, 0.5], [0]),
  key('devices.dcdc.limits.dvg.max', 'required', NO_NUMBER, [400]),
  key('devices.dcdc.sequences', 'required', [1, { '*': ['mode'] }, { '*': ['mode', 'mode', 'mode'] }], [{}]),
  key('unit.batteryNominalCapacityWh', 'required', [...NO_NUMBER, 0], [100]),
  key('unit.safety.vg', 'optional', [1, { min: 1 }], [{ min: 0, max: 1 }]),
];
