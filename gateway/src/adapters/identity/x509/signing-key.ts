import { createPrivateKey, type KeyObject, webcrypto } from 'node:crypto';
import { ConfigError, messageOf } from '../../../domain/errors.ts';

/** Key of an authority, of whatever make, as the library signs with it. */
export type SigningKey = webcrypto.CryptoKey;

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' };

/** What web cryptography needs to know of a key; undefined for kinds that do not sign certificates here. */
function algorithmOf(key: KeyObject): { name: string; namedCurve?: string; hash?: string } | undefined {
  const { namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const curve = key.asymmetricKeyType === 'ec' ? CURVES[namedCurve] : undefined;
  return curve === undefined ? undefined : { name: 'ECDSA', namedCurve: curve };
}

/**
 * Reads a private key that signs certificates: PKCS#8, PKCS#1 or SEC 1 in PEM, RSA or EC, as openssl writes it. Throws
 * `ConfigError` that names `file` for anything else.
 */
export async function readSigningKey(pem: string, file: string): Promise<SigningKey> {
  const refuse = (found: string): never => {
    throw new ConfigError([
      { file, path: '', message: `expected an RSA or EC private key in PEM, without password, got ${found}` },
    ]);
  };
  const key = privateKeyOf(pem, refuse);
  const algorithm = algorithmOf(key) ?? refuse(`a key of type ${key.asymmetricKeyType}`);
  const der = key.export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
}

function privateKeyOf(pem: string, refuse: (found: string) => never): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    return refuse(messageOf(error));
  }
}

export interface NewKey {
  readonly publicKey: webcrypto.CryptoKey;
  readonly privateKey: webcrypto.CryptoKey;
  /** PKCS#8. */
  readonly privatePem: string;
}

/** A new key pair on P-256: small, quick on small machines, known to every TLS library. */
export async function newKey(): Promise<NewKey> {
  const curve = { name: 'ECDSA', namedCurve: 'P-256' };
  const { publicKey, privateKey } = await webcrypto.subtle.generateKey(curve, true, ['sign', 'verify']);
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  return { publicKey, privateKey, privatePem: toPem('PRIVATE KEY', der) };
}

/** RFC 7468. */
export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** The first block of that label; undefined when there is none. */
export function fromPem(label: string, pem: string): Uint8Array | undefined {
  const block = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(pem)?.[1];
  return block === undefined ? undefined : Buffer.from(block, 'base64');
}
