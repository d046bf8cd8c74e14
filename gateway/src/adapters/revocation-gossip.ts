import { messageOf } from '../domain/errors.ts';
import type { Bus, Unsubscribe } from '../ports/bus.ts';
import type { Log } from '../ports/log.ts';
import { NotedTroubles } from './noted-troubles.ts';
import type { TlsIdentity } from './tls-identity.ts';

/**
 * Passes the cluster's revocation list on: says the own one, and adopts a newer one from whomever it is heard. The
 * signature of the CA is what counts, so that one gateway that an operator reaches is enough.
 */
export function shareRevocations(bus: Bus, tls: TlsIdentity, log: Log): Unsubscribe {
  const { revocations } = tls;
  const troubles = new NotedTroubles(log);
  const say = (): void => {
    const { pem, number } = revocations;
    if (pem !== undefined) bus.publish('revocations', '', { number, pem });
  };
  say();
  const ends = [
    tls.onChange(say),
    bus.listen('revocations', ({ envelope: { sender, body } }) => {
      if (sender === bus.unitId || body.number <= revocations.number) return;
      revocations.adopt(body.pem).then(
        (isNew) => isNew && log.warn({ from: sender, number: revocations.number }, 'tls.revocations-adopted'),
        (error: unknown) => {
          const message = messageOf(error);
          troubles.note(`${sender} ${message}`, { from: sender, message }, 'tls.revocations-refused');
        },
      );
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}
