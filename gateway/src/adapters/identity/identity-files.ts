import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigError, messageOf } from '../../domain/errors.ts';
import { DAY_MSEC, type EpochMsec, type Milliseconds } from '../../domain/quantities.ts';
import { isRole, type Role } from '../../domain/role.ts';
import { makeDirectory, PRIVATE_MODE, writeAtomically } from '../files/atomic-file.ts';
import { readOptional } from '../files/read-optional.ts';

/** So long before the end somebody should renew it. */
export const EXPIRY_WARNING_MSEC: Milliseconds = 30 * DAY_MSEC;

/** What a certificate says of its owner (architecture.md §3). */
export interface CertificateFacts {
  /** CN: a unit's id, or the name of an operator, device or observer. */
  readonly name: string;
  /** OU; undefined when it names none of ours, which then allows nothing. */
  readonly role: Role | undefined;
  /** O. */
  readonly clusterId: string;
  /** Capital hexadecimal digits. */
  readonly serial: string;
  readonly notBefore: EpochMsec;
  readonly notAfter: EpochMsec;
  /** SHA-256, as mDNS announces it. */
  readonly fingerprint: string;
}

/** How one member of the cluster proves who it is, and knows the others: everything in PEM. */
export interface Identity extends CertificateFacts {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
  /** Absent until the cluster has revoked something. */
  readonly revocationListPem?: string;
}

export type IdentityPems = Pick<Identity, 'caPem' | 'certPem' | 'keyPem' | 'revocationListPem'>;

/** Where the files of an identity stand. */
export interface IdentityPaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly revocationList: string;
}

export const identityPaths = (directory: string): IdentityPaths => ({
  ca: join(directory, 'ca.crt'),
  cert: join(directory, 'own.crt'),
  key: join(directory, 'own.key'),
  revocationList: join(directory, 'crl.pem'),
});

const refuse = (file: string, message: string): never => {
  throw new ConfigError([{ file, path: '', message }]);
};

export const PRIVATE_DIRECTORY_MODE = 0o700;

/** Makes a directory that only its owner can look into, or makes it so. */
export async function makePrivateDirectory(directory: string): Promise<void> {
  await makeDirectory(directory);
  await chmod(directory, PRIVATE_DIRECTORY_MODE);
}

/** Writes an identity where its owner reads it; directories and keys are the owner's alone. */
export async function installIdentity(directory: string, pems: IdentityPems): Promise<void> {
  const paths = identityPaths(directory);
  await makePrivateDirectory(directory);
  await writeAtomically(paths.ca, pems.caPem);
  await writeAtomically(paths.key, pems.keyPem, false, PRIVATE_MODE);
  await writeAtomically(paths.cert, pems.certPem);
  if (pems.revocationListPem !== undefined) await writeAtomically(paths.revocationList, pems.revocationListPem);
}

/** Reads what a certificate says; throws `ConfigError` that names `file` for anything else. */
export const factsOf = (pem: string, file: string): CertificateFacts => factsIn(certificateOf(pem, file));

/** What the certificate of a file or of a connection says. */
export function factsIn(certificate: X509Certificate): CertificateFacts {
  const { CN, OU, O } = certificate.toLegacyObject().subject as unknown as Record<string, unknown>; // strings or lists of them
  const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    name: textOf(CN),
    role: isRole(OU) ? OU : undefined,
    clusterId: textOf(O),
    serial: certificate.serialNumber,
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    fingerprint: certificate.fingerprint256,
  };
}

function certificateOf(pem: string, file: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    return refuse(file, 'expected a certificate in PEM, got something else');
  }
}

/**
 * Reads an identity, made by `apis ca` or by another program (RSA and EC alike). Rejects `ConfigError` that names the
 * file when one is missing or unreadable, the key is another's, or the certificate comes from another CA.
 */
export async function readIdentity(paths: IdentityPaths): Promise<Identity> {
  const [caPem, certPem, keyPem] = await Promise.all([paths.ca, paths.cert, paths.key].map(readRequired));
  const revocationListPem = await readOptional(paths.revocationList);
  const pems = { caPem: caPem ?? '', certPem: certPem ?? '', keyPem: keyPem ?? '' };
  checkMatch(pems, paths);
  return {
    ...factsOf(pems.certPem, paths.cert),
    ...pems,
    ...(revocationListPem === undefined ? {} : { revocationListPem }),
  };
}

async function readRequired(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => refuse(path, `cannot be read: ${messageOf(error)}`));
}

function checkMatch({ caPem, certPem, keyPem }: IdentityPems, paths: IdentityPaths): void {
  const ca = certificateOf(caPem, paths.ca);
  const own = certificateOf(certPem, paths.cert);
  if (!own.checkIssued(ca) || !own.verify(ca.publicKey)) {
    refuse(paths.cert, `expected a certificate that ${paths.ca} has signed, got one of another issuer`);
  }
  if (!own.checkPrivateKey(privateKeyOf(keyPem, paths.key))) {
    refuse(paths.key, `expected the key of ${paths.cert}, got another key`);
  }
}

function privateKeyOf(pem: string, file: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    return refuse(file, 'expected a private key in PEM without password, got something else');
  }
}
