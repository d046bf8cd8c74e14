/** One thing wrong in an input: where it stands, what was found there, and what would be right. */
export interface Problem {
  readonly file: string;
  readonly line?: number;
  /** Dotted path of the key, `` for the whole file. */
  readonly path: string;
  readonly message: string;
}

/** `policy.json:12 gridMaster.deal.resetLimit: expected an integer ≥ 0, got "three"` */
export const describeProblem = (problem: Problem): string => {
  const where = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  return problem.path === '' ? `${where}: ${problem.message}` : `${where} ${problem.path}: ${problem.message}`;
};

/** The user's input (file, option, dataset) is wrong. Exit code 2, never a stack trace. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    super(problems.map(describeProblem).join('\n'));
    this.problems = problems;
  }
}

/** Another unit refused, did not answer in time, or spoke nonsense. */
export class PeerError extends Error {
  override readonly name = 'PeerError';
  /** Stable dotted code, e.g. `peer.timeout`, `peer.refused`. */
  readonly reason: string;
  readonly unitId: string;
  constructor(reason: string, unitId: string, message: string) {
    super(message);
    this.reason = reason;
    this.unitId = unitId;
  }
}

/** The converter or battery did not do, or did not say, what it should. */
export class DeviceError extends Error {
  override readonly name = 'DeviceError';
  /** Stable dotted code, e.g. `device.no-reply`, `device.wrong-mode`. */
  readonly reason: string;
  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** We are wrong: an invariant does not hold. */
export class InternalError extends Error {
  override readonly name = 'InternalError';
}

/** Message of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
/** Stable reason code of anything thrown; `internal` for what carries none. */
export const reasonOf = (error: unknown): string =>
  error instanceof PeerError || error instanceof DeviceError ? error.reason : 'internal';
