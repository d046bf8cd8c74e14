const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * The same signal again within this time is the same wish: a Ctrl-C reaches the whole process group, and npm and the
 * scripts in between pass it on once more. A person who cannot wait needs longer to press again.
 */
const ONE_WISH_MSEC = 250;

/** Who wants this process to end, and how urgently. */
export interface StopRequest {
  /** Resolves, with the reason, when it is asked to stop for the first time. */
  readonly asked: Promise<string>;
  /** Resolves when it is asked again: somebody cannot wait. */
  readonly askedAgain: Promise<string>;
  /** Stops listening. */
  dispose(): void;
}

/** Listens for signals. */
export function listenForStop(): StopRequest {
  const first = Promise.withResolvers<string>();
  const second = Promise.withResolvers<string>();
  let last: { readonly signal: string; readonly at: number } | undefined;
  const ask = (signal: string): void => {
    const now = performance.now();
    if (last?.signal === signal && now - last.at < ONE_WISH_MSEC) return;
    (last === undefined ? first : second).resolve(signal);
    last = { signal, at: now };
  };
  for (const signal of SIGNALS) process.on(signal, ask);
  return {
    asked: first.promise,
    askedAgain: second.promise,
    dispose: () => {
      for (const signal of SIGNALS) process.off(signal, ask);
    },
  };
}
