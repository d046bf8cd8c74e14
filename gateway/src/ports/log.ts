/** Structured log, the shape of pino: fields with ids and units, then one event name such as `deal.started`. */
export interface Log {
  /** A person must act. */
  fatal(fields: object, event: string): void;
  /** A fault was raised. */
  error(fields: object, event: string): void;
  /** Degraded. */
  warn(fields: object, event: string): void;
  /** A life-cycle step. */
  info(fields: object, event: string): void;
  debug(fields: object, event: string): void;
  child(bindings: object): Log;
}

const ignore = (): void => {};

/** Swallows everything: for runs whose log nobody reads. */
export const silentLog: Log = {
  fatal: ignore,
  error: ignore,
  warn: ignore,
  info: ignore,
  debug: ignore,
  child: () => silentLog,
};

export interface LogLine {
  readonly level: Exclude<keyof Log, 'child'>;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Hands every line to `write`: the log of tests and of byte-identical event logs. */
export function collectingLog(write: (line: LogLine) => void, bindings: object = {}): Log {
  const at =
    (level: LogLine['level']) =>
    (fields: object, event: string): void =>
      write({ level, event, fields: { ...bindings, ...fields } });
  return {
    fatal: at('fatal'),
    error: at('error'),
    warn: at('warn'),
    info: at('info'),
    debug: at('debug'),
    child: (more) => collectingLog(write, { ...bindings, ...more }),
  };
}
