import { X509Certificate } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';

/** How a client proves who it is, and which broker it believes. */
export interface ClientTls {
  readonly context: SecureContext;
  /** Why the broker with this certificate is not the one that is meant, or undefined when it is. */
  readonly problem: (certificate: X509Certificate) => string | undefined;
}

/** Connects to a broker; peers go by CA and CN alone, whatever the name or address of the machine is. */
export function openSocket(host: string, port: number, tls: ClientTls | undefined): Socket {
  if (tls === undefined) return connect({ host, port, noDelay: true });
  return connectTls({
    host,
    port,
    secureContext: tls.context,
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
    checkServerIdentity: (_host, { raw }) => {
      const problem = tls.problem(new X509Certificate(raw));
      return problem === undefined ? undefined : new Error(problem);
    },
  }).setNoDelay(true);
}
