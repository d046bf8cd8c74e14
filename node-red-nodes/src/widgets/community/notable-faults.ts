import type { Fault } from '@apis-edge/gateway/domain';

const SHOWN = 5;

/** The youngest faults that are more than a warning, newest first. */
export const notableFaults = <F extends Pick<Fault, 'level'>>(faults: readonly F[]): readonly F[] =>
  faults
    .filter((fault) => fault.level === 'ERROR' || fault.level === 'FATAL')
    .slice(-SHOWN)
    .reverse();
