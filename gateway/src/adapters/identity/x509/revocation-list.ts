import { createSecureContext } from 'node:tls';
import { Integer, OctetString } from 'asn1js';
import { AuthorityKeyIdentifier, CertificateRevocationList, Extension, Extensions, RevokedCertificate } from 'pkijs';
import { messageOf, PeerError } from '../../../domain/errors.ts';
import type { EpochMsec } from '../../../domain/quantities.ts';
import { keyIdOf, readCertificate } from './certificate.ts';
import { serialOf, serialText, timeOf } from './fields.ts';
import { fromPem, type SigningKey, toPem } from './signing-key.ts';

/** A certificate that does not count any more. */
export interface Revocation {
  /** Capital hexadecimal digits, as Node tells the serial of a peer's certificate. */
  readonly serial: string;
  readonly revokedAt: EpochMsec;
}

/** What a revocation list of a cluster says (RFC 5280 §5). */
export interface RevocationList {
  /** Counts the lists of one authority: the higher one is the newer one. */
  readonly number: number;
  readonly issuedAt: EpochMsec;
  readonly revoked: readonly Revocation[];
}

/** A list as the CA has signed it. */
export interface SignedList extends RevocationList {
  /** Its block alone, without what stood around it. */
  readonly pem: string;
}

const CRL_NUMBER = '2.5.29.20';
const AUTHORITY_KEY_ID = '2.5.29.35';

/**
 * Makes and signs a list; gives it as PEM. `validUntil` is when TLS libraries refuse everybody for want of a newer list.
 */
export async function makeRevocationList(
  list: RevocationList,
  validUntil: EpochMsec,
  caPem: string,
  key: SigningKey,
): Promise<string> {
  const ca = readCertificate(caPem, 'the CA certificate');
  const crl = new CertificateRevocationList({ version: 1 });
  crl.issuer = ca.subject;
  crl.thisUpdate = timeOf(list.issuedAt);
  crl.nextUpdate = timeOf(validUntil);
  if (list.revoked.length > 0) {
    crl.revokedCertificates = list.revoked.map(
      ({ serial, revokedAt }) =>
        new RevokedCertificate({ userCertificate: serialOf(serial), revocationDate: timeOf(revokedAt) }),
    );
  }
  const issuerKey = new AuthorityKeyIdentifier({ keyIdentifier: new OctetString({ valueHex: keyIdOf(ca) }) });
  crl.crlExtensions = new Extensions({
    extensions: [
      new Extension({ extnID: AUTHORITY_KEY_ID, extnValue: issuerKey.toSchema().toBER() }),
      new Extension({ extnID: CRL_NUMBER, extnValue: new Integer({ value: list.number }).toBER() }),
    ],
  });
  await crl.sign(key, 'SHA-256');
  return toPem('X509 CRL', new Uint8Array(crl.toSchema(true).toBER()));
}

/**
 * Reads a list that somebody sent, and checks that the CA signed it. Rejects `PeerError` (`peer.bad-revocation-list`)
 * for everything else: a stranger's list could shut out the whole cluster, or let a revoked one in again.
 */
export async function readRevocationList(text: string, caPem: string): Promise<SignedList> {
  const ca = readCertificate(caPem, 'the CA certificate');
  const { crl, pem } = parse(text);
  const isSigned = await crl.verify({ issuerCertificate: ca }).catch(() => false);
  if (!isSigned) throw bad('it is not signed by the CA of this cluster');
  return {
    pem,
    number: numberOf(crl),
    issuedAt: crl.thisUpdate.value.getTime(),
    revoked: (crl.revokedCertificates ?? []).map(({ userCertificate, revocationDate }) => ({
      serial: serialText(userCertificate),
      revokedAt: revocationDate.value.getTime(),
    })),
  };
}

const bad = (why: string): PeerError =>
  new PeerError('peer.bad-revocation-list', '?', `expected a revocation list in PEM, but ${why}`);

function parse(text: string): { readonly crl: CertificateRevocationList; readonly pem: string } {
  const der = fromPem('X509 CRL', text);
  if (der === undefined) throw bad('there is none');
  const pem = toPem('X509 CRL', der);
  try {
    createSecureContext({ crl: pem }); // a list that the brokers cannot load would stop them
    return { crl: CertificateRevocationList.fromBER(Uint8Array.from(der).buffer), pem };
  } catch (error) {
    throw bad(messageOf(error));
  }
}

/** A list without number, as other programs may make it, is older than any with one. */
function numberOf(crl: CertificateRevocationList): number {
  const value = crl.crlExtensions?.extensions.find(({ extnID }) => extnID === CRL_NUMBER)?.parsedValue;
  return value instanceof Integer ? Number(value.valueBlock.toString()) : 0;
}

/** True when `candidate` replaces `held`. */
export const isNewer = (candidate: RevocationList, held: RevocationList): boolean =>
  candidate.number > held.number || (candidate.number === held.number && candidate.issuedAt > held.issuedAt);
