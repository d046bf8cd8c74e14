import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { demoHwConfig, demoPolicy } from '../../src/config/defaults.ts';
import type { Policy } from '../../src/config/policy.ts';
import { houseIds } from '../../src/emulation/world-options.ts';
import { aScenario } from '../config/samples.ts';
import { apis, freePorts, type Running } from './process.ts';

/** The market looks again every three seconds: its minute would be long for a test. */
export const impatient = (policy: Policy): Policy => ({
  ...policy,
  user: { ...policy.user, houseKeepingPeriodMsec: 3_000 },
});

export interface HousesOptions {
  readonly count?: number;
  readonly policy?: (unitIds: readonly string[]) => Policy;
  /** Further keys of every unit's config, by unit. */
  readonly more?: (unitId: string) => object;
}

export interface House {
  readonly unitId: string;
  readonly config: string;
  readonly data: string;
  readonly port: number;
}

/** An emulator and one gateway process per house, as on so many Raspberry Pis; configs and data in `directory`. */
export interface SeparateHouses {
  readonly houses: readonly House[];
  readonly emulatorPort: number;
  readonly emulator: Running;
  start(house: House): Running;
}

/** Writes the configs of a community whose every unit is a process of its own, and starts its emulator. */
export async function separateHouses(directory: string, options: HousesOptions = {}): Promise<SeparateHouses> {
  const unitIds = houseIds(options.count ?? 4);
  const [emulatorPort = 0, ...ports] = await freePorts(unitIds.length + 1);
  const place = (unitId: string): number => ports[unitIds.indexOf(unitId)] ?? 0;
  const policy = (options.policy ?? demoPolicy)(unitIds);
  const write = (path: string, content: object): Promise<void> =>
    writeFile(path, JSON.stringify(content, undefined, 2));
  const houses = await Promise.all(
    unitIds.map(async (unitId) => {
      const home = join(directory, unitId);
      await mkdir(home, { recursive: true });
      await write(join(home, 'hwConfig.json'), demoHwConfig());
      await write(join(home, 'policy.json'), policy);
      await write(join(home, 'scenario.json'), aScenario());
      const config = join(home, 'config.json');
      await write(config, {
        communityId: 'demo',
        clusterId: 'demo',
        unitId,
        hwConfigFile: './hwConfig.json',
        policyFile: './policy.json',
        scenarioFile: './scenario.json',
        systemType: 'dcdc_emulator',
        connection: { emulator: { host: '127.0.0.1', port: emulatorPort } },
        mqtt: { port: place(unitId) },
        discovery: { mdns: false },
        peers: unitIds
          .filter((other) => other !== unitId)
          .map((other) => ({ unitId: other, host: '127.0.0.1', port: place(other) })),
        ...options.more?.(unitId),
      });
      return { unitId, config, data: join(home, 'data'), port: place(unitId) };
    }),
  );
  const emulator = apis('emulator', '--houses', String(unitIds.length), '--port', String(emulatorPort));
  return {
    houses,
    emulatorPort,
    emulator,
    start: ({ config, data }) => apis('gateway', '--config', config, '--data', data),
  };
}
