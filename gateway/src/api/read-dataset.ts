import { loadDataset } from '../adapters/files/dataset-files.ts';
import type { Dataset } from '../emulation/dataset.ts';
import { parseDataset } from '../emulation/dataset-csv.ts';
import { generatedYear } from '../emulation/generated-year.ts';

/**
 * Sun and loads for the houses: of a folder as many of its homes as there are houses (emulator.md §3), without one the
 * built-in year. Rejects ConfigError for a folder that does not hold a whole year.
 */
export const readDataset = async (folder: string | undefined, houses: readonly string[]): Promise<Dataset> =>
  folder === undefined ? generatedYear(houses) : parseDataset(await loadDataset(folder), houses.length);
