import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { TlsFiles } from '../adapters/broker/broker-connection.ts';
import type { ClientTls } from '../adapters/broker/mqtt-socket.ts';
import { brokerProblem } from '../adapters/identity/certificate-roles.ts';
import { factsIn } from '../adapters/identity/identity-files.ts';

/**
 * How a client proves who it is, read anew for each connection, so that a renewed certificate is used. It believes
 * every unit of its CA; when it knows whom it calls, that unit alone. Rejects what the files or their content say.
 */
export async function clientTls(files: TlsFiles, unitId: string | undefined): Promise<ClientTls> {
  const [ca, cert, key] = await Promise.all([files.ca, files.cert, files.key].map((path) => readFile(path, 'utf8')));
  return {
    context: createSecureContext({ ca, cert, key, minVersion: 'TLSv1.3' }),
    problem: (certificate) => brokerProblem(factsIn(certificate), unitId),
  };
}
