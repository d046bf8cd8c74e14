import { messageOf } from '../../domain/errors.ts';
import type { Bus, Unsubscribe } from '../../ports/bus.ts';
import type { Log } from '../../ports/log.ts';
import type { TlsIdentity } from '../identity/tls-identity.ts';
import { NotedTroubles } from '../log/noted-troubles.ts';
import { MAX_MESSAGE_BYTES } from './mqtt-topics.ts';

/** A message takes so much of a list, beside its envelope and the signs for line ends: some 1 300 certificates. */
const LONGEST_SHARED = MAX_MESSAGE_BYTES - 4_096;

/**
 * Passes the cluster's revocation list on: says the own one, and adopts a newer one from whomever it is heard. The
 * signature of the CA is what counts, so that one gateway that an operator reaches is enough. A list too long for a message
 * stays here, and the log says so.
 */
export function shareRevocations(bus: Bus, tls: TlsIdentity, log: Log): Unsubscribe {
  const { revocations } = tls;
  const troubles = new NotedTroubles(log);
  const say = (): void => {
    const { pem, number } = revocations;
    if (pem === undefined) return;
    const message = `a revocation list of ${pem.length} characters goes in no message: copy crl.pem to every unit`;
    if (pem.length > LONGEST_SHARED) log.warn({ number, message }, 'tls.revocations-too-long');
    else bus.publish('revocations', '', { number, pem });
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
