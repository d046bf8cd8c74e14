const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

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
  let isAsked = false;
  const ask = (reason: string): void => {
    (isAsked ? second : first).resolve(reason);
    isAsked = true;
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
