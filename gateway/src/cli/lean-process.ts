import { setFlagsFromString } from 'node:v8';

/**
 * For commands that live long and compute little. Without the optimising compilers, which with the code that they make are
 * a tenth of such a process and cost what they save; and with garbage collected as it comes, not only once there is much.
 */
const LEAN: readonly string[] = ['gateway', 'up'];
const LEAN_FLAGS = ['--no-opt', '--no-maglev', '--optimize-for-size'];

const set = (flags: readonly string[]): void => {
  for (const flag of flags) setFlagsFromString(flag);
};

/** To be called first: what loads the rest of the program would be compiled by then. */
export function stayLean(command = ''): void {
  if (LEAN.includes(command)) set(LEAN_FLAGS);
}

/** For one that turns out to compute much: the stronger of the compilers is taken up again. */
export const computeMuch = (): void => set(['--opt']);
