import { demoHwConfig, demoPolicy, demoScenario, demoUnitConfig } from '../config/defaults.ts';
import type { UnitSettings } from '../config/load-unit.ts';
import { ConfigError } from '../domain/errors.ts';
import type { EpochMsec, Percent } from '../domain/quantities.ts';
import type { HouseOptions } from '../emulation/world-options.ts';

type DemoHouse = Pick<HouseOptions, 'pvScale' | 'loadScale'> & { readonly rsoc: Percent };

/** The houses of the emulated community: all day long somebody gives and somebody needs. */
const HOUSES: Readonly<Record<string, DemoHouse>> = {
  E001: { rsoc: 92, pvScale: 1.2 },
  E002: { rsoc: 80 },
  E003: { rsoc: 55, pvScale: 0.4, loadScale: 1.3 },
  // In the shade of the others, and always somebody at home.
  E004: { rsoc: 30, pvScale: 0, loadScale: 1.6 },
};

/** A May morning: the sun is up, deals begin by themselves. */
export const DEMO_START: EpochMsec = Date.UTC(2020, 4, 15, 9, 0, 0);
export const DEMO_SPEED = 60;

/** An emulated house at the start; those that the demo does not know begin half full and like any other (emulator.md §1.1). */
export const demoHouse = (house: string): DemoHouse => HOUSES[house] ?? { rsoc: 50 };

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
