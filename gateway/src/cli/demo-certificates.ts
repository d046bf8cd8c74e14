import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import {
  EXPIRY_WARNING_MSEC,
  factsOf,
  type IdentityPems,
  identityPaths,
  installIdentity,
} from '../adapters/identity/identity-files.ts';
import type { Role } from '../domain/role.ts';

interface Owner {
  readonly name: string;
  readonly role: Role;
  /** Where its certificate, its key and that of the CA are put. */
  readonly directory: string;
}

interface Task {
  readonly dataDir: string;
  readonly clusterId: string;
  readonly owners: readonly Owner[];
}

/** Who may give orders to the emulated community from elsewhere: `--ca`, `--cert` and `--key` out of `<data>/certs`. */
const OPERATOR = 'operator';

/**
 * Gives the emulated community a CA of its own below the data directory, a certificate for each unit and one for an
 * operator, as far as they are not there, or end soon. A community of somebody's own gets its certificates from
 * `apis ca`.
 */
export async function ensureDemoCertificates(
  dataDir: string,
  clusterId: string,
  unitIds: readonly string[],
): Promise<void> {
  const units = unitIds.map((name): Owner => ({ name, role: 'unit', directory: join(dataDir, name, 'certs') }));
  const all = [...units, { name: OPERATOR, role: 'operator', directory: join(dataDir, 'certs') } as const];
  const needed = await Promise.all(all.map(needsOne));
  const owners = all.filter((_owner, index) => needed[index]);
  if (owners.length === 0) return;
  // A thread of its own: the library that makes certificates is large, and nobody needs it afterwards.
  const task: Task = { dataDir, clusterId, owners };
  const thread = new Worker(new URL(import.meta.url), { workerData: { certificates: task } });
  await new Promise<void>((resolve, reject) => {
    thread.once('error', reject);
    thread.once('exit', () => resolve());
  });
}

async function needsOne({ directory }: Owner): Promise<boolean> {
  const path = identityPaths(directory).cert;
  if (!existsSync(path)) return true;
  const { notAfter } = factsOf(await readFile(path, 'utf8'), path);
  return notAfter - Date.now() < EXPIRY_WARNING_MSEC;
}

async function makeCertificates({ dataDir, clusterId, owners }: Task): Promise<void> {
  const { CertificateAuthority } = await import('../adapters/identity/certificates.ts');
  const directory = join(dataDir, 'ca');
  const ca = existsSync(join(directory, 'ca.crt'))
    ? await CertificateAuthority.open(directory)
    : await CertificateAuthority.create(directory, clusterId);
  for (const { name, role, directory } of owners) {
    const pems = await (ca.isValid(name) ? ca.renew(name) : ca.issue({ name, role }));
    await installIdentity(directory, withoutEmptyList(ca.hasRevoked, pems));
  }
}

/** Without a list, no unit needs the library that reads lists. */
function withoutEmptyList(hasRevoked: boolean, { revocationListPem, ...pems }: IdentityPems): IdentityPems {
  return hasRevoked && revocationListPem !== undefined ? { ...pems, revocationListPem } : pems;
}

const task = (workerData as { certificates?: Task } | null)?.certificates; // only the function above sets it
if (!isMainThread && task !== undefined) await makeCertificates(task);
