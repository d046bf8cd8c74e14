/** Calls `act` at once, then at most once per `periodMsec`, always with the last word. */
export interface AtMost {
  request(): void;
  stop(): void;
}

export function atMost(periodMsec: number, act: () => void): AtMost {
  let timer: NodeJS.Timeout | undefined;
  let isDue = false;
  const run = (): void => {
    isDue = false;
    timer = setTimeout(() => {
      timer = undefined;
      if (isDue) run();
    }, periodMsec);
    act();
  };
  return {
    request: () => {
      isDue = true;
      if (timer === undefined) run();
    },
    stop: () => clearTimeout(timer),
  };
}
