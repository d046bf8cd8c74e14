import type { HouseSupply } from './physics/house.ts';
import { worldError } from './world-checks.ts';
import type { HouseOptions, WorldOptions } from './world-options.ts';

/** No data: no sun, no load, and nothing that changes. */
const NO_SUPPLY: HouseSupply = { solarW: () => 0, loadW: () => 0, nextSampleAt: () => Infinity };

const MSEC_PER_MINUTE = 60_000;

/** The dataset as one house sees it: its own home's load, its own share and angle of the sun. */
export function supplyOf(
  options: HouseOptions,
  index: number,
  { dataset }: Pick<WorldOptions, 'dataset'>,
): HouseSupply {
  if (dataset === undefined) return NO_SUPPLY;
  const home = options.home ?? dataset.homes[index % dataset.homes.length];
  if (home === undefined || !dataset.homes.includes(home)) {
    throw worldError(
      `houses.${options.id}.home`,
      `expected one of ${dataset.homes.join(', ') || '(no homes)'}, got ${home ?? 'nothing'}`,
    );
  }
  const { pvScale = 1, loadScale = 1 } = options;
  const shift = (options.pvShiftMinutes ?? 0) * MSEC_PER_MINUTE;
  return {
    solarW: (at) => pvScale * dataset.solarW(at - shift),
    loadW: (at) => loadScale * dataset.loadW(home, at),
    nextSampleAt: (at) => Math.min(dataset.nextSampleAt(at), dataset.nextSampleAt(at - shift) + shift),
  };
}
