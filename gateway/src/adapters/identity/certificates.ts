import { createPublicKey, randomBytes, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { ConfigError, messageOf } from '../../domain/errors.ts';
import { DAY_MSEC, type EpochMsec, type Milliseconds } from '../../domain/quantities.ts';
import { ROLES, type Role } from '../../domain/role.ts';
import { PRIVATE_MODE, writeAtomically } from '../files/atomic-file.ts';
import { readOptional } from '../files/read-optional.ts';
import { factsOf, type IdentityPems, makePrivateDirectory } from './identity-files.ts';
import { makeCertificate, readCertificate, type Usage } from './x509/certificate.ts';
import { makeRevocationList, readRevocationList } from './x509/revocation-list.ts';
import { newKey, readSigningKey, type SigningKey } from './x509/signing-key.ts';

/** A gateway without a battery-backed clock may start in yesterday. */
const CLOCK_ALLOWANCE_MSEC: Milliseconds = DAY_MSEC;

export const DEFAULT_CA_DAYS = 20 * 365;
export const DEFAULT_DAYS = 2 * 365;

/** Ids become file names and topic levels. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

const issuedRecord = v.object({
  name: v.string(),
  role: v.picklist(ROLES),
  hosts: v.array(v.string()),
  serial: v.string(),
  notBefore: v.number(),
  notAfter: v.number(),
  revokedAt: v.exactOptional(v.number()),
});
const ledger = v.object({ certificates: v.array(issuedRecord) });

/** A certificate that the authority has issued. */
export type IssuedCertificate = v.InferOutput<typeof issuedRecord>;
type Ledger = v.InferOutput<typeof ledger>;

export interface IssueOptions {
  readonly name: string;
  readonly role: Role;
  /** Names and addresses, for clients that check them; peers go by CA and CN alone. */
  readonly hosts?: readonly string[];
  readonly days?: number;
}

const USAGES: Readonly<Record<Role, Usage>> = {
  unit: 'server-and-client',
  operator: 'client',
  device: 'client',
  observer: 'client',
};

/** On its own machine every unit is also reached like this. */
const LOCAL_HOSTS = ['localhost', '127.0.0.1', '::1'];

const refuse = (file: string, message: string): never => {
  throw new ConfigError([{ file, path: '', message }]);
};

interface Parts {
  readonly directory: string;
  readonly certPem: string;
  readonly key: SigningKey;
  readonly ledger: Ledger;
  readonly now: () => EpochMsec;
}

/**
 * The certificate authority of a cluster, in a directory: `ca.crt`, `ca.key`, `crl.pem`, `issued/<name>.crt` and
 * `.key`, and `issued.json`, which remembers every serial. One process at a time may change it.
 */
export class CertificateAuthority {
  readonly directory: string;
  /** O of every certificate. */
  readonly clusterId: string;
  readonly certPem: string;
  readonly notAfter: EpochMsec;
  readonly #key: SigningKey;
  readonly #now: () => EpochMsec;
  #ledger: Ledger;

  private constructor({ directory, certPem, key, ledger, now }: Parts) {
    const { clusterId, name, notAfter } = factsOf(certPem, join(directory, 'ca.crt'));
    this.directory = directory;
    this.certPem = certPem;
    this.clusterId = clusterId || name;
    this.notAfter = notAfter;
    this.#key = key;
    this.#ledger = ledger;
    this.#now = now;
  }

  /** Begins an authority. Rejects `ConfigError` where one is already, or for an id that cannot be one. */
  static async create(
    directory: string,
    clusterId: string,
    { days = DEFAULT_CA_DAYS, now = Date.now } = {},
  ): Promise<CertificateAuthority> {
    checkName(clusterId, 'a cluster id');
    const path = join(directory, 'ca.crt');
    const isThere = await readFile(path).then(
      () => true,
      () => false,
    );
    if (isThere) refuse(path, 'expected a directory without a CA, got one that has one already: choose another');
    await makePrivateDirectory(directory);
    const { privateKey, privatePem, publicKey } = await newKey();
    const certPem = await makeCertificate(
      {
        subject: { CN: `${clusterId} CA`, O: clusterId },
        serial: newSerial(),
        notBefore: now() - CLOCK_ALLOWANCE_MSEC,
        notAfter: now() + days * DAY_MSEC,
        publicKey,
        usage: 'authority',
        hosts: [],
      },
      { key: privateKey },
    );
    await writeAtomically(join(directory, 'ca.key'), privatePem, false, PRIVATE_MODE);
    await writeAtomically(path, certPem);
    return CertificateAuthority.open(directory, now);
  }

  /** Opens one, also one that openssl made: `ca.crt` and `ca.key` are enough. Rejects `ConfigError`. */
  static async open(directory: string, now = Date.now): Promise<CertificateAuthority> {
    const read = (name: string): Promise<string> =>
      readFile(join(directory, name), 'utf8').catch((error: unknown) =>
        refuse(join(directory, name), `cannot be read: ${messageOf(error)}; "apis ca init" makes a CA`),
      );
    const certPem = await read('ca.crt');
    const keyPem = await read('ca.key');
    const file = join(directory, 'ca.key');
    const key = await readSigningKey(keyPem, file);
    checkAuthority(certPem, keyPem, directory);
    const authority = new CertificateAuthority({ directory, certPem, key, ledger: await readLedger(directory), now });
    await authority.#completeList();
    return authority;
  }

  /** Everything ever issued, oldest first. */
  get issued(): readonly IssuedCertificate[] {
    return this.#ledger.certificates;
  }

  /** True when a name has a certificate that can be used. */
  isValid(name: string): boolean {
    return this.#valid(name).length > 0;
  }

  get hasRevoked(): boolean {
    return this.issued.some(({ revokedAt }) => revokedAt !== undefined);
  }

  /** The list as the cluster should know it. */
  revocationListPem(): Promise<string> {
    return readFile(this.#path('crl.pem'), 'utf8');
  }

  /** Issues a certificate with a new key. Rejects `ConfigError` when the name has a valid one, or cannot be one. */
  async issue({ name, role, hosts = [], days = DEFAULT_DAYS }: IssueOptions): Promise<IdentityPems> {
    checkName(name, 'a name');
    if (this.isValid(name)) {
      refuse(this.#certPath(name), `${name} has a valid certificate already: renew it, or revoke it first`);
    }
    return this.#make({ name, role, hosts, days });
  }

  /** Issues another certificate with a new key for the same owner; the former one stays valid until it expires. */
  async renew(name: string, days = DEFAULT_DAYS): Promise<IdentityPems> {
    const last = this.issued.findLast((one) => one.name === name);
    if (last === undefined) return refuse(this.#certPath(name), `no certificate was issued for ${name}`);
    if (last.revokedAt !== undefined) {
      refuse(this.#certPath(name), `the certificate of ${name} is revoked: issue a new one instead`);
    }
    return this.#make({ name, role: last.role, hosts: last.hosts, days });
  }

  /** Revokes every certificate of a name that could still be used; gives them. Rejects `ConfigError` when there is none. */
  async revoke(name: string): Promise<readonly IssuedCertificate[]> {
    const valid = this.#valid(name);
    if (valid.length === 0) refuse(this.#certPath(name), `${name} has no valid certificate that could be revoked`);
    const revokedAt = this.#now();
    await this.#remember({
      certificates: this.issued.map((one) => (valid.includes(one) ? { ...one, revokedAt } : one)),
    });
    await this.#completeList();
    return valid.map((one) => ({ ...one, revokedAt }));
  }

  #path(name: string): string {
    return join(this.directory, name);
  }

  #certPath(name: string): string {
    return this.#path(`issued/${name}.crt`);
  }

  #valid(name: string): readonly IssuedCertificate[] {
    return this.issued.filter((one) => one.name === name && one.revokedAt === undefined && one.notAfter > this.#now());
  }

  async #make({ name, role, hosts, days }: Required<IssueOptions>): Promise<IdentityPems> {
    const { publicKey, privatePem } = await newKey();
    const serial = newSerial();
    const notBefore = this.#now() - CLOCK_ALLOWANCE_MSEC;
    // Nothing outlives the authority that vouches for it.
    const notAfter = Math.min(this.#now() + days * DAY_MSEC, this.notAfter);
    const reachedAt = [...new Set(role === 'unit' ? [...LOCAL_HOSTS, ...hosts] : hosts)];
    const certPem = await makeCertificate(
      {
        subject: { CN: name, OU: role, O: this.clusterId },
        serial,
        notBefore,
        notAfter,
        publicKey,
        usage: USAGES[role],
        hosts: reachedAt,
      },
      { key: this.#key, certificate: readCertificate(this.certPem, this.#path('ca.crt')) },
    );
    // Remembered first: a certificate that nobody remembers could never be revoked.
    await this.#remember({
      certificates: [...this.issued, { name, role, hosts: [...hosts], serial, notBefore, notAfter }],
    });
    await makePrivateDirectory(this.#path('issued'));
    await writeAtomically(this.#path(`issued/${name}.key`), privatePem, false, PRIVATE_MODE);
    await writeAtomically(this.#certPath(name), certPem);
    return { caPem: this.certPem, certPem, keyPem: privatePem, revocationListPem: await this.revocationListPem() };
  }

  async #remember(ledger: Ledger): Promise<void> {
    await writeAtomically(this.#path('issued.json'), `${JSON.stringify(ledger, undefined, 2)}\n`, true, PRIVATE_MODE);
    this.#ledger = ledger;
  }

  /**
   * Makes the list say all that is remembered, and keeps what another program has revoked. It never expires before the
   * CA does: a community whose operator is away must not lose its brokers, and what counts among units is its number.
   */
  async #completeList(): Promise<void> {
    const path = this.#path('crl.pem');
    const pem = await readOptional(path);
    const held = pem === undefined ? undefined : await readRevocationList(pem, this.certPem);
    const known = new Set(held?.revoked.map(({ serial }) => serial));
    const added = this.issued.flatMap(({ serial, revokedAt }) =>
      revokedAt === undefined || known.has(serial) ? [] : [{ serial, revokedAt }],
    );
    if (held !== undefined && added.length === 0) return;
    // Where the last list is lost, or an old one was put back, units must not take the next for older than theirs: each
    // revocation has made one list at most.
    const revoked = this.issued.filter(({ revokedAt }) => revokedAt !== undefined);
    const list = {
      number: Math.max(held?.number ?? 0, revoked.length) + 1,
      issuedAt: this.#now() - CLOCK_ALLOWANCE_MSEC,
      revoked: [...(held?.revoked ?? []), ...added],
    };
    await writeAtomically(path, await makeRevocationList(list, this.notAfter, this.certPem, this.#key));
  }
}

function checkName(name: string, what: string): void {
  if (NAME.test(name)) return;
  refuse(
    name,
    `expected ${what} of 1 to 64 letters, digits, ".", "_" or "-", starting with a letter or digit, got "${name}"`,
  );
}

/** 127 random bits (RFC 5280 §4.1.2.2: positive, at most 20 octets); never the same twice. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex').toUpperCase();
}

function checkAuthority(certPem: string, keyPem: string, directory: string): void {
  const certificate = new X509Certificate(certPem);
  if (!certificate.ca) refuse(join(directory, 'ca.crt'), 'expected the certificate of a CA, got one that is none');
  if (!certificate.publicKey.equals(createPublicKey(keyPem))) {
    refuse(join(directory, 'ca.key'), 'expected the key of ca.crt, got another key');
  }
}

async function readLedger(directory: string): Promise<Ledger> {
  const path = join(directory, 'issued.json');
  const text = await readOptional(path);
  if (text === undefined) return { certificates: [] };
  try {
    return v.parse(ledger, JSON.parse(text));
  } catch (error) {
    return refuse(path, `expected the record of issued certificates, got: ${messageOf(error)}; see ${path}.bak`);
  }
}
