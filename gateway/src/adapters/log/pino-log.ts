import { isatty } from 'node:tty';
import { type DestinationStream, type Logger, pino } from 'pino';
import type { Log } from '../../ports/log.ts';
import { readableLine } from './readable-log.ts';

export interface PinoLogOptions {
  /** Lowest level that is written; default `info`. */
  readonly level?: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'silent';
  /** File to append to; default stderr, so that stdout belongs to results. */
  readonly file?: string;
  /** Fields of every line, e.g. `{ unitId }`. */
  readonly bindings?: Readonly<Record<string, unknown>>;
}

/** Names of fields whose values nobody may read in a log. */
const SECRETS = ['password', 'token', 'secret', 'credentialSecret', 'authorization', 'privateKey'];

/** Log of the daemon: one JSON object per line (readable ones at a terminal), `event` names what happened, secrets are replaced. */
export function createPinoLog(options: PinoLogOptions = {}): Log {
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: null,
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[hidden]' },
    },
    destinationOf(options.file),
  );
  return withBindings(logger, options.bindings ?? {});
}

/**
 * Written at once: the last line before a crash is the one that matters. No worker thread (memory on small machines).
 * A person at a terminal gets lines to read, programs and files get JSON.
 */
function destinationOf(file: string | undefined): DestinationStream {
  const target = pino.destination({ dest: file ?? 2, mkdir: true, sync: true });
  return file === undefined && isatty(2) ? { write: (line) => target.write(readableLine(line)) } : target;
}

/** pino's own children repeat a binding that a line gives anew, and JSON with a key twice is read differently by different readers. */
const withBindings = (logger: Logger, bindings: object): Log => ({
  fatal: (fields, event) => logger.fatal({ ...bindings, ...fields }, event),
  error: (fields, event) => logger.error({ ...bindings, ...fields }, event),
  warn: (fields, event) => logger.warn({ ...bindings, ...fields }, event),
  info: (fields, event) => logger.info({ ...bindings, ...fields }, event),
  debug: (fields, event) => logger.debug({ ...bindings, ...fields }, event),
  child: (more) => withBindings(logger, { ...bindings, ...more }),
});
