import { demoHwConfig, demoPolicy, demoScenario, demoUnitConfig } from '../config/defaults.ts';
import type { UnitSettings } from '../config/load-unit.ts';
import { ConfigError } from '../domain/errors.ts';
import type { EpochMsec, Percent } from '../domain/quantities.ts';

/** The houses of the emulated community, with the charge that each begins with: somebody gives, somebody needs. */
const HOUSES: Readonly<Record<string, Percent>> = { E001: 92, E002: 80, E003: 55, E004: 30 };

/** A May morning: the sun is up, deals begin by themselves. */
export const DEMO_START: EpochMsec = Date.UTC(2020, 4, 15, 9, 0, 0);
export const DEMO_SPEED = 60;

/** Charge at the start of an emulated house; those that the demo does not know begin half full (emulator.md §1.1). */
export const startRsoc = (house: string): Percent => HOUSES[house] ?? 50;

/** The emulated converter has a watchdog, as far as the flow that drives it brings one along. */
const wiredTo = (house: string) => ({ type: 'flow', safeStop: 'watchdog', house });

/**
 * What `apis up` and `apis gateway` run when no config is given: four houses that share 2 A deals of 100 Wh. The
 * devices of those named are driven by a flow. Throws ConfigError for a house that is not there.
 */
export function demoSettings(wired: readonly string[] = []): readonly UnitSettings[] {
  const unitIds = Object.keys(HOUSES);
  const stranger = wired.find((unitId) => !unitIds.includes(unitId));
  if (stranger !== undefined) {
    const message = `expected one of the emulated houses ${unitIds.join(', ')}, got ${stranger}`;
    throw new ConfigError([{ file: 'set-up', path: 'wired', message }]);
  }
  const policy = demoPolicy(unitIds, { gridCurrentA: 2, amountWh: 100, operationMode: 'autonomous' });
  return unitIds.map((unitId) => ({
    unitConfig: demoUnitConfig(unitId, wired.includes(unitId) ? { device: wiredTo(unitId) } : {}),
    hwConfig: demoHwConfig(),
    policy,
    scenario: demoScenario(),
  }));
}
