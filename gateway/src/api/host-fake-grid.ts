import { SystemClock } from '../adapters/system/system-clock.ts';
import { World } from '../emulation/world.ts';
import type { HouseOptions, WorldOptions } from '../emulation/world-options.ts';
import { SeededEntropy } from '../ports/entropy.ts';
import type { Log } from '../ports/log.ts';
import { type EmulatorApi, startEmulatorApi } from './emulator-api.ts';
import { readDataset } from './read-dataset.ts';

export interface FakeGridOptions {
  readonly houses: readonly HouseOptions[];
  /** Default: a line with a house every 30 m. */
  readonly network?: WorldOptions['network'];
  /** Folder with sun and load; default: a built-in year. */
  readonly dataset?: string;
  readonly seed?: number;
  /** Default 0: any free port, on loopback. */
  readonly port?: number;
  readonly log?: Log;
}

/**
 * An emulated DC network of this process at the speed of life, behind the emulator's HTTP API, so that others can be
 * its clients, too. Rejects ConfigError for houses, lines, data or a port that cannot be.
 */
export async function hostFakeGrid(options: FakeGridOptions): Promise<EmulatorApi> {
  const { houses, network, seed = 1, port = 0, log } = options;
  const dataset = await readDataset(
    options.dataset,
    houses.map(({ id }) => id),
  );
  const world = new World({
    clock: new SystemClock(),
    entropy: new SeededEntropy(seed),
    houses,
    dataset,
    ...(network === undefined ? {} : { network }),
  });
  try {
    const api = await startEmulatorApi({ world, port, ...(log === undefined ? {} : { log }) });
    const close = async (): Promise<void> => {
      world.close();
      await api.close();
    };
    return { ...api, close };
  } catch (error) {
    world.close();
    throw error;
  }
}
