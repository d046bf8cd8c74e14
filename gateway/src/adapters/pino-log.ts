import { pino } from 'pino';
import type { Log } from '../ports/log.ts';

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

/** Log of the daemon: one JSON object per line, `event` names what happened, secrets are replaced. */
export function createPinoLog(options: PinoLogOptions = {}): Log {
  return pino(
    {
      level: options.level ?? 'info',
      base: options.bindings ?? {},
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[hidden]' },
    },
    // Written at once: the last line before a crash is the one that matters. No worker thread (memory on small machines).
    pino.destination({ dest: options.file ?? 2, mkdir: true, sync: true }),
  );
}
