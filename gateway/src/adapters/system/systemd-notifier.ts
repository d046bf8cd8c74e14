import { spawn } from 'node:child_process';
import { messageOf } from '../../domain/errors.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Log } from '../../ports/log.ts';

/** What systemd is told of a service (sd_notify(3)); nothing happens where systemd has not started it. */
export interface SystemdNotifier {
  /** It can be reached now; told with the next beat, since from then on the watchdog waits for beats. */
  ready(): void;
  /** All control loops go round; more often than needed is fine. */
  beat(): void;
  stopping(): void;
}

/** Between two beats that a watchdog waits for, so many are said: one that is lost does no harm. */
const BEATS_PER_TIMEOUT = 3;

const NOBODY: SystemdNotifier = { ready: () => {}, beat: () => {}, stopping: () => {} };

/**
 * Tells systemd through its program `systemd-notify`, since Node knows no datagrams on local sockets; the service needs
 * `NotifyAccess=all`. A program that is missing is warned of once: then the watchdog ends the service.
 */
export function systemdNotifier(environment: NodeJS.ProcessEnv, log: Log): SystemdNotifier {
  if (environment.NOTIFY_SOCKET === undefined) return NOBODY;
  const everyMsec = beatPeriod(environment);
  let beatAt = Number.NEGATIVE_INFINITY;
  let isReadyUntold = false;
  let hasWarned = false;
  const warn = (message: string): void => {
    if (!hasWarned) log.warn({ message }, 'systemd.not-told');
    hasWarned = true;
  };
  const tell = (...words: readonly string[]): void => {
    const child = spawn('systemd-notify', words, { env: environment, stdio: 'ignore' });
    child.on('error', (error) => warn(messageOf(error)));
    child.on('exit', (code) => code !== 0 && warn(`systemd-notify ended with exit code ${code}`));
  };
  return {
    ready: () => {
      isReadyUntold = true;
    },
    beat: () => {
      const isFirst = isReadyUntold;
      const isDue = everyMsec !== undefined && performance.now() - beatAt >= everyMsec;
      if (!isFirst && !isDue) return;
      isReadyUntold = false;
      beatAt = performance.now();
      tell(isFirst ? 'READY=1' : 'WATCHDOG=1'); // READY winds the watchdog up as well
    },
    stopping: () => tell('STOPPING=1'),
  };
}

/** Undefined without a watchdog, or with one for another process. */
function beatPeriod({ WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv): Milliseconds | undefined {
  const timeoutMsec = Number(WATCHDOG_USEC) / 1000;
  const isOurs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid;
  return isOurs && timeoutMsec > 0 ? timeoutMsec / BEATS_PER_TIMEOUT : undefined;
}
