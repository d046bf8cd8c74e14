import type { OperationMode } from '../domain/operation-mode.ts';
import type { HwConfig } from './hw-config.ts';
import { type ConfigKind, type ConfigValues, parseConfig } from './load.ts';
import type { Policy } from './policy.ts';
import type { Scenario } from './scenario.ts';
import type { UnitConfig } from './unit-config.ts';

/** Our own data goes through the same gate as a user's file. */
const valid = <K extends ConfigKind>(kind: K, data: unknown): ConfigValues[K] =>
  parseConfig(kind, JSON.stringify(data), `built-in ${kind}`).value;

export interface DemoDeal {
  /** Current of each deal. The original's demo uses 1 A, its commented sample 2 A. */
  readonly gridCurrentA?: number;
  /** Least, most and unit of each deal's energy. The original's demo uses 50 Wh, its commented sample 100 Wh. */
  readonly amountWh?: number;
  readonly operationMode?: OperationMode;
}

/**
 * The policy of the emulated community: the original's demo, made consistent (control §8.4), with our own faster
 * acquisition and scram. Trades at once; the originals' files start in "stop".
 * @throws ConfigError when the ids are empty, repeated or not ids
 */
export function demoPolicy(
  memberUnitIds: readonly string[],
  { gridCurrentA = 1, amountWh = 50, operationMode = 'autonomous' }: DemoDeal = {},
): Policy {
  return valid('policy', {
    operationMode,
    memberUnitIds,
    largeCapacityUnitIds: memberUnitIds.slice(0, 1),
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
      scramVoltageReferenceDelayMsec: 2000,
      dataAcquisitionPeriodMsec: 1000,
    },
    mediator: { deal: { gridCurrentA, amountMinWh: amountWh, amountMaxWh: amountWh, amountUnitWh: amountWh } },
    gridMaster: {
      deal: {
        forceStopCondition: { dischargeUnitLowerLimitRsoc: 20, chargeUnitUpperLimitRsoc: 95 },
        resetLimit: 3,
      },
      currentCompensation: { limitOfTrials: 3, driftAllowanceA: 0.03 },
    },
  });
}

/** The capacity of one battery of the original's demo. */
const DEMO_CAPACITY_WH = 4800;

/** The hardware of the emulated houses; the voltage limit leaves room above the policy's range. */
export function demoHwConfig(batteryNominalCapacityWh = DEMO_CAPACITY_WH): HwConfig {
  return valid('hwConfig', {
    batteryNominalCapacityWh,
    gridCurrentCapacityA: 2.3,
    gridCurrentAllowanceA: 0.125,
    droopRatio: 0.039,
    efficientBatteryGridVoltageRatio: 6.5,
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
}

/** The original's demo scenario for any capacity: offers above 90 %, asks below 60 %, helps in between; one price. */
export function demoScenario(batteryNominalCapacityWh = DEMO_CAPACITY_WH): Scenario {
  const [high, middle, low] = [0.9, 0.75, 0.6].map((part) => Math.round(part * batteryNominalCapacityWh));
  const to = (limitWh: number | undefined) => ({ limitWh, pointPerWh: 10 });
  return valid('scenario', {
    acceptSelection: { strategy: 'pointAndAmount' },
    '00:00:00-24:00:00': {
      batteryStatus: {
        [`${high}-`]: 'excess',
        [`${middle}-${high}`]: 'sufficient',
        [`${low}-${middle}`]: 'scarce',
        [`-${low}`]: 'short',
      },
      request: { excess: { discharge: to(high) }, sufficient: {}, scarce: {}, short: { charge: to(low) } },
      accept: {
        excess: { discharge: to(middle) },
        sufficient: { discharge: to(middle) },
        scarce: { charge: to(middle) },
        short: { charge: to(middle) },
      },
    },
  });
}

/** The config of one emulated unit; the file names are those a user would give, nothing is read from them here. */
export function demoUnitConfig(unitId: string, surroundings: Partial<UnitConfig> = {}): UnitConfig {
  return valid('config', {
    communityId: 'demo',
    clusterId: 'demo',
    unitId,
    unitName: unitId,
    serialNumber: '1',
    hwConfigFile: './hwConfig.json',
    policyFile: './policy.json',
    scenarioFile: './scenario.json',
    device: { type: 'emulated', house: unitId },
    ...surroundings,
  });
}
