/** The user's command line is wrong: exit code 2, one clear sentence. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** One option of a command: what help says about it, and how its texts become a value. */
export interface Option<T> {
  /** Placeholder of its value in the help; absent for a flag. */
  readonly value?: string;
  readonly help: string;
  /** All texts given for it, in order; none when it was not given. Throws UsageError. */
  readonly read: (texts: readonly string[], name: string) => T;
}
export type Options = Readonly<Record<string, Option<unknown>>>;
export type ValuesOf<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

/** How the text of an option becomes its value: undefined refuses it, `expected` says what would be right. */
export interface ValueKind<T> {
  readonly value: string;
  readonly expected: string;
  readonly parse: (text: string) => T | undefined;
}

export const flag = (help: string): Option<boolean> => ({ help, read: (texts) => texts.length > 0 });

function parse<T>(kind: ValueKind<T>, name: string, text: string): T {
  const value = kind.parse(text);
  if (value === undefined) throw new UsageError(`--${name}: expected ${kind.expected}, got ${JSON.stringify(text)}`);
  return value;
}

/** An option that may be left out; given more than once is a mistake. */
export const one = <T>(kind: ValueKind<T>, help: string): Option<T | undefined> => ({
  value: kind.value,
  help,
  read: (texts, name) => {
    if (texts.length > 1) throw new UsageError(`--${name}: expected once, got it ${texts.length} times`);
    return texts[0] === undefined ? undefined : parse(kind, name, texts[0]);
  },
});

/** An option that may be repeated. */
export const many = <T>(kind: ValueKind<T>, help: string): Option<readonly T[]> => ({
  value: kind.value,
  help: `${help} (may be repeated)`,
  read: (texts, name) => texts.map((text) => parse(kind, name, text)),
});
