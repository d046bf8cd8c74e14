import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type SystemdNotifier, systemdNotifier } from '../adapters/system/systemd-notifier.ts';
import type { DaemonFile } from '../client/index.ts';
import { messageOf } from '../domain/errors.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { Log } from '../ports/log.ts';
import type { Io } from './command.ts';
import type { Daemon } from './daemon.ts';
import { DaemonRecord } from './daemon-record.ts';
import { lockData } from './data-lock.ts';
import { portInUse, takenPort } from './port-owner.ts';
import { listenForStop, type StopRequest } from './stop-request.ts';
import { NO_SUPERVISOR, openSupervisorLink, type SupervisorLink } from './supervisor-link.ts';

export interface DaemonProcessOptions {
  readonly dataDir: string;
  readonly log: Log;
  readonly io: Io;
  /** `onBeat` is to be called whenever all control loops go round. */
  readonly start: (onBeat: () => void) => Promise<Daemon>;
  /** Present: it has a supervisor, which knows it by these arguments of its command line. */
  readonly supervised?: { readonly args: readonly string[] };
  /** When it is said what the daemon waits for: first, and then again and again. */
  readonly waitNotes?: WaitNotes;
}

interface WaitNotes {
  readonly firstMsec: Milliseconds;
  readonly everyMsec: Milliseconds;
}

const WAIT_NOTES: WaitNotes = { firstMsec: 5_000, everyMsec: 30_000 };

/** Deals end in order within this time; a second signal shortens it. */
const STOP_MSEC: Milliseconds = 15_000;
const HURRIED_STOP_MSEC: Milliseconds = 1_000;

/**
 * The process around a daemon: data lock, `daemon.json`, signals, exit code (architecture.md §7). 0 after an orderly
 * stop, 2 when a unit of it lives elsewhere already, 3 after a fault or a stop that took too long. Rejects UsageError for a data directory or port in use.
 */
export async function runDaemonProcess(options: DaemonProcessOptions): Promise<number> {
  const lock = await lockData(options.dataDir);
  const stop = listenForStop();
  const crash = listenForCrash(options.log);
  let link = NO_SUPERVISOR;
  try {
    const { supervised, dataDir } = options;
    if (supervised !== undefined) link = await openSupervisorLink(dataDir, supervised.args);
    link = alsoToSystemd(link, systemdNotifier(process.env, options.log));
    const daemon = await started(() => options.start(() => link.beat()));
    return await live(daemon, stop, crash.happened, link, options);
  } finally {
    stop.dispose();
    crash.dispose();
    await link.close();
    await lock.release();
  }
}

/** systemd, where it has started this process, hears the same as a supervisor. */
function alsoToSystemd(link: SupervisorLink, systemd: SystemdNotifier): SupervisorLink {
  return {
    ...link,
    say: (message) => {
      link.say(message);
      if (message.kind === 'listening') systemd.ready();
      if (message.kind === 'stopping') systemd.stopping();
    },
    beat: () => {
      link.beat();
      systemd.beat();
    },
  };
}

async function started(start: () => Promise<Daemon>): Promise<Daemon> {
  try {
    return await start();
  } catch (error) {
    const taken = takenPort(error);
    throw taken === undefined ? error : await portInUse(taken.host, taken.port);
  }
}

type Ending = { readonly code: 0 | 2 | 3; readonly reason: string };

/** From the start to the end of the process's task; whatever happens, the daemon is stopped. */
async function live(
  daemon: Daemon,
  stop: StopRequest,
  crashed: Promise<Ending>,
  link: SupervisorLink,
  options: DaemonProcessOptions,
): Promise<number> {
  const { dataDir, log, io } = options;
  const record = new DaemonRecord(join(dataDir, 'daemon.json'));
  const asked = Promise.race([stop.asked, link.orphaned]).then((reason): Ending => ({ code: 0, reason }));
  const displaced = daemon.displaced.catch((error: unknown): Ending => ({ code: 2, reason: messageOf(error) }));
  const over = new AbortController();
  const failed = announce(daemon, record, link, options, over.signal).then(
    () => undefined,
    (error: unknown): Ending => ({ code: 3, reason: messageOf(error) }),
  );
  // `failed` says undefined when all went well: then only a stop or a crash ends the wait.
  const ending =
    (await Promise.race([failed, asked, crashed, displaced])) ?? (await Promise.race([asked, crashed, displaced]));
  over.abort();
  link.say({ kind: 'stopping' });
  log.info({ reason: ending.reason }, 'daemon.stopping');
  if (ending.code !== 0) io.err(`apis: ${ending.reason}\n`);
  const isOrderly = await stopInTime(daemon, stop, log);
  await record.remove();
  return isOrderly ? ending.code : 3;
}

/** A unit that is not ready yet keeps nobody from reaching the others, or from seeing why it is not. */
async function announce(
  daemon: Daemon,
  record: DaemonRecord,
  link: SupervisorLink,
  { dataDir, io, log, waitNotes = WAIT_NOTES }: DaemonProcessOptions,
  over: AbortSignal,
): Promise<void> {
  const { units, speed, emulator, ready } = daemon;
  ready.catch(() => undefined); // heard below, once the record is written
  const content: DaemonFile = { pid: process.pid, units, speed, ...(emulator === undefined ? {} : { emulator }) };
  if (!(await record.write(content))) return;
  daemon.watchSpeed((value) => {
    record
      .write({ ...content, speed: value })
      .catch((error: unknown) => log.warn({ message: messageOf(error) }, 'daemon.record-failed'));
  });
  link.say({ kind: 'listening' });
  const isThere = new AbortController();
  await Promise.all([
    ready.finally(() => isThere.abort()),
    sayWhatIsMissing(daemon, waitNotes, io, AbortSignal.any([over, isThere.signal])),
  ]);
  if (over.aborted) return;
  const places = units.map(({ unitId, host, port }) => `${unitId} at ${host}:${port}`);
  link.say({ kind: 'ready' }); // before anybody else relies on it, its supervisor does
  io.out(`Gateway ready: ${places.join(', ')}; data in ${dataDir}\n`);
}

async function sayWhatIsMissing(
  daemon: Daemon,
  { firstMsec, everyMsec }: WaitNotes,
  io: Io,
  signal: AbortSignal,
): Promise<void> {
  const hasPassed = (msec: Milliseconds): Promise<boolean> => pause(msec, true, { signal }).catch(() => false);
  for (let isDue = await hasPassed(firstMsec); isDue; isDue = await hasPassed(everyMsec)) {
    const missing = daemon.waitingFor();
    if (missing.length > 0) io.err(`apis: waiting for ${missing.join('; ')}\n`);
  }
}

async function stopInTime(daemon: Daemon, stop: StopRequest, log: Log): Promise<boolean> {
  const timer = new AbortController();
  const { signal } = timer;
  const late = pause(STOP_MSEC, false, { signal });
  const hurried = stop.askedAgain.then(() => pause(HURRIED_STOP_MSEC, false, { signal }));
  for (const wait of [late, hurried]) wait.catch(() => undefined); // ended below, on purpose
  const stopped = daemon.stop().then(
    () => true,
    (error: unknown) => {
      log.fatal({ message: messageOf(error) }, 'daemon.stop-failed');
      return false;
    },
  );
  const isOrderly = await Promise.race([stopped, late, hurried]);
  timer.abort();
  if (!isOrderly) log.fatal({}, 'daemon.stop-incomplete');
  return isOrderly;
}

/** A defect anywhere still ends with the converters in WAIT, as far as that can be done. */
function listenForCrash(log: Log): { readonly happened: Promise<Ending>; dispose(): void } {
  const { promise, resolve } = Promise.withResolvers<Ending>();
  const onCrash = (error: unknown): void => {
    log.fatal({ message: messageOf(error), stack: error instanceof Error ? error.stack : undefined }, 'daemon.crashed');
    resolve({ code: 3, reason: `internal error: ${messageOf(error)}` });
  };
  process.on('uncaughtException', onCrash);
  process.on('unhandledRejection', onCrash);
  return {
    happened: promise,
    dispose: () => {
      process.off('uncaughtException', onCrash);
      process.off('unhandledRejection', onCrash);
    },
  };
}
