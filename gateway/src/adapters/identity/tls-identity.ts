import type { X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { messageOf } from '../../domain/errors.ts';
import type { Milliseconds } from '../../domain/quantities.ts';
import type { Unsubscribe } from '../../ports/bus.ts';
import type { Log } from '../../ports/log.ts';
import { watchFiles } from '../files/file-watch.ts';
import { HeldRevocations } from './held-revocations.ts';
import { type Identity, type IdentityPaths, readIdentity } from './identity-files.ts';

const LOOK_MSEC: Milliseconds = 2_000;

/** Options of `node:tls` that this identity stands for, for servers and clients. */
export interface TlsMaterial {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.3';
}

/**
 * How a unit proves who it is, and whom it believes: its certificate, which may be renewed while it runs, and the
 * revocation list of the cluster. Revocation is judged here and not by OpenSSL, to which a list that has expired would
 * mean that nobody may connect any more.
 */
export class TlsIdentity {
  readonly #paths: IdentityPaths;
  readonly #log: Log;
  readonly #revocations: HeldRevocations;
  readonly #handlers = new Set<() => void>();
  readonly #unwatch: () => void;
  #identity: Identity;
  #context: SecureContext;

  /** Reads the files; rejects `ConfigError` as `readIdentity` and `HeldRevocations.open` do. */
  static async open(paths: IdentityPaths, log: Log): Promise<TlsIdentity> {
    return new TlsIdentity(paths, await readIdentity(paths), await HeldRevocations.open(paths), log);
  }

  private constructor(paths: IdentityPaths, identity: Identity, revocations: HeldRevocations, log: Log) {
    this.#paths = paths;
    this.#identity = identity;
    this.#revocations = revocations;
    this.#log = log;
    this.#context = createSecureContext(this.material);
    revocations.onAdopted(() => this.#tell());
    this.#unwatch = watchFiles(Object.values(paths), LOOK_MSEC, () => void this.#reload());
  }

  get identity(): Identity {
    return this.#identity;
  }

  get revocations(): HeldRevocations {
    return this.#revocations;
  }

  get material(): TlsMaterial {
    const { caPem: ca, certPem: cert, keyPem: key } = this.#identity;
    return { ca, cert, key, minVersion: 'TLSv1.3' };
  }

  /** For connections to others; made once, since it is costly. */
  get context(): SecureContext {
    return this.#context;
  }

  /** Why a certificate of the CA is believed no more, or undefined while it is: a connection may outlast it. */
  problemOf({ serialNumber, validToDate }: X509Certificate): string | undefined {
    if (this.#revocations.isRevoked(serialNumber)) return 'is revoked';
    return validToDate.getTime() <= Date.now() ? 'has expired' : undefined; // by the clock that OpenSSL goes by
  }

  /** Called when the own certificate was renewed or somebody's was revoked. */
  onChange(handler: () => void): Unsubscribe {
    this.#handlers.add(handler);
    return () => this.#handlers.delete(handler);
  }

  close(): void {
    this.#unwatch();
    this.#handlers.clear();
  }

  /** What is wrong changes nothing: the files may be half written, and are looked at again when they change. */
  async #reload(): Promise<void> {
    try {
      await this.#revocations.reload();
      const identity = await readIdentity(this.#paths);
      if (identity.certPem === this.#identity.certPem && identity.caPem === this.#identity.caPem) return;
      this.#identity = identity;
      this.#context = createSecureContext(this.material);
      this.#log.info({ name: identity.name, notAfter: identity.notAfter }, 'tls.certificate-renewed');
      this.#tell();
    } catch (error) {
      this.#log.warn({ message: messageOf(error) }, 'tls.files-refused');
    }
  }

  #tell(): void {
    for (const handler of [...this.#handlers]) handler();
  }
}
