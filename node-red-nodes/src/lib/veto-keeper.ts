import type { OnSilence } from '@apis-edge/gateway/domain';
import type { SharedClient } from './unit-link.ts';

/** How often the unit is told that it is to ask, and for how long it believes so. */
const PERIOD_MSEC = 5_000;
const HOLD_MSEC = 15_000;

/** Keeps a unit asking before its requests and accepts, until `stop`: it forgets flows that it does not hear of. */
export function keepVeto(client: SharedClient, onSilence: OnSilence, failed: (error: unknown) => void) {
  const say = (value: OnSilence | null): Promise<unknown> =>
    client.send({ kind: 'veto', onSilence: value, ...(value === null ? {} : { holdMsec: HOLD_MSEC }) });
  const keep = (): void => {
    if (client.connection === 'connected') say(onSilence).catch(failed);
  };
  const unsubscribe = client.on('connection', keep);
  const timer = setInterval(keep, PERIOD_MSEC);
  keep();
  return {
    /** The unit decides by itself again; where it cannot be told, it does so by itself within 15 s. */
    stop: async (): Promise<void> => {
      clearInterval(timer);
      unsubscribe();
      if (client.connection === 'connected') await say(null).catch(failed);
    },
  };
}
