import { UsageError } from './option.ts';

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const;
export type LogLevel = (typeof LEVELS)[number];

/**
 * Level of a daemon's log: what `APIS_LOG_LEVEL` says, else `info`. Under `apis up` a person at a terminal gets only
 * what somebody should look at: addresses and password, which are told once, must stay in sight.
 */
export function logLevel(environment: NodeJS.ProcessEnv, isSupervised: boolean, isTerminal: boolean): LogLevel {
  const wanted = environment.APIS_LOG_LEVEL;
  if (!wanted) return isSupervised && isTerminal ? 'warn' : 'info';
  const level = LEVELS.find((one) => one === wanted);
  if (level === undefined)
    throw new UsageError(`APIS_LOG_LEVEL: expected one of ${LEVELS.join(', ')}, got "${wanted}"`);
  return level;
}
