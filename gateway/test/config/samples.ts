/** Small valid files as plain data: what each test changes one thing of. */
export type Data = { [key: string]: unknown };

export const aPolicy = (): Data => ({
  memberUnitIds: ['E001', 'E002', 'E003'],
  operationGridVoltageV: 350,
  operationGridVoltageVRange: { min: 300, max: 380 },
  gridVoltageSeparationV: 10,
  gridVoltageAllowanceV: 4,
  gridVoltageDropAllowanceV: 20,
  gridCurrentStepA: 1,
  gridUvloMaskV: 10,
  safety: { sumOfDealingUnitGridCurrentAllowancePerUnitA: 0.125, sumOfDealGridCurrentMaxA: 100 },
  controller: {
    dcdc: {
      checkpoint: { retryLimit: 3, retryWaitMsec: 100 },
      voltageReference: { rampUp: { first: { timeoutMsec: 180000 } }, authorization: { numberOfTrials: 3 } },
    },
  },
  mediator: { deal: { gridCurrentA: 1, amountMinWh: 50, amountMaxWh: 50, amountUnitWh: 50 } },
  gridMaster: {
    deal: {
      forceStopCondition: { dischargeUnitLowerLimitRsoc: 20, chargeUnitUpperLimitRsoc: 95 },
      resetLimit: 3,
    },
    currentCompensation: { limitOfTrials: 3, driftAllowanceA: 0.03 },
  },
});

export const aTopology = (): Data => ({
  enabled: true,
  branchIds: ['west'],
  branchAssociation: { west: { forwardUnitIds: ['E001'], backwardUnitIds: ['E002', 'E003'] } },
  branchCurrentCapacityA: { west: 10 },
});

export const aHwConfig = (): Data => ({
  batteryNominalCapacityWh: 4800,
  gridCurrentCapacityA: 2.3,
  gridCurrentAllowanceA: 0.125,
  droopRatio: 0.039,
  safety: {
    range: {
      dcdc: {
        meter: {
          tmp: { min: 0, max: 45 },
          vg: { min: -4, max: 390 },
          vb: { min: 32, max: 58.4 },
          ig: { min: -2.35, max: 2.35 },
          ib: { min: -20, max: 20 },
        },
      },
    },
  },
});

export const aUnitConfig = (): Data => ({
  unitId: 'E001',
  systemType: 'dcdc_emulator',
  hwConfigFile: './hwConfig.json',
  policyFile: './policy.json',
  scenarioFile: './scenario.json',
  connection: { emulator: { host: 'localhost', port: 4390 } },
  discovery: { mdns: false },
});

export const aWindow = (): Data => ({
  batteryStatus: { '3000-': 'excess', '-3000': 'short' },
  request: { excess: { discharge: { limitWh: 3000 } } },
  accept: { short: { charge: { limitWh: 3000 } } },
});

export const aScenario = (): Data => ({ '00:00:00-24:00:00': aWindow() });

export const aProfile = (): Data => ({
  id: 'bench',
  title: 'A bench',
  profileVersion: 1,
  devices: {
    battery: { protocol: 'fake', transport: { kind: 'memory' }, points: {} },
    dcdc: {
      protocol: 'fake',
      transport: { kind: 'memory' },
      modes: { WAIT: 0, VOLTAGE_REFERENCE: 20, CHARGE: 65, DISCHARGE: 2 },
      limits: { dvg: { min: 260, max: 390 }, drg: { min: 0, max: 4 }, dig: { min: 0, max: 8 } },
      sequences: { '*': ['mode', 'voltage', 'current'] },
    },
  },
  unit: {
    batteryNominalCapacityWh: 4800,
    gridCurrentCapacityA: 2.3,
    gridCurrentAllowanceA: 0.125,
    droopRatio: 0,
    safety: { vg: { min: -4, max: 390 } },
  },
});

export const aFlow = (): unknown[] => [
  { id: 'a', type: 'inject', wires: [['b']] },
  { id: 'b', type: 'debug', wires: [] },
];

const isData = (value: unknown): value is Data => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The data with the value at the dotted path replaced; objects on the way are made when missing. */
export function changed(data: Data, path: string, value: unknown): Data {
  const [key = '', ...rest] = path.split('.');
  if (rest.length === 0) return { ...data, [key]: value };
  const inner = data[key];
  return { ...data, [key]: changed(isData(inner) ? inner : {}, rest.join('.'), value) };
}

/** The data without the key at the dotted path. */
export function without(data: Data, path: string): Data {
  const [key = '', ...rest] = path.split('.');
  const { [key]: inner, ...others } = data;
  return rest.length > 0 && isData(inner) ? { ...others, [key]: without(inner, rest.join('.')) } : others;
}

/** The value at the dotted path. */
export function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((inner, key) => (isData(inner) ? inner[key] : undefined), value);
}
