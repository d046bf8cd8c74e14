import type { webcrypto } from 'node:crypto';
import { createHash } from 'node:crypto';
import { BitString, OctetString } from 'asn1js';
import {
  AltName,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  Extension,
  ExtKeyUsage,
  type RelativeDistinguishedNames,
} from 'pkijs';
import { ConfigError } from '../../../domain/errors.ts';
import type { EpochMsec } from '../../../domain/quantities.ts';
import { hostName, nameOf, type Subject, serialOf, timeOf } from './fields.ts';
import { fromPem, type SigningKey, toPem } from './signing-key.ts';

/** What a key may be used for. */
export type Usage = 'authority' | 'server-and-client' | 'client';

export interface CertificateRequest {
  readonly subject: Subject;
  /** Hexadecimal digits. */
  readonly serial: string;
  readonly notBefore: EpochMsec;
  readonly notAfter: EpochMsec;
  readonly publicKey: webcrypto.CryptoKey;
  readonly usage: Usage;
  /** Names and IP addresses under which its owner is reached. */
  readonly hosts: readonly string[];
}

/** Who signs; absent fields of an issuer that signs itself come from the request. */
export interface Issuer {
  readonly key: SigningKey;
  /** Absent for an authority that begins. */
  readonly certificate?: Certificate;
}

const HASH = 'SHA-256';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** Bits of RFC 5280 §4.2.1.3, with how many of the last byte are unused. */
const AUTHORITY_BITS = { bits: 0b0000_0110, unused: 1 }; // keyCertSign, cRLSign
const SIGNATURE_BITS = { bits: 0b1000_0000, unused: 7 }; // digitalSignature
const PURPOSES: Readonly<Record<Usage, readonly string[]>> = {
  authority: [],
  'server-and-client': [SERVER_AUTH, CLIENT_AUTH],
  client: [CLIENT_AUTH],
};

/** Makes and signs a certificate; gives it as PEM. */
export async function makeCertificate(request: CertificateRequest, issuer: Issuer): Promise<string> {
  const certificate = new Certificate({ version: 2, serialNumber: serialOf(request.serial) });
  const subject = nameOf(request.subject);
  certificate.subject = subject;
  certificate.issuer = issuerName(issuer, subject);
  certificate.notBefore = timeOf(request.notBefore);
  certificate.notAfter = timeOf(request.notAfter);
  await certificate.subjectPublicKeyInfo.importKey(request.publicKey);
  const ownKeyId = keyIdOf(certificate);
  const issuerKeyId = issuer.certificate === undefined ? ownKeyId : keyIdOf(issuer.certificate);
  certificate.extensions = extensionsOf(request, ownKeyId, issuerKeyId);
  await certificate.sign(issuer.key, HASH);
  return toPem('CERTIFICATE', new Uint8Array(certificate.toSchema(true).toBER()));
}

const issuerName = ({ certificate }: Issuer, own: RelativeDistinguishedNames): RelativeDistinguishedNames =>
  certificate?.subject ?? own;

/** RFC 5280 §4.2.1.2, method 1; an authority made elsewhere may have chosen another, which then counts. */
export function keyIdOf(certificate: Certificate): ArrayBuffer {
  const given = certificate.extensions?.find(({ extnID }) => extnID === '2.5.29.14')?.parsedValue;
  if (given instanceof OctetString) return given.valueBlock.valueHexView.slice().buffer;
  const bits = certificate.subjectPublicKeyInfo.subjectPublicKey.valueBlock.valueHexView;
  return Uint8Array.from(createHash('sha1').update(bits).digest()).buffer;
}

function extensionsOf(
  { usage, hosts }: CertificateRequest,
  ownKeyId: ArrayBuffer,
  issuerKeyId: ArrayBuffer,
): Extension[] {
  const { bits, unused } = usage === 'authority' ? AUTHORITY_BITS : SIGNATURE_BITS;
  const extension = (extnID: string, critical: boolean, value: { toBER(): ArrayBuffer }): Extension =>
    new Extension({ extnID, critical, extnValue: value.toBER() });
  const purposes = PURPOSES[usage];
  return [
    extension('2.5.29.19', true, new BasicConstraints({ cA: usage === 'authority' }).toSchema()),
    extension('2.5.29.15', true, new BitString({ valueHex: Uint8Array.of(bits).buffer, unusedBits: unused })),
    extension('2.5.29.14', false, new OctetString({ valueHex: ownKeyId })),
    extension(
      '2.5.29.35',
      false,
      new AuthorityKeyIdentifier({ keyIdentifier: new OctetString({ valueHex: issuerKeyId }) }).toSchema(),
    ),
    ...(purposes.length === 0
      ? []
      : [extension('2.5.29.37', false, new ExtKeyUsage({ keyPurposes: [...purposes] }).toSchema())]),
    ...(hosts.length === 0
      ? []
      : [extension('2.5.29.17', false, new AltName({ altNames: hosts.map(hostName) }).toSchema())]),
  ];
}

/** Reads a certificate; throws `ConfigError` that names `file` when there is none in the text. */
export function readCertificate(pem: string, file: string): Certificate {
  const der = fromPem('CERTIFICATE', pem);
  try {
    if (der !== undefined) return Certificate.fromBER(Uint8Array.from(der).buffer);
  } catch {
    // told below: what stands there is no certificate either
  }
  throw new ConfigError([{ file, path: '', message: 'expected a certificate in PEM, got something else' }]);
}
