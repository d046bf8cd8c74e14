import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { FileReader } from '../config/load-unit.ts';

/** Files as the config room wants them. */
export const fileReader: FileReader = {
  read: (path) => readFileSync(path, 'utf8'),
  beside: (path, name) => resolve(dirname(path), name),
};
