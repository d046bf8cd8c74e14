import type { EpochMsec, Watts } from '../domain/quantities.ts';

/** Sun and loads over the time of the year; times are local wall times as if they were UTC. */
export interface Dataset {
  /** Homes whose load is known, in the order of the file. */
  readonly homes: readonly string[];
  solarW(at: EpochMsec): Watts;
  loadW(home: string, at: EpochMsec): Watts;
  /** The first time after `at` at which a straight line between samples may end. */
  nextSampleAt(at: EpochMsec): EpochMsec;
}
