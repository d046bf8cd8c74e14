import { PacedClock } from '../adapters/system/paced-clock.ts';
import { startEmulatorApi } from '../api/emulator-api.ts';
import { readDataset } from '../api/read-dataset.ts';
import type { EpochMsec } from '../domain/quantities.ts';
import { World } from '../emulation/world.ts';
import { houseIds } from '../emulation/world-options.ts';
import { SeededEntropy } from '../ports/entropy.ts';
import type { Io } from './command.ts';
import { checkPortIsFree } from './port-owner.ts';
import { listenForStop } from './stop-request.ts';

export interface EmulatorValues {
  readonly houses: number;
  readonly host: string;
  readonly port: number;
  readonly acceleration: number;
  readonly dataset: string | undefined;
  readonly start: EpochMsec;
}

const SEED = 1;

/** Emulated houses behind apis-emulator's HTTP API until it is told to stop. Rejects UsageError for a port in use. */
export async function runEmulator(values: EmulatorValues, io: Io): Promise<number> {
  const { houses, host, port, acceleration, dataset: folder, start } = values;
  await checkPortIsFree(host, port);
  const dataset = await readDataset(folder, houseIds(houses));
  const clock = new PacedClock({ speed: acceleration, start });
  const world = new World({ clock, entropy: new SeededEntropy(SEED), houses, dataset });
  const stop = listenForStop();
  try {
    const pacer = { speed: () => clock.speed, setSpeed: (speed: number) => clock.setSpeed(speed) };
    const api = await startEmulatorApi({ world, host, port, pacer });
    clock.start();
    io.out(
      `Emulator ready: ${houses} houses at http://${api.host}:${api.port}, ${acceleration} times as fast as life\n`,
    );
    await stop.asked;
    await api.close();
  } finally {
    stop.dispose();
    world.close();
    await clock.stop();
  }
  return 0;
}
