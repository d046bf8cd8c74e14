import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrokerTls } from '../../src/adapters/broker/broker-door.ts';
import { CertificateAuthority } from '../../src/adapters/identity/certificates.ts';
import { type IdentityPems, identityPaths, installIdentity } from '../../src/adapters/identity/identity-files.ts';
import { TlsIdentity } from '../../src/adapters/identity/tls-identity.ts';
import type { Role } from '../../src/domain/role.ts';
import { type Log, silentLog } from '../../src/ports/log.ts';

type Test = { teardown(handler: () => unknown): void };

/** A certificate authority of a cluster, in a directory of its own, and what units need of it. */
export interface Certificates {
  readonly directory: string;
  readonly authority: CertificateAuthority;
  /** `days`: how long it is good for, parts of a day too; default as `apis ca` has it. */
  issue(name: string, role: Role, days?: number): Promise<IdentityPems>;
  /** Where an identity was installed. */
  place(name: string): string;
  /** Issues and installs a unit's certificate, and opens it as the unit does. */
  unit(
    unitId: string,
    more?: { readonly log?: Log; readonly roles?: Readonly<Record<string, Role>>; readonly days?: number },
  ): Promise<BrokerTls>;
}

export async function someCertificates(test: Test, clusterId = 'one', now?: () => number): Promise<Certificates> {
  const directory = await mkdtemp(join(tmpdir(), 'apis-certificates-'));
  test.teardown(() => rm(directory, { recursive: true, force: true }));
  const authority = await CertificateAuthority.create(join(directory, 'ca'), clusterId, now && { now });
  const place = (name: string): string => join(directory, name);
  const issue = async (name: string, role: Role, days?: number): Promise<IdentityPems> => {
    const pems = await authority.issue({ name, role, ...(days === undefined ? {} : { days }) });
    await installIdentity(place(name), pems);
    return pems;
  };
  return {
    directory,
    authority,
    issue,
    place,
    unit: async (unitId, { log = silentLog, roles = {}, days } = {}) => {
      await issue(unitId, 'unit', days);
      const identity = await TlsIdentity.open(identityPaths(place(unitId)), log);
      test.teardown(() => identity.close());
      return { identity, rules: { clusterId, roles, isMember: (id) => /^E\d+$/.test(id) } };
    },
  };
}

/** Files of an installed identity, as clients take them. */
export const tlsFiles = (directory: string): { ca: string; cert: string; key: string } => {
  const { ca, cert, key } = identityPaths(directory);
  return { ca, cert, key };
};
